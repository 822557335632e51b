//! Whether the audit trail is available (fail closed). While it is not, nothing new begins: every call is turned away
//! before anything runs, counted, and told of in one row when it is over.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    cloud_event::ForOutbox,
    event::{DURATION_MAX, Event, Outcome, Sharing},
    usage::Usage,
};
use crate::names::{Code, OperationKind, Surface};

/// A commit that takes longer than this is a disk that hangs. Longer than SQLite waits for another process, and the hub for
/// PostgreSQL.
const STALLED: Duration = Duration::from_secs(8);

/// Why nothing can be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What is wrong and what to do about it, without paths.
    pub why: String,
}

/// The standing, shared by the writer, who sets it, and by the line, which asks before each call.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    now: Now,
    turned_away: Option<TurnedAway>,
}

#[derive(Debug)]
enum Now {
    /// Rows are taken; perhaps some are being committed since then.
    Writable { committing: Option<Instant> },
    /// Nothing can be recorded.
    Refusing(Refusal),
}

impl Default for Now {
    fn default() -> Self {
        Self::Writable { committing: None }
    }
}

/// Calls that were turned away and are not in the trail yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TurnedAway {
    /// The id of the row that will tell of them.
    row: Uuid,
    refusal: Refusal,
    times: u32,
}

impl Standing {
    /// Why nothing can be recorded; `None` while rows are taken.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.lock().now.refusal()
    }

    /// Counts a call that is turned away, and gives the id of the row that will tell of it; `None` while rows are taken.
    pub(super) fn turn_away(&self) -> Option<Uuid> {
        let mut state = self.lock();
        let refusal = state.now.refusal()?;
        let fresh = || TurnedAway { row: Uuid::now_v7(), refusal, times: 0 };
        let counted = state.turned_away.get_or_insert_with(fresh);
        counted.times = counted.times.saturating_add(1);
        Some(counted.row)
    }

    /// A commit begins.
    pub(super) fn committing(&self) {
        self.lock().now = Now::Writable { committing: Some(Instant::now()) };
    }

    /// Rows are taken. Gives those who were turned away until now.
    pub(super) fn writable(&self) -> Option<TurnedAway> {
        let mut state = self.lock();
        state.now = Now::Writable { committing: None };
        state.turned_away.take()
    }

    /// Nothing can be recorded, for this reason. Says whether that is news.
    pub(super) fn refuse(&self, why: String) -> bool {
        let mut state = self.lock();
        match &mut state.now {
            Now::Refusing(refusal) => {
                let news = refusal.why != why;
                refusal.why = why;
                news
            }
            writable @ Now::Writable { .. } => {
                *writable = Now::Refusing(Refusal { since: Utc::now(), why });
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refusing(refusal) => Some(refusal.clone()),
            Self::Writable { committing } => {
                let taken = committing.map(|since| since.elapsed()).filter(|taken| *taken > STALLED)?;
                let since = Utc::now() - TimeDelta::from_std(taken).unwrap_or_default();
                Some(Refusal {
                    since,
                    why: format!("writing takes longer than {STALLED:?}: check the database's disk"),
                })
            }
        }
    }
}

impl TurnedAway {
    /// The row that tells of them.
    pub(super) fn event(self) -> Event {
        let Self { row, refusal: Refusal { since, why }, times } = self;
        let lasted = (Utc::now() - since).num_milliseconds().clamp(0, i64::from(DURATION_MAX));
        Event {
            id: row,
            created_at: since,
            provider: None,
            tool: None,
            caller_id: None,
            caller_role: None,
            team: None,
            payload: None,
            result: None,
            outcome: Outcome::Failed,
            error_code: Some(Code::NotRecorded),
            error: Some(Event::error_text(&format!(
                "{times} operations were refused and did not run, because nothing could be recorded: {why}"
            ))),
            // It is clamped to what fits.
            duration_ms: u32::try_from(lasted).unwrap_or(DURATION_MAX),
            hostname: None,
            operation: OperationKind::Refuse,
            surface: Surface::Hub,
            correlation_id: row.to_string(),
            revision: None,
            replays: None,
            times,
            used: Usage::default(),
            severity: None,
            sharing: Sharing::Own,
            quotas: Vec::new(),
            outbox: ForOutbox::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_counted_in_one_row_when_it_is_over() {
        let standing = Standing::default();
        standing.committing();
        assert_eq!((standing.turn_away(), standing.refusal()), (None, None), "a commit is no reason to wait");
        assert!(standing.refuse("the disk is full".to_owned()));
        assert!(!standing.refuse("the disk is full".to_owned()), "it is told once");
        let since = standing.refusal().expect("refusing").since;
        let rows: Vec<_> = (0..5).map(|_| standing.turn_away().expect("turned away")).collect();
        assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
        assert!(standing.refuse("locked".to_owned()));
        assert_eq!(standing.refusal(), Some(Refusal { since, why: "locked".to_owned() }));
        let event = standing.writable().expect("counted").event();
        assert_eq!((event.id, event.times, event.created_at), (rows[0], 5, since));
        assert!(event.error.is_some_and(|error| error.contains("5 operations") && error.contains("the disk is full")));
        assert_eq!((standing.writable(), standing.turn_away(), standing.refusal()), (None, None, None));
    }

    #[test]
    fn a_commit_that_hangs_is_a_reason_to_refuse_until_it_ends() {
        let standing = Standing::default();
        let since = Instant::now().checked_sub(STALLED + Duration::from_secs(1)).expect("a machine that is up");
        standing.lock().now = Now::Writable { committing: Some(since) };
        let row = standing.turn_away().expect("turned away");
        assert!(standing.refusal().expect("refusing").why.contains("disk"));
        assert_eq!(standing.writable().expect("counted").row, row);
        assert_eq!(standing.refusal(), None);
    }
}
