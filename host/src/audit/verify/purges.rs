//! Holds bodies that are not there against the statements that say so. A statement may stand before or behind the entry.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    super::{
        body::{Body, Text},
        entry::{Entry, Sealed},
        statement::{PurgedBody, Side},
    },
    report::Report,
};

/// Bodies that were removed, and what is said of that.
#[derive(Default)]
pub(super) struct Purges {
    /// Those that are not there, with the call's id.
    removed: BTreeMap<PurgedBody, Uuid>,
    stated: BTreeSet<PurgedBody>,
}

impl Purges {
    /// An entry was met.
    pub(super) fn entry(&mut self, Sealed { place, entry }: &Sealed<Entry>) {
        let (id, bodies) = match entry {
            Entry::Event(event) => (event.id, [(Side::Payload, &event.payload), (Side::Result, &event.result)]),
            Entry::Intent(intent) => (intent.id, [(Side::Payload, &intent.payload), (Side::Result, &None)]),
            // One that cannot be read is told of with its ties.
            Entry::Statement(statement) => return self.stated.extend(statement.purged().unwrap_or_default()),
        };
        for (body, found) in bodies {
            if found.as_ref().map(Body::text) == Some(&Text::Removed) {
                self.removed.insert(PurgedBody { body, seq: place.seq, writer: place.writer }, id);
            }
        }
    }

    /// Everything was met.
    pub(super) fn end(&mut self, report: &mut Report) {
        let stated = std::mem::take(&mut self.stated);
        for (PurgedBody { body, seq, writer }, id) in &self.removed {
            if !stated.contains(&PurgedBody { body: *body, seq: *seq, writer: *writer }) {
                let what = body.as_str();
                report.problem(format!(
                    "the {what} of row {id} (entry {seq} of hub run {writer}) was removed, and nobody has said so"
                ));
            }
        }
        for purged in stated.iter().filter(|purged| !self.removed.contains_key(purged)) {
            let PurgedBody { body, seq, writer } = purged;
            report.problem(format!(
                "the {} of entry {seq} of hub run {writer} was purged, and is there again, or its entry is not",
                body.as_str()
            ));
        }
    }
}
