//! Sums of what was recorded, by the hour: written with the rows that they are of, so that nobody has to read those to tell
//! what was used.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    entry::{Entry, Place, Sealed},
    event::{Event, Outcome},
};
use crate::names::Code;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// The most that a sum comes to: far above what there is, and below what stores can add up without an overflow.
pub(super) const SUM_MAX: i64 = 4_000_000_000_000_000_000;

/// What is summed together. What an event does not have is an empty text, or nobody's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<S> {
    /// Hours since 1970, by the time at which it was recorded.
    pub(super) hour: i64,
    pub(super) provider: S,
    pub(super) tool: S,
    pub(super) caller: Uuid,
    pub(super) team: S,
    pub(super) outcome: Outcome,
    /// What the cost is in; empty for everything else that is summed.
    pub(super) unit: S,
}

/// What was summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) calls: i64,
    pub(super) duration_ms: i64,
    pub(super) upstream_requests: i64,
    pub(super) upstream_bytes: i64,
    /// In millionths.
    pub(super) cost: i64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.duration_ms, other.duration_ms),
            (&mut self.upstream_requests, other.upstream_requests),
            (&mut self.upstream_bytes, other.upstream_bytes),
            (&mut self.cost, other.cost),
        ] {
            *sum = sum.saturating_add(more).min(SUM_MAX);
        }
    }

    pub(super) fn numbers(&self) -> [i64; 5] {
        [self.calls, self.duration_ms, self.upstream_requests, self.upstream_bytes, self.cost]
    }
}

impl From<[i64; 5]> for Sums {
    fn from([calls, duration_ms, upstream_requests, upstream_bytes, cost]: [i64; 5]) -> Self {
        Self { calls, duration_ms, upstream_requests, upstream_bytes, cost }
    }
}

impl<S: AsRef<str>> Key<S> {
    pub(super) fn owned(&self) -> Key<String> {
        let text = |text: &S| text.as_ref().to_owned();
        Key {
            hour: self.hour,
            provider: text(&self.provider),
            tool: text(&self.tool),
            caller: self.caller,
            team: text(&self.team),
            outcome: self.outcome,
            unit: text(&self.unit),
        }
    }
}

/// The sums of entries, each key once.
pub(super) fn of_entries<'a>(entries: &[Sealed<&'a Entry>]) -> BTreeMap<Key<&'a str>, Sums> {
    let mut rollups = BTreeMap::<_, Sums>::new();
    for Sealed { place, entry } in entries {
        if let Entry::Event(event) = *entry {
            of_event(place, event, |key, sums| rollups.entry(key).or_default().add(&sums));
        }
    }
    rollups
}

/// What an event adds to which sums.
pub(super) fn of_event<'a>(place: &Place, event: &'a Event, mut add: impl FnMut(Key<&'a str>, Sums)) {
    let (provider, tool) = names(event);
    let key = |unit: &'a str| Key {
        hour: hour(place.recorded_at),
        provider,
        tool,
        caller: event.caller_id.unwrap_or_default(),
        team: event.team.as_deref().unwrap_or_default(),
        outcome: event.outcome,
        unit,
    };
    let number = |number: u64| i64::try_from(number).unwrap_or(SUM_MAX);
    let counts = Sums {
        calls: event.times.into(),
        duration_ms: event.duration_ms.into(),
        upstream_requests: event.used.requests.into(),
        upstream_bytes: number(event.used.bytes),
        cost: 0,
    };
    add(key(""), counts);
    for (unit, cost) in event.used.costs.each() {
        add(key(unit), Sums { cost, ..Sums::default() });
    }
}

/// Provider and tool, as far as they are not the caller's to make up: with such names it could make every sum another.
fn names(event: &Event) -> (&str, &str) {
    let provider = event.provider.as_deref().unwrap_or_default();
    let tool = event.tool.as_deref().unwrap_or_default();
    let is_unknown = matches!(event.error_code, Some(Code::UnknownTool | Code::UnknownResource | Code::UnknownPrompt));
    match event.outcome {
        Outcome::Denied | Outcome::Invalid if event.revision.is_none() => ("", ""),
        _ if is_unknown => (provider, ""),
        _ => (provider, tool),
    }
}

/// The hour of a time.
pub(super) fn hour(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis().div_euclid(HOUR_MS)
}

/// When an hour begins; `None` if that is no time.
pub(super) fn begin(hour: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(hour.checked_mul(HOUR_MS)?)
}

#[cfg(test)]
mod tests {
    use super::{
        super::usage::{Costs, Usage},
        *,
    };

    fn place(ms: i64) -> Place {
        Place { writer: Uuid::nil(), seq: 1, recorded_at: DateTime::from_timestamp_millis(ms).expect("a time") }
    }

    #[test]
    fn what_has_one_key_is_one_sum_and_each_unit_has_its_own() {
        let costs = Costs::read(r#"{"USD":5,"tokens":7}"#).expect("costs");
        let used = Usage { requests: 2, bytes: 100, costs };
        let entry = |outcome, used: Usage| Entry::Event(Box::new(Event { used, ..Event::sample(outcome) }));
        let entries =
            [entry(Outcome::Ok, used.clone()), entry(Outcome::Ok, used), entry(Outcome::Failed, Usage::default())];
        let sealed: Vec<_> = entries.iter().map(|entry| Sealed { place: place(HOUR_MS - 1), entry }).collect();
        let rollups = of_entries(&sealed);
        let found: Vec<_> =
            rollups.iter().map(|(key, sums)| (key.outcome, key.unit, key.hour, sums.numbers())).collect();
        assert_eq!(
            found,
            [
                (Outcome::Ok, "", 0, [2, 2, 4, 200, 0]),
                (Outcome::Ok, "USD", 0, [0, 0, 0, 0, 10]),
                (Outcome::Ok, "tokens", 0, [0, 0, 0, 0, 14]),
                (Outcome::Failed, "", 0, [1, 1, 0, 0, 0]),
            ]
        );
    }

    #[test]
    fn names_that_a_caller_makes_up_are_in_no_key() {
        let named = |event: &Event| {
            let mut found = Vec::new();
            of_event(&place(HOUR_MS), event, |key, _| found.push((key.provider.to_owned(), key.tool.to_owned())));
            found
        };
        let both = [("p".to_owned(), "t".to_owned())];
        let sample = Event::sample(Outcome::Invalid);
        assert_eq!(named(&sample), both);
        assert_eq!(named(&Event { revision: None, ..Event::sample(Outcome::Failed) }), both);
        assert_eq!(named(&Event { revision: None, ..sample.clone() }), [(String::new(), String::new())]);
        assert_eq!(named(&Event { error_code: Some(Code::UnknownTool), ..sample }), [("p".to_owned(), String::new())]);
    }

    #[test]
    fn sums_stop_before_stores_overflow() {
        let mut sums = Sums { cost: SUM_MAX - 1, ..Sums::default() };
        sums.add(&Sums { cost: 7, calls: 1, ..Sums::default() });
        assert_eq!(sums.numbers(), [1, 0, 0, 0, SUM_MAX]);
        assert_eq!(
            begin(hour(DateTime::from_timestamp_millis(-1).expect("a time"))).map(|at| at.timestamp()),
            Some(-3600)
        );
    }
}
