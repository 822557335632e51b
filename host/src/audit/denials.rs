//! Aggregation: what one caller is refused for one reason within one second shares a row, so that a flood cannot fill
//! the disk.
//!
//! The first of them have rows of their own, at once. Those that follow within the second are held, and written as one row
//! with their number when it ends. Each waits for that row, as any call waits for its own: nothing is answered before it is
//! durable, and a flood that waits a second for each of its answers slows itself down. Operations that ran are never held.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    event::{Event, Sharing},
    message::Done,
};
use crate::{
    limits::Buckets,
    names::{Code, OperationKind, Role, Surface},
};

/// How long denials are gathered.
const SECOND: Duration = Duration::from_secs(1);
/// So many of one reason have rows of their own in each second.
const ALONE: u32 = 20;
/// Rows that one caller may have at once for what shares rows, whatever the reasons...
const ROWS_AT_ONCE: u32 = 100;
/// ... and how often one more: beyond that all of it waits for the second's end.
const ROW_EVERY: Duration = Duration::from_millis(200);
/// Denials that may be held at once: when there are more, their rows are written before the second ends.
const HELD_MAX: usize = 4096;
/// Reasons that may be open at once: beyond them each denial is written by itself.
const OPEN_MAX: usize = 4096;

/// What makes two denials the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Reason {
    caller: Option<Uuid>,
    role: Option<Role>,
    operation: OperationKind,
    surface: Surface,
    code: Option<Code>,
    /// Provider and tool, if they were looked up. Names that were not are the caller's to make up: with them it could make
    /// every denial another.
    of: Option<(Option<String>, Option<String>)>,
}

impl Reason {
    fn of(event: &Event) -> Self {
        Self {
            caller: event.caller_id,
            role: event.caller_role,
            operation: event.operation,
            surface: event.surface,
            code: event.error_code,
            of: event.revision.is_some().then(|| (event.provider.clone(), event.tool.clone())),
        }
    }
}

/// Denials that will be one row, and those who wait for it.
#[derive(Debug)]
pub(super) struct Together {
    pub(super) event: Box<Event>,
    pub(super) waiting: Vec<Done>,
}

impl Together {
    /// Adds one more. The row keeps what all have in common, and when and under which correlation id the first came.
    fn add(&mut self, event: &Event, done: Done) {
        let row = &mut *self.event;
        row.times = row.times.saturating_add(1);
        row.duration_ms = row.duration_ms.max(event.duration_ms);
        row.used.add(&event.used);
        // What never ran keeps no bodies; if it did, no two would be the same.
        (row.payload, row.result) = (None, None);
        let optional = |kept: &mut Option<String>, other: &Option<String>| {
            if kept != other {
                *kept = None;
            }
        };
        optional(&mut row.provider, &event.provider);
        optional(&mut row.tool, &event.tool);
        optional(&mut row.error, &event.error);
        optional(&mut row.team, &event.team);
        optional(&mut row.revision, &event.revision);
        self.waiting.push(done);
    }
}

/// One reason's second.
#[derive(Debug, Default)]
struct Second {
    /// How many have had rows of their own.
    alone: u32,
    together: Option<Together>,
}

/// The denials of the last second.
#[derive(Debug)]
pub(super) struct Denials {
    open: HashMap<Reason, Second>,
    /// When each reason's second ends, in that order.
    ends: VecDeque<(Instant, Reason)>,
    held: usize,
    /// Rows of their own, by caller: reasons are many, and a caller could find them all.
    rows: Buckets<Option<Uuid>>,
}

impl Default for Denials {
    fn default() -> Self {
        Self { open: HashMap::new(), ends: VecDeque::new(), held: 0, rows: Buckets::new(ROWS_AT_ONCE, ROW_EVERY) }
    }
}

impl Denials {
    /// Holds an event if it may share a row and enough like it were written within the last second; otherwise gives it
    /// back, to be written now.
    pub(super) fn hold(&mut self, event: Box<Event>, done: Done, now: Instant) -> Option<(Box<Event>, Done)> {
        if event.sharing != Sharing::Second {
            return Some((event, done));
        }
        let reason = Reason::of(&event);
        if !self.open.contains_key(&reason) {
            if self.open.len() >= OPEN_MAX {
                return Some((event, done));
            }
            self.ends.push_back((now + SECOND, reason.clone()));
        }
        let second = self.open.entry(reason).or_default();
        if second.alone < ALONE && self.rows.take(&event.caller_id, now.into_std()).is_ok() {
            second.alone += 1;
            return Some((event, done));
        }
        match &mut second.together {
            Some(together) => together.add(&event, done),
            none => *none = Some(Together { event, waiting: vec![done] }),
        }
        self.held += 1;
        None
    }

    /// When the next second ends; `None` while none is open.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// The rows whose second has ended; all of them when as many denials are held as may be.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Together> {
        if self.held >= HELD_MAX {
            return self.all();
        }
        let mut due = Vec::new();
        while self.next_end().is_some_and(|end| end <= now) {
            let Some((_, reason)) = self.ends.pop_front() else { break };
            due.extend(self.open.remove(&reason).and_then(|second| second.together));
        }
        self.held -= due.iter().map(|together| together.waiting.len()).sum::<usize>();
        due
    }

    /// Every row. Seconds that have begun go on.
    pub(super) fn all(&mut self) -> Vec<Together> {
        self.held = 0;
        self.open.values_mut().filter_map(|second| second.together.take()).collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::{super::event::Outcome, *};

    fn denial(caller: u128, tool: &str) -> Box<Event> {
        Box::new(Event {
            tool: Some(tool.to_owned()),
            caller_id: Some(Uuid::from_u128(caller)),
            error_code: Some(Code::RateLimited),
            ..Event::sample(Outcome::Denied)
        })
    }

    fn done() -> Done {
        oneshot::channel().0
    }

    fn is_held(denials: &mut Denials, event: Box<Event>, now: Instant) -> bool {
        denials.hold(event, done(), now).is_none()
    }

    /// Uses up the rows of their own that a reason has.
    fn first_ones(denials: &mut Denials, event: &Event, now: Instant) {
        for _ in 0..ALONE {
            assert!(!is_held(denials, Box::new(event.clone()), now));
        }
    }

    #[test]
    fn the_first_twenty_have_their_rows_at_once_and_the_others_share_one() {
        let (mut denials, start) = (Denials::default(), Instant::now());
        first_ones(&mut denials, &denial(1, "t"), start);
        for _ in 0..10 {
            assert!(is_held(&mut denials, denial(1, "t"), start + SECOND / 2));
        }
        assert!(denials.due(start + SECOND / 2).is_empty());
        assert_eq!(denials.next_end(), Some(start + SECOND));
        let due = denials.due(start + SECOND);
        let [row] = &due[..] else { panic!("{due:?}") };
        assert_eq!((row.event.times, row.waiting.len()), (10, 10));
        assert!(denials.next_end().is_none() && denials.open.is_empty() && denials.held == 0);
        assert!(!is_held(&mut denials, denial(1, "t"), start + SECOND), "a new second begins");
    }

    #[test]
    fn callers_tools_and_codes_are_told_apart_and_what_ran_is_never_held() {
        let (mut denials, now) = (Denials::default(), Instant::now());
        let mut other = denial(1, "t");
        other.error_code = Some(Code::RoleTooLow);
        for event in [denial(1, "t"), denial(2, "t"), denial(1, "u"), other] {
            first_ones(&mut denials, &event, now);
            assert!(is_held(&mut denials, event, now));
        }
        for outcome in [Outcome::Ok, Outcome::Failed, Outcome::Timeout, Outcome::Cancelled, Outcome::Invalid] {
            for _ in 0..2 * ALONE {
                let ran = Event { outcome, sharing: Sharing::Own, ..*denial(1, "t") };
                assert!(!is_held(&mut denials, Box::new(ran), now), "{outcome:?}");
            }
        }
    }

    #[test]
    fn whatever_never_ran_shares_a_row_whichever_way_it_ended() {
        let (mut denials, now) = (Denials::default(), Instant::now());
        for (outcome, code) in [
            (Outcome::Invalid, Some(Code::InputInvalid)),
            (Outcome::Failed, Some(Code::ProviderUnavailable)),
            (Outcome::Ok, None),
        ] {
            let event = Event { outcome, sharing: Sharing::Second, error_code: code, ..*denial(1, "t") };
            first_ones(&mut denials, &event, now);
            assert!(is_held(&mut denials, Box::new(event), now), "{outcome:?}");
        }
    }

    #[test]
    fn a_caller_with_many_reasons_has_no_more_rows_for_it() {
        let (mut denials, now) = (Denials::default(), Instant::now());
        let own = |denials: &mut Denials, now: Instant| {
            let tools = (0..50).map(|tool| format!("t{tool}"));
            tools
                .flat_map(|tool| (0..ALONE).map(move |_| tool.clone()))
                .filter(|tool| !is_held(denials, denial(1, tool), now))
                .count()
        };
        assert_eq!(own(&mut denials, now), ROWS_AT_ONCE as usize);
        assert!(!is_held(&mut denials, denial(2, "t0"), now), "others have their own");
        assert_eq!(denials.due(now + SECOND).len(), 45, "one for each reason that has none of its own");
        assert_eq!(own(&mut denials, now + SECOND), 5);
    }

    #[test]
    fn made_up_names_do_not_make_another_reason_and_do_not_stay_in_a_row_of_several() {
        let (mut denials, now) = (Denials::default(), Instant::now());
        let made_up = |name: &str| {
            let mut event = denial(1, name);
            event.revision = None;
            event
        };
        first_ones(&mut denials, &made_up("a"), now);
        for name in ["b", "c"] {
            assert!(is_held(&mut denials, made_up(name), now));
        }
        let row = denials.due(now + SECOND).pop().expect("a row");
        assert_eq!((row.event.tool.as_deref(), row.event.provider.as_deref()), (None, Some("p")));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut denials, now) = (Denials::default(), Instant::now());
        for caller in 0..2 * OPEN_MAX as u128 {
            assert!(!is_held(&mut denials, denial(caller, "t"), now));
        }
        assert_eq!((denials.open.len(), denials.ends.len()), (OPEN_MAX, OPEN_MAX));
        for _ in 1..ALONE {
            assert!(!is_held(&mut denials, denial(1, "t"), now));
        }
        for _ in 0..HELD_MAX {
            assert!(is_held(&mut denials, denial(1, "t"), now));
        }
        let due = denials.due(now);
        assert_eq!(due.iter().map(|row| row.waiting.len()).sum::<usize>(), HELD_MAX, "before the second ends");
        assert!(is_held(&mut denials, denial(1, "t"), now), "the second goes on");
    }
}
