//! Reading the trail beside whoever writes it.

use uuid::Uuid;

use super::{
    listed::{Listed, Proof, ReadFault, Wanted},
    sqlite::SqliteReading,
};
use crate::{
    audit::{
        cursor::Cursor,
        entry::{Place, Sealed},
        event::Intent,
        filter::Query,
    },
    store::location::Location,
};

/// A reader of one store, which never writes and never holds up the writer.
#[derive(Debug)]
pub(in crate::audit) enum Reading {
    Sqlite(SqliteReading),
}

impl Reading {
    /// Opens the store. Whatever takes time asks `is_over` now and then, and ends with [`ReadFault::Over`] when that says so.
    pub(in crate::audit) fn open(
        database: &Location,
        is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, ReadFault> {
        match database {
            Location::File(file) => Ok(Self::Sqlite(SqliteReading::open(file, is_over)?)),
            Location::Postgres(_) => Err(ReadFault::Unsupported),
        }
    }

    /// Events behind `after`, newest first: by time, writer and number, as they are sealed.
    pub(in crate::audit) fn page(
        &self,
        query: &Query,
        after: Option<&Cursor>,
        limit: usize,
        wanted: Wanted,
    ) -> Result<Vec<Listed>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.page(query, after, limit, wanted),
        }
    }

    /// How many events there are, counted no further than to `most`.
    pub(in crate::audit) fn count(&self, query: &Query, most: u32) -> Result<u32, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.count(query, most),
        }
    }

    /// Each writer and the number of its newest entry.
    pub(in crate::audit) fn heads(&self) -> Result<Vec<(Uuid, i64)>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.heads(),
        }
    }

    /// Events of a writer behind the entry `seen` and up to `head`, in their order, without their bodies.
    pub(in crate::audit) fn since(
        &self,
        query: &Query,
        writer: Uuid,
        seen: i64,
        head: i64,
        limit: usize,
    ) -> Result<Vec<Listed>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.since(query, writer, seen, head, limit),
        }
    }

    /// An event, whosever it is.
    pub(in crate::audit) fn event(&self, id: Uuid) -> Result<Option<Listed>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.event(id),
        }
    }

    /// The intent of a call, or what of it cannot be read.
    pub(in crate::audit) fn intent(&self, id: Uuid) -> Result<Option<Result<Sealed<Intent>, String>>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.intent(id),
        }
    }

    /// The batch that an entry is in; `None` if it is in none, or if that cannot be read to its end.
    pub(in crate::audit) fn proof(&self, place: &Place) -> Result<Option<Proof>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.proof(place),
        }
    }
}
