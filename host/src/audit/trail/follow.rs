//! What has been recorded since somebody last looked: by each writer's own numbers, so that an entry that is committed late is
//! not missed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    super::{
        filter::Query,
        ledger::{ReadFault, Reading},
    },
    resume::{NAMED_MAX, ResumeToken},
    shown,
};

/// Events that are given at once.
const NEWS_MAX: usize = 200;
/// Entries that one look goes through, whatever of them it gives.
const LOOK_MAX: i64 = 20_000;
/// Entries of one writer that somebody may lag behind.
const BACKLOG: i64 = 10_000;

/// Who looks again and again, and what was seen of each writer.
#[derive(Debug)]
pub struct Follow {
    query: Query,
    seen: BTreeMap<Uuid, i64>,
    /// The sum of what was seen.
    entries: i64,
    /// The writers that wrote last, the newest in front.
    recent: VecDeque<Uuid>,
    /// The writer that a look ended with: the next begins behind it, so that a busy one does not keep others waiting.
    ended_with: Option<Uuid>,
    /// Entries that are known to be passed over, and not told yet.
    dropped: i64,
}

/// What has come.
#[derive(Debug, Default)]
pub struct News {
    /// Each writer's in their order.
    pub events: Vec<NewsEvent>,
    /// Entries that were passed over because there were too many.
    pub dropped: i64,
    /// Whether there is more already.
    pub has_more: bool,
}

/// An event that has come.
#[derive(Debug)]
pub struct NewsEvent {
    /// Without its bodies.
    pub event: Map<String, Value>,
    /// Where one stands who has seen it.
    pub token: ResumeToken,
}

impl Follow {
    /// From now on.
    pub(super) fn begin(reading: &Reading, query: Query) -> Result<Self, ReadFault> {
        Ok(Self::of(query, reading.heads()?, 0))
    }

    /// From where somebody stood. What is in no chain any more, as in an older copy of the trail, is passed over.
    pub(super) fn resume(reading: &Reading, query: Query, token: &ResumeToken) -> Result<Self, ReadFault> {
        let heads = reading.heads()?;
        let named: BTreeMap<_, _> = token.named.iter().copied().collect();
        let (mut seen, mut others, mut entries) = (Vec::new(), token.others, 0_i64);
        for (writer, head) in heads {
            match named.get(&writer) {
                Some(seq) => seen.push((writer, head.min(*seq))),
                // Who came later has a place behind the others.
                None if others > 0 => {
                    others -= 1;
                    entries = entries.saturating_add(head);
                    seen.push((writer, head));
                }
                None => {}
            }
        }
        // One of them has written after all, and nobody knows which.
        let dropped = entries.saturating_sub(token.entries).max(0);
        let mut follow = Self::of(query, seen, dropped);
        let is_there = |writer: &Uuid| follow.seen.contains_key(writer);
        follow.recent = token.named.iter().map(|(writer, _)| *writer).filter(is_there).collect();
        Ok(follow)
    }

    fn of(query: Query, seen: Vec<(Uuid, i64)>, dropped: i64) -> Self {
        let entries = seen.iter().map(|(_, seq)| seq).sum();
        let mut longest: Vec<_> = seen.iter().map(|(writer, seq)| (Reverse(*seq), *writer)).collect();
        longest.sort_unstable();
        // Those of commands are short.
        let recent = longest.into_iter().take(NAMED_MAX).map(|(_, writer)| writer).collect();
        Self { query, seen: seen.into_iter().collect(), entries, recent, ended_with: None, dropped }
    }

    /// Where one stands who has seen all until now.
    #[must_use]
    pub fn token(&self) -> ResumeToken {
        let seen = |writer: &Uuid| (*writer, self.seen.get(writer).copied().unwrap_or_default());
        let named: Vec<_> = self.recent.iter().map(seen).collect();
        let entries = self.entries - named.iter().map(|(_, seq)| seq).sum::<i64>();
        let others = self.seen.len().saturating_sub(named.len());
        ResumeToken { named, others: i64::try_from(others).unwrap_or(i64::MAX), entries }
    }

    /// What has come since.
    pub(super) fn news(&mut self, reading: &Reading) -> Result<News, ReadFault> {
        let mut heads = reading.heads()?;
        let first = heads.iter().position(|(writer, _)| Some(*writer) == self.ended_with);
        heads.rotate_left(first.map_or(0, |index| index + 1));
        let mut news = News { dropped: std::mem::take(&mut self.dropped), ..News::default() };
        let mut looks = LOOK_MAX;
        for (writer, head) in heads {
            let mut seen = self.seen.get(&writer).copied().unwrap_or_default();
            if head <= seen {
                continue;
            }
            let left = NEWS_MAX - news.events.len();
            if left == 0 || looks == 0 {
                news.has_more = true;
                break;
            }
            let passed_over = (head - BACKLOG - seen).max(0);
            seen += passed_over;
            news.dropped += passed_over;
            let until = head.min(seen + looks);
            let found = reading.since(&self.query, writer, seen, until, left)?;
            // What is behind the last that was taken comes the next time.
            let reached = found.last().filter(|_| found.len() == left).map_or(until, |last| last.place.seq);
            for listed in &found {
                self.advance(writer, listed.place.seq);
                news.events.push(NewsEvent { event: shown::listed(listed), token: self.token() });
            }
            self.advance(writer, reached);
            looks -= reached - seen;
            news.has_more |= reached < head;
            self.ended_with = Some(writer);
        }
        Ok(news)
    }

    fn advance(&mut self, writer: Uuid, seq: i64) {
        let seen = self.seen.entry(writer).or_default();
        self.entries += seq - *seen;
        *seen = seq;
        if self.recent.front() != Some(&writer) {
            self.recent.retain(|other| *other != writer);
            self.recent.push_front(writer);
            self.recent.truncate(NAMED_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::{
        audit::{
            entry::Entry,
            event::{Event, Outcome},
            filter::{Filter, Scope},
            journal::Journal,
        },
        store::location::Location,
    };

    /// A data folder that goes when the test ends.
    struct Data(PathBuf);

    impl Data {
        fn new() -> Self {
            let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
            fs::create_dir_all(&data).expect("a folder");
            Self(data)
        }

        fn database(&self) -> Location {
            self.0.join("ops.db").into()
        }

        /// A writer of its own, which has written one entry.
        fn writer(&self) -> Journal {
            Journal::open(&self.0, &self.database(), Uuid::now_v7()).expect("a trail")
        }

        fn reading(&self) -> Reading {
            Reading::open(&self.database()).expect("a trail")
        }
    }

    impl Drop for Data {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn query() -> Query {
        Query::of_news(Filter::default(), Scope::Whole)
    }

    fn write(journal: &mut Journal, count: usize) -> Vec<Uuid> {
        let events: Vec<_> = (0..count).map(|_| Event::sample(Outcome::Ok)).collect();
        for some in events.chunks(500) {
            let entries: Vec<_> = some.iter().map(|event| Entry::Event(Box::new(event.clone()))).collect();
            journal.commit(entries.iter()).expect("committed");
        }
        events.iter().map(|event| event.id).collect()
    }

    /// All that has come, to its end.
    fn all(follow: &mut Follow, reading: &Reading) -> (Vec<Uuid>, i64) {
        let (mut ids, mut dropped) = (Vec::new(), 0);
        loop {
            let news = follow.news(reading).expect("read");
            dropped += news.dropped;
            ids.extend(
                news.events
                    .iter()
                    .map(|news| news.event["id"].as_str().expect("an id").parse::<Uuid>().expect("a UUID")),
            );
            if !news.has_more {
                return (ids, dropped);
            }
        }
    }

    #[test]
    fn who_comes_back_gets_each_entry_once_whoever_wrote_it_and_whenever() {
        let data = Data::new();
        let (mut one, mut other) = (data.writer(), data.writer());
        write(&mut one, 3);
        let reading = data.reading();
        let mut follow = Follow::begin(&reading, query()).expect("read");
        assert_eq!(all(&mut follow, &reading), (Vec::new(), 0), "what was there before is not news");
        let first = write(&mut one, 2);
        let news = follow.news(&reading).expect("read");
        let behind_first = news.events[0].token.clone();
        assert_eq!(news.events.len(), 2);
        // Committed after what was seen, by a writer whose numbers are lower, and by one that nobody knew.
        let late = write(&mut other, 1);
        let mut third = data.writer();
        let newest = write(&mut third, 1);
        for (token, expected) in [
            (behind_first, [&first[1..], &late, &newest].concat()),
            (news.events[1].token.clone(), [&late[..], &newest].concat()),
        ] {
            let token = token.to_string().parse().expect("a token");
            let mut resumed = Follow::resume(&reading, query(), &token).expect("read");
            let (mut ids, dropped) = all(&mut resumed, &reading);
            ids.sort_unstable();
            let mut expected = expected;
            expected.sort_unstable();
            assert_eq!((ids, dropped), (expected, 0));
            assert!(all(&mut resumed, &reading).0.is_empty());
        }
    }

    #[test]
    fn of_many_writers_those_that_wrote_last_are_named_and_others_are_not_missed_unseen() {
        let data = Data::new();
        let mut writers: Vec<_> = (0..NAMED_MAX + 6).map(|_| data.writer()).collect();
        let reading = data.reading();
        let mut follow = Follow::begin(&reading, query()).expect("read");
        write(&mut writers[0], 1);
        assert_eq!(all(&mut follow, &reading).0.len(), 1);
        let token = follow.token();
        assert_eq!((token.named.len(), token.others), (NAMED_MAX, 6));
        let is_named = |journal: &Journal| token.named.iter().any(|(writer, _)| *writer == journal.writer());
        assert!(is_named(&writers[0]));
        let resume = || Follow::resume(&reading, query(), &token).expect("read");
        assert_eq!(all(&mut resume(), &reading), (Vec::new(), 0));
        let mut later = data.writer();
        let of_named = [write(&mut writers[0], 2), write(&mut later, 1)].concat();
        assert_eq!(all(&mut resume(), &reading).0.len(), of_named.len(), "the new one is none of the others");
        let unnamed = writers.iter_mut().find(|journal| !is_named(journal)).expect("one of six");
        write(unnamed, 5);
        assert_eq!(all(&mut resume(), &reading).1, 5, "it is said how much was passed over");
    }

    #[test]
    fn a_backlog_is_bounded_and_what_is_passed_over_is_counted() {
        let data = Data::new();
        let (mut busy, mut quiet) = (data.writer(), data.writer());
        let reading = data.reading();
        let mut follow = Follow::begin(&reading, query()).expect("read");
        let many = usize::try_from(BACKLOG).expect("a number") + 700;
        let written = write(&mut busy, many);
        let single = write(&mut quiet, 1);
        let first = [follow.news(&reading).expect("read"), follow.news(&reading).expect("read")];
        assert_eq!(first[0].dropped + first[1].dropped, 700);
        let ids: Vec<_> = first.iter().flat_map(|news| &news.events).map(|news| news.event["id"].to_string()).collect();
        assert!(ids.iter().any(|id| id.contains(&single[0].to_string())), "a busy writer does not keep others waiting");
        let (rest, dropped) = all(&mut follow, &reading);
        assert_eq!((ids.len() + rest.len(), dropped), (many - 700 + 1, 0));
        assert_eq!(rest.last(), written.last());
    }

    #[test]
    fn of_an_older_copy_of_the_trail_the_end_is_the_end() {
        let data = Data::new();
        let mut writer = data.writer();
        let reading = data.reading();
        let mut token = Follow::begin(&reading, query()).expect("read").token();
        token.named[0].1 = i64::MAX;
        token.named.push((Uuid::nil(), 7));
        (token.others, token.entries) = (i64::MAX, i64::MAX);
        let mut follow = Follow::resume(&reading, query(), &token).expect("read");
        let written = write(&mut writer, 1);
        assert_eq!(all(&mut follow, &reading), (written, 0));
    }
}
