//! Holds the sums that the database keeps against the events that they are of.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    super::{
        entry::{Place, timestamp},
        event::Event,
        rollup::{self, Key, Sums},
    },
    report::Report,
};

/// What the events of all writers come to, until the sums of the database are held against it.
#[derive(Default)]
pub(super) struct Rollups(BTreeMap<(Uuid, Key<String>), Sums>);

impl Rollups {
    /// An event was met.
    pub(super) fn event(&mut self, place: &Place, event: &Event) {
        rollup::of_event(place, event, |key, sums| self.0.entry((place.writer, key.owned())).or_default().add(&sums));
    }

    /// The database has a sum; all events were met before.
    pub(super) fn listed(&mut self, writer: Uuid, key: Key<String>, sums: &Sums, report: &mut Report) {
        let of = (writer, key);
        let events = self.0.remove(&of);
        let told = || shown(&of);
        report.problems_if(match events {
            Some(events) if events == *sums => None,
            Some(events) => Some(format!(
                "{} was changed: it says {}, and the rows come to {}",
                told(),
                numbers(sums),
                numbers(&events)
            )),
            None => Some(format!("{} was added: no row is of that", told())),
        });
    }

    /// It cannot be said what a writer's events come to.
    pub(super) fn skip(&mut self, writer: Uuid) {
        self.0.retain(|(of, _), _| *of != writer);
    }

    /// All sums were met.
    pub(super) fn end(&mut self, report: &mut Report) {
        for (of, sums) in std::mem::take(&mut self.0) {
            report.problem(format!("{} is missing: the rows come to {}", shown(&of), numbers(&sums)));
        }
    }
}

fn shown((writer, key): &(Uuid, Key<String>)) -> String {
    let Key { hour, provider, tool, caller, team, outcome, unit } = key;
    let hour = rollup::begin(*hour).map_or_else(|| format!("hour {hour}"), timestamp);
    let unit = if unit.is_empty() { String::new() } else { format!(", in `{unit}`") };
    format!(
        "the sum of usage of hub run {writer} from {hour} on, of provider `{provider}`, tool `{tool}`, caller {caller}, team \
         `{team}`, outcome {outcome}{unit},"
    )
}

fn numbers(sums: &Sums) -> String {
    let [calls, ms, requests, bytes, cost] = sums.numbers();
    format!("{calls} calls, {ms} ms, {requests} requests, {bytes} bytes, cost {cost}")
}
