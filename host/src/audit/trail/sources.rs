//! Where the trail is read from: the database, and the archives that were moved out of it, each opened when it is needed.

use std::cell::OnceCell;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::{
    cursor::Cursor,
    entry::{Place, Sealed},
    event::Intent,
    filter::Query,
    ledger::{Listed, Proof, ReadFault, Reading, Wanted},
    packed::Archive,
    statement::Archived,
};
use crate::store::location::Location;

/// The sources of one reader.
#[derive(Debug)]
pub(in crate::audit) struct Sources {
    live: Reading,
    /// Newest first.
    archives: Vec<Shelved>,
}

/// An archive that is opened when somebody needs it.
#[derive(Debug)]
struct Shelved {
    archive: Archive,
    stated: Archived,
    database: std::path::PathBuf,
    opened: OnceCell<Reading>,
}

impl Shelved {
    fn reading(&self) -> Result<&Reading, ReadFault> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = Reading::open_archive(&self.stated, &self.database)?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

impl Sources {
    /// The database alone.
    pub(in crate::audit) fn live(live: Reading) -> Self {
        Self { live, archives: Vec::new() }
    }

    /// The database and what was moved out of it.
    pub(in crate::audit) fn whole(live: Reading, database: &Location) -> Result<Self, ReadFault> {
        let Location::File(file) = database else { return Ok(Self::live(live)) };
        let shelved = |(archive, stated)| Shelved { archive, stated, database: file.clone(), opened: OnceCell::new() };
        let archives = live.archives()?.into_iter().map(shelved).collect();
        Ok(Self { live, archives })
    }

    /// The database, for what is only there.
    pub(in crate::audit) fn database(&self) -> &Reading {
        &self.live
    }

    /// As [`Reading::page`].
    pub(in crate::audit) fn page(
        &self,
        query: &Query,
        after: Option<&Cursor>,
        limit: usize,
        wanted: Wanted,
    ) -> Result<Vec<Listed>, ReadFault> {
        let mut page = self.live.page(query, after, limit, wanted)?;
        for shelved in self.asked_of(query) {
            let until = shelved.archive.until;
            // Everything in it is older than what the page ends with.
            if page.len() == limit && page.last().is_some_and(|last| last.place.recorded_at >= until) {
                break;
            }
            page.extend(shelved.reading()?.page(query, after, limit, wanted)?);
            page.sort_by_key(|listed| std::cmp::Reverse(order(&listed.place)));
            // While an archive is being made, its rows are in both.
            page.dedup_by_key(|listed| (listed.place.writer, listed.place.seq));
            page.truncate(limit);
        }
        Ok(page)
    }

    /// As [`Reading::count`].
    pub(in crate::audit) fn count(&self, query: &Query, most: u32) -> Result<u32, ReadFault> {
        let mut counted = self.live.count(query, most)?;
        for shelved in self.asked_of(query) {
            if counted >= most {
                break;
            }
            counted = most.min(counted + shelved.reading()?.count(query, most)?);
        }
        Ok(counted)
    }

    /// As [`Reading::event`].
    pub(in crate::audit) fn event(&self, id: Uuid) -> Result<Option<Listed>, ReadFault> {
        self.first(|reading| reading.event(id))
    }

    /// As [`Reading::intent`].
    pub(in crate::audit) fn intent(&self, id: Uuid) -> Result<Option<Result<Sealed<Intent>, String>>, ReadFault> {
        self.first(|reading| reading.intent(id))
    }

    /// As [`Reading::proof`].
    pub(in crate::audit) fn proof(&self, place: &Place) -> Result<Option<Proof>, ReadFault> {
        self.first(|reading| reading.proof(place))
    }

    fn first<T>(&self, find: impl Fn(&Reading) -> Result<Option<T>, ReadFault>) -> Result<Option<T>, ReadFault> {
        let mut found = find(&self.live)?;
        for shelved in &self.archives {
            if found.is_some() {
                break;
            }
            found = find(shelved.reading()?)?;
        }
        Ok(found)
    }

    /// Archives of the time that is asked for.
    fn asked_of<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a Shelved> {
        let (from, to) = (query.filter.from, query.filter.to);
        let asked = move |archive: &Archive| {
            from.is_none_or(|from| from < archive.until) && to.is_none_or(|to| to > archive.from)
        };
        self.archives.iter().filter(move |shelved| asked(&shelved.archive))
    }
}

/// The order in which events are shown, newest last.
fn order(place: &Place) -> (DateTime<Utc>, Uuid, i64) {
    (place.recorded_at, place.writer, place.seq)
}
