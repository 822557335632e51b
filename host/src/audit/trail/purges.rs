//! What says of an event's bodies that they were removed, for those who are shown the event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::{
        body::{Body, Text},
        entry::{Entry, Place, Sealed, statement_members},
        event::Event,
        ledger::ReadFault,
        statement::{PurgedBody, Side, Statement},
    },
    shown,
    sources::Sources,
};

/// The statements that an export has to prove.
#[derive(Debug, Default)]
pub(super) struct Purges {
    /// Which statement says it of which body; read when the first body is not there.
    by_body: Option<BTreeMap<PurgedBody, usize>>,
    statements: Vec<(Place, Statement)>,
    /// Those that say it of events that were met, in their order.
    needed: BTreeMap<(uuid::Uuid, i64), usize>,
}

impl Purges {
    /// An event was met.
    pub(super) fn event(&mut self, reading: &Sources, place: &Place, event: &Event) -> Result<(), ReadFault> {
        for (body, found) in [(Side::Payload, &event.payload), (Side::Result, &event.result)] {
            if found.as_ref().map(Body::text) == Some(&Text::Removed) {
                self.read(reading)?;
                let of = PurgedBody { body, seq: place.seq, writer: place.writer };
                if let Some(&index) = self.by_body.as_ref().and_then(|by_body| by_body.get(&of)) {
                    let Place { writer, seq, .. } = self.statements[index].0;
                    self.needed.insert((writer, seq), index);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, reading: &Sources) -> Result<(), ReadFault> {
        if self.by_body.is_some() {
            return Ok(());
        }
        let mut by_body = BTreeMap::new();
        for Sealed { place, entry } in reading.database().purges()? {
            let Entry::Statement(statement) = entry else { continue };
            by_body
                .extend(statement.purged().unwrap_or_default().into_iter().map(|body| (body, self.statements.len())));
            self.statements.push((place, *statement));
        }
        self.by_body = Some(by_body);
        Ok(())
    }

    /// A line for each statement that was needed. One whose batch is not signed or not whole proves nothing.
    pub(super) fn lines(&self, reading: &Sources) -> Result<Vec<Value>, ReadFault> {
        let mut lines = Vec::new();
        for &index in self.needed.values() {
            let (place, statement) = &self.statements[index];
            if let Some(batch) = reading.proof(place)? {
                let entry = statement_members(statement, place);
                lines.push(json!({ "purge": { "batch": shown::batch(&batch), "entry": entry } }));
            }
        }
        Ok(lines)
    }
}
