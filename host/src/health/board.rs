//! The providers' health: what the last check of each found, and when the next is due.
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::names::{Code, ProviderName, words};

/// A check takes at most this long; one that does not end in time counts as degraded (G6).
pub const CHECK_TIME: Duration = Duration::from_secs(5);
/// How often a healthy provider is checked.
pub const RECHECK: Duration = Duration::from_secs(30);
/// How often one that is not healthy is checked, so that it is back soon after it is repaired.
pub const RECHECK_DOWN: Duration = Duration::from_secs(5);
/// After this many such checks in a row it is checked as often as a healthy one: nobody is repairing it just now.
const FREQUENT_CHECKS: u32 = 24;

/// How long a check answers further questions.
const FRESH: Duration = Duration::from_secs(1);

words! {
    /// How a provider is.
    #[derive(PartialOrd, Ord, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Status: "status" {
        /// It works.
        Ok = "ok",
        /// It works in part, slowly, or nobody has looked yet.
        Degraded = "degraded",
        /// It does not work: calls to it fail fast.
        Down = "down",
        /// It is new, and not ready yet.
        Loading = "loading",
        /// The config takes it out of service.
        Disabled = "disabled",
    }
}

// By hand, because client generators take a plain list of words for an enum and a choice of constants for something else.
impl JsonSchema for Status {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<_> = Self::ALL.iter().map(|status| status.as_str()).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// What the last check of a provider found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// The provider.
    pub provider: String,
    /// How it is.
    pub status: Status,
    /// How long the check took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// When it was last checked.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_check: Option<DateTime<Utc>>,
    /// What is wrong, and the one thing that fixes it.
    pub error: Option<String>,
    /// The code of what was found wrong, for the audit trail; none where the check is as it should be.
    #[serde(skip)]
    pub code: Option<Code>,
}

#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn rfc3339<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)).serialize(serializer)
}

/// What the last checks found.
#[derive(Debug, Default)]
pub struct HealthBoard {
    checks: Mutex<HashMap<ProviderName, Check>>,
}

#[derive(Debug, Clone)]
struct Check {
    health: Health,
    at: Instant,
    revision: String,
    /// Checks in a row that found it unhealthy.
    misses: u32,
}

impl HealthBoard {
    /// Notes what a check of `revision` found, if that `is_current` still: a check that outlives its revision says nothing of
    /// the one that serves now. That a provider goes down, and that it is back, is a line in the log. Says whether this is news:
    /// of another revision than before, or another status.
    pub fn note(
        &self,
        provider: &ProviderName,
        revision: &str,
        is_current: impl FnOnce() -> bool,
        health: Health,
    ) -> bool {
        let mut checks = self.lock();
        // Asked within the lock: whatever becomes current after this is noted after this.
        if !is_current() {
            return true;
        }
        let before = checks.get(provider);
        let is_news = before.is_none_or(|check| check.revision != revision || check.health.status != health.status);
        let was_down = before.is_some_and(|check| check.health.status == Status::Down);
        let is_down = health.status == Status::Down;
        let misses = before.filter(|check| check.revision == revision).map_or(0, |check| check.misses);
        let misses = if health.status == Status::Ok { 0 } else { misses.saturating_add(1) };
        let (status, reason) = (health.status, health.error.clone().unwrap_or_default());
        let check = Check { health, at: Instant::now(), revision: revision.to_owned(), misses };
        checks.insert(provider.clone(), check);
        drop(checks);
        if is_down && !was_down {
            tracing::warn!(%provider, reason = &*crate::invocation::with_paths(&reason), "a provider is down");
        } else if was_down && !is_down {
            tracing::info!(%provider, ?status, "a provider is no longer down");
        }
        is_news
    }

    /// What the last check of a provider found; `None` if there was none. A `revision` that was not checked yet is as the one
    /// before it was, unless that was down: a change may be what fixes it.
    #[must_use]
    pub fn last(&self, provider: &ProviderName, revision: &str) -> Option<Health> {
        let checks = self.lock();
        let check = checks.get(provider)?;
        (check.revision == revision || check.health.status != Status::Down).then(|| check.health.clone())
    }

    /// What a check of a provider's `revision` found that ended after `asked`.
    #[must_use]
    pub fn found_since(&self, provider: &ProviderName, revision: &str, asked: Instant) -> Option<Health> {
        let checks = self.lock();
        let check = checks.get(provider).filter(|check| check.revision == revision)?;
        (check.at >= asked).then(|| check.health.clone())
    }

    /// What a check of a provider's `revision` found just now, so that asking often does not mean checking often.
    #[must_use]
    pub fn fresh(&self, provider: &ProviderName, revision: &str) -> Option<Health> {
        let checks = self.lock();
        let check = checks.get(provider).filter(|check| check.revision == revision)?;
        (check.at.elapsed() < FRESH).then(|| check.health.clone())
    }

    /// Why a provider is down; `None` while it is not known to be. A check that a circuit breaker has kept from its upstream does
    /// not know: the breaker itself says when a call may try.
    #[must_use]
    pub fn down(&self, provider: &ProviderName, revision: &str) -> Option<String> {
        let checks = self.lock();
        let check = checks.get(provider).filter(|check| check.revision == revision)?;
        let is_known = check.health.code != Some(Code::CircuitOpen);
        (check.health.status == Status::Down && is_known).then(|| check.health.error.clone().unwrap_or_default())
    }

    /// Whether a check of a provider's `revision` is due.
    #[must_use]
    pub fn is_due(&self, provider: &ProviderName, revision: &str) -> bool {
        self.lock().get(provider).filter(|check| check.revision == revision).is_none_or(|check| {
            let every = if (1..FREQUENT_CHECKS).contains(&check.misses) { RECHECK_DOWN } else { RECHECK };
            check.at.elapsed() >= every
        })
    }

    /// Forgets providers that are gone.
    pub fn retain(&self, keep: impl Fn(&ProviderName) -> bool) {
        self.lock().retain(|provider, _| keep(provider));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderName, Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(status: Status) -> Health {
        Health { provider: "p".to_owned(), status, latency_ms: None, last_check: None, error: None, code: None }
    }

    #[test]
    fn what_is_known_of_a_revision_says_nothing_of_the_one_that_mends_it() {
        let (board, provider) = (HealthBoard::default(), "p".parse().expect("a name"));
        assert!(board.is_due(&provider, "old") && board.last(&provider, "old").is_none());
        let asked = Instant::now();
        board.note(&provider, "old", || true, health(Status::Down));
        assert!(board.down(&provider, "old").is_some() && !board.is_due(&provider, "old"));
        assert!(board.found_since(&provider, "old", asked).is_some());
        assert!(board.found_since(&provider, "old", Instant::now() + RECHECK).is_none(), "not since then");

        assert!(board.down(&provider, "new").is_none() && board.is_due(&provider, "new"), "it is checked at once");
        assert!(board.last(&provider, "new").is_none() && board.fresh(&provider, "new").is_none());
        assert!(board.found_since(&provider, "new", asked).is_none());
        board.note(&provider, "new", || true, health(Status::Ok));
        let last = board.last(&provider, "newer").map(|health| health.status);
        assert_eq!(last, Some(Status::Ok), "a change of a healthy provider does not make the hub unhealthy");
        assert!(board.is_due(&provider, "newer") && board.fresh(&provider, "newer").is_none());
    }

    #[test]
    fn a_check_that_outlives_its_revision_says_nothing_of_the_next_one() {
        let (board, provider) = (HealthBoard::default(), "p".parse().expect("a name"));
        for (late, now) in [(Status::Ok, Status::Down), (Status::Down, Status::Ok)] {
            board.note(&provider, "new", || true, health(now));
            board.note(&provider, "old", || false, health(late));
            assert_eq!(board.fresh(&provider, "new").map(|health| health.status), Some(now));
            assert_eq!(board.down(&provider, "new").is_some(), now == Status::Down);
            assert!(board.fresh(&provider, "old").is_none() && !board.is_due(&provider, "new"));
        }
    }

    #[test]
    fn a_check_is_news_where_it_finds_another_status_or_another_revision() {
        let (board, provider) = (HealthBoard::default(), "p".parse().expect("a name"));
        let note = |revision, status| board.note(&provider, revision, || true, health(status));
        assert!(note("one", Status::Ok) && !note("one", Status::Ok));
        assert!(note("one", Status::Degraded) && !note("one", Status::Degraded));
        assert!(note("one", Status::Down) && note("one", Status::Ok));
        assert!(note("another", Status::Ok), "that it is healthy too is worth a row");
        assert!(board.note(&provider, "one", || false, health(Status::Ok)), "a late one is told of, and not noted");
    }
}
