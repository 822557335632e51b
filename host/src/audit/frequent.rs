//! What is too frequent for a row each and changes nothing: lists, and checks that find what the last one found. The first of
//! an hour has its row at once; the others are counted, answered without waiting, and one more row tells how many they were.
//! A crash may lose that count, never the first.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::event::{Event, Outcome, Sharing};
use crate::names::{Code, OperationKind, Role, Surface};

/// How long operations are counted.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Counts that may be open at once: beyond them each operation has a row.
const OPEN_MAX: usize = 4096;

/// What makes two operations the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    caller: Option<Uuid>,
    role: Option<Role>,
    operation: OperationKind,
    surface: Surface,
    provider: Option<String>,
    outcome: Outcome,
    code: Option<Code>,
    revision: Option<String>,
}

impl Kind {
    fn of(event: &Event) -> Self {
        Self {
            caller: event.caller_id,
            role: event.caller_role,
            operation: event.operation,
            surface: event.surface,
            provider: event.provider.clone(),
            outcome: event.outcome,
            code: event.error_code,
            revision: event.revision.clone(),
        }
    }
}

/// One kind's hour.
#[derive(Debug)]
struct Counted {
    /// The row that it has.
    row: Uuid,
    /// Those that came later, as one row.
    others: Option<Event>,
}

/// What is to be done with an event.
#[derive(Debug)]
pub(super) enum Held {
    /// It is written now.
    Written(Box<Event>),
    /// It is counted: its kind has this row.
    Counted(Uuid),
}

/// The counts of the last hour.
#[derive(Debug, Default)]
pub(super) struct Frequent {
    open: HashMap<Kind, Counted>,
    /// When each kind's hour ends, in that order.
    ends: VecDeque<(Instant, Kind)>,
}

impl Frequent {
    /// Counts an event, if it is one to count and not the first of its hour.
    pub(super) fn hold(&mut self, event: Box<Event>, now: Instant) -> Held {
        if event.sharing != Sharing::Hour {
            return Held::Written(event);
        }
        let kind = Kind::of(&event);
        let Some(Counted { row, others }) = self.open.get_mut(&kind) else {
            if self.open.len() < OPEN_MAX {
                self.ends.push_back((now + HOUR, kind.clone()));
                self.open.insert(kind, Counted { row: event.id, others: None });
            }
            return Held::Written(event);
        };
        if let Some(others) = others {
            others.times = others.times.saturating_add(1);
            others.duration_ms = others.duration_ms.max(event.duration_ms);
            others.used.add(&event.used);
        } else {
            // What they found is in the first one's row; of the others only the number counts.
            *others = Some(Event { payload: None, result: None, ..*event });
        }
        Held::Counted(*row)
    }

    /// When the next hour ends; `None` while none is open.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// The rows that count what came in hours that have ended.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Event> {
        let mut due = Vec::new();
        while self.next_end().is_some_and(|end| end <= now) {
            let Some((_, kind)) = self.ends.pop_front() else { break };
            due.extend(self.open.remove(&kind).and_then(|counted| counted.others));
        }
        due
    }

    /// All counts. Hours that have begun are over.
    pub(super) fn all(&mut self) -> Vec<Event> {
        self.ends.clear();
        self.open.drain().filter_map(|(_, counted)| counted.others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(caller: u128) -> Box<Event> {
        Box::new(Event {
            caller_id: Some(Uuid::from_u128(caller)),
            operation: OperationKind::McpList,
            sharing: Sharing::Hour,
            ..Event::sample(Outcome::Ok)
        })
    }

    fn is_written(frequent: &mut Frequent, event: Box<Event>, now: Instant) -> bool {
        matches!(frequent.hold(event, now), Held::Written(_))
    }

    #[test]
    fn the_first_of_an_hour_has_its_row_and_one_more_counts_the_others() {
        let (mut frequent, start) = (Frequent::default(), Instant::now());
        let first = listed(1);
        let row = first.id;
        assert!(is_written(&mut frequent, first, start));
        for _ in 0..7 {
            assert!(matches!(frequent.hold(listed(1), start + HOUR / 2), Held::Counted(id) if id == row));
        }
        assert!(is_written(&mut frequent, listed(2), start + HOUR / 2), "another caller has its own");
        assert!(frequent.due(start + HOUR / 2).is_empty());
        let due = frequent.due(start + HOUR);
        let [others] = &due[..] else { panic!("{due:?}") };
        assert!(others.times == 7 && others.id != row && others.payload.is_none());
        assert!(is_written(&mut frequent, listed(1), start + HOUR), "a new hour begins");
        assert!(!is_written(&mut frequent, listed(2), start + HOUR));
        assert_eq!(frequent.all().iter().map(|event| event.times).collect::<Vec<_>>(), [1], "also when the hub ends");
        assert!(frequent.next_end().is_none());
    }

    #[test]
    fn another_outcome_is_another_kind_and_whatever_else_there_is_is_never_counted() {
        let (mut frequent, now) = (Frequent::default(), Instant::now());
        assert!(is_written(&mut frequent, listed(1), now));
        let failed = || Box::new(Event { outcome: Outcome::Failed, ..*listed(1) });
        assert!(is_written(&mut frequent, failed(), now) && !is_written(&mut frequent, failed(), now));
        for sharing in [Sharing::Own, Sharing::Second] {
            for _ in 0..2 {
                assert!(is_written(&mut frequent, Box::new(Event { sharing, ..*listed(1) }), now));
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (mut frequent, now) = (Frequent::default(), Instant::now());
        for caller in 0..2 * OPEN_MAX as u128 {
            assert!(is_written(&mut frequent, listed(caller), now));
        }
        assert_eq!((frequent.open.len(), frequent.ends.len()), (OPEN_MAX, OPEN_MAX));
    }
}
