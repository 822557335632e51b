//! What has been recorded since somebody last looked: by each writer's own numbers, so that an entry that is committed late is
//! not missed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    filter::Query,
    ledger::{ReadFault, Reading},
    shown,
};

/// Events that are given at once.
const NEWS_MAX: usize = 200;
/// Entries of one writer that somebody may lag behind.
const BACKLOG: i64 = 10_000;

/// Who looks again and again, and what was seen of each writer.
#[derive(Debug)]
pub struct Follow {
    query: Query,
    seen: BTreeMap<Uuid, i64>,
}

/// What has come.
#[derive(Debug, Default)]
pub struct News {
    /// Without their bodies, each writer's in their order.
    pub events: Vec<Map<String, Value>>,
    /// Entries that were passed over because there were too many.
    pub dropped: i64,
}

impl Follow {
    /// From now on.
    pub(super) fn begin(reading: &Reading, query: Query) -> Result<Self, ReadFault> {
        Ok(Self { query, seen: reading.heads()?.into_iter().collect() })
    }

    /// What has come since. There may be more.
    pub(super) fn news(&mut self, reading: &Reading) -> Result<News, ReadFault> {
        let mut news = News::default();
        for (writer, head) in reading.heads()? {
            let left = NEWS_MAX - news.events.len();
            let seen = self.seen.entry(writer).or_default();
            if head <= *seen || left == 0 {
                continue;
            }
            let passed_over = (head - BACKLOG - *seen).max(0);
            *seen += passed_over;
            news.dropped += passed_over;
            let found = reading.since(&self.query, writer, *seen, head, left)?;
            // What is behind the last that was taken comes the next time.
            *seen = found.last().filter(|_| found.len() == left).map_or(head, |last| last.place.seq);
            news.events.extend(found.iter().map(shown::listed));
        }
        Ok(news)
    }
}
