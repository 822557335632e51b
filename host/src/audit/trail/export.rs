//! Events in a file: with their proof as `docs/audit-format.md` says, or as comma-separated values.

use chrono::Utc;
use serde_json::{Value, json};

use super::{
    super::{
        cursor::Cursor,
        entry::timestamp,
        filter::Query,
        ledger::{Listed, Proof, ReadFault, Wanted},
    },
    csv,
    purges::Purges,
    shown,
    sources::Sources,
};
use crate::{names::words, text::plain};

/// Events in one chunk: with the largest bodies some MiB.
const CHUNK: usize = 32;

words! {
    /// How an export is written.
    #[derive(clap::ValueEnum)]
    pub enum ExportFormat: "format" {
        /// Lines of JSON, with proof.
        Jsonl = "jsonl",
        /// Comma-separated values, for spreadsheets.
        Csv = "csv",
    }
}

/// An export in the making. It holds one chunk at a time, however much there is.
#[derive(Debug)]
pub struct Export {
    query: Query,
    format: ExportFormat,
    stage: Stage,
    /// The newest batch that has a line.
    batch: Option<Proof>,
    purges: Purges,
    events: u64,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Beginning,
    Behind(Cursor),
    Ended,
}

impl Export {
    /// An export of all that a query finds.
    #[must_use]
    pub fn new(query: Query, format: ExportFormat) -> Self {
        Self { query, format, stage: Stage::Beginning, batch: None, purges: Purges::default(), events: 0 }
    }

    /// The next chunk; `None` behind the last.
    pub(super) fn chunk(&mut self, reading: &Sources) -> Result<Option<String>, ReadFault> {
        let (mut text, after) = match self.stage {
            Stage::Beginning => (self.head(), None),
            Stage::Behind(cursor) => (String::new(), Some(cursor)),
            Stage::Ended => return Ok(None),
        };
        let page = reading.page(&self.query, after.as_ref(), CHUNK, Wanted::Bodies)?;
        for listed in &page {
            self.event(reading, listed, &mut text)?;
        }
        self.stage = match page.last() {
            Some(last) if page.len() == CHUNK => Stage::Behind(Cursor(last.place)),
            _ => Stage::Ended,
        };
        if matches!((self.stage, self.format), (Stage::Ended, ExportFormat::Jsonl)) {
            for purge in self.purges.lines(reading)? {
                text.push_str(&line(&purge));
            }
            text.push_str(&line(&json!({ "end": { "events": self.events } })));
        }
        Ok(Some(text))
    }

    fn head(&self) -> String {
        match self.format {
            ExportFormat::Csv => csv::head(),
            ExportFormat::Jsonl => {
                line(&json!({ "export": 1, "exported_at": timestamp(Utc::now()), "filter": self.query.told() }))
            }
        }
    }

    fn event(&mut self, reading: &Sources, listed: &Listed, text: &mut String) -> Result<(), ReadFault> {
        if self.format == ExportFormat::Csv {
            text.push_str(&csv::line(&shown::listed(listed)));
            return Ok(());
        }
        let event = match &listed.event {
            Ok(event) => event,
            Err(why) => {
                text.push_str(&unproved(listed, why));
                return Ok(());
            }
        };
        if !self.batch.as_ref().is_some_and(|batch| batch.holds(&listed.place)) {
            self.batch = reading.proof(&listed.place)?;
            let Some(batch) = &self.batch else {
                text.push_str(&unproved(listed, "its batch is not signed, or not whole"));
                return Ok(());
            };
            text.push_str(&line(&json!({ "batch": shown::batch(batch) })));
        }
        text.push_str(&line(&shown::sealed(&listed.place, event).into()));
        self.events += 1;
        self.purges.event(reading, &listed.place, event)
    }
}

fn unproved(listed: &Listed, why: &str) -> String {
    line(&json!({ "unproved": shown::unreadable(&listed.place, why) }))
}

fn line(value: &Value) -> String {
    format!("{}\n", plain::json(value.to_string()))
}
