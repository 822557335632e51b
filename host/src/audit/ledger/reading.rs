//! Reading the trail beside whoever writes it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use uuid::Uuid;

use super::{
    listed::{Listed, Proof, ReadFault, Wanted},
    postgres::{PostgresReaders, PostgresReading},
    sqlite::SqliteReading,
};
use crate::{
    audit::{
        cursor::Cursor,
        entry::{Entry, Place, Sealed},
        event::Intent,
        filter::Query,
        packed::Archive,
        statement::Archived,
        summary::{Sum, UsageQuery},
    },
    store::location::Location,
};

/// How long one thing may take for a program of its own, which its user may end.
const TIME_OF_PROGRAM: Duration = Duration::from_mins(30);

/// Where readers of one store come from.
#[derive(Debug, Clone)]
pub(in crate::audit) enum Readers {
    Sqlite(PathBuf),
    Postgres(PostgresReaders),
}

impl Readers {
    /// Readers of which none may take longer for one thing than `time`.
    pub(in crate::audit) fn of(database: &Location, time: Duration) -> Self {
        match database {
            Location::File(file) => Self::Sqlite(file.clone()),
            Location::Postgres(settings) => Self::Postgres(PostgresReaders::new(settings.clone(), time)),
        }
    }

    /// Opens the store. Whatever takes time asks `is_over` now and then, and ends with [`ReadFault::Over`] when that says so.
    pub(in crate::audit) fn open(&self, is_over: impl FnMut() -> bool + Send + 'static) -> Result<Reading, ReadFault> {
        Ok(match self {
            Self::Sqlite(file) => Reading::Sqlite(SqliteReading::open(file, is_over)?),
            Self::Postgres(readers) => Reading::Postgres(readers.open(is_over)?),
        })
    }
}

/// A reader of one store, which never writes and never holds up the writer.
#[derive(Debug)]
pub(in crate::audit) enum Reading {
    Sqlite(SqliteReading),
    Postgres(PostgresReading),
}

impl Reading {
    /// Opens the store for a program of its own, which may take its time.
    pub(in crate::audit) fn open(database: &Location) -> Result<Self, ReadFault> {
        Readers::of(database, TIME_OF_PROGRAM).open(|| false)
    }

    /// Opens what was moved out of a database, which nobody writes to.
    pub(in crate::audit) fn open_archive(archive: &Archived, database: &Path) -> Result<Self, ReadFault> {
        Ok(Self::Sqlite(SqliteReading::open_archive(archive, database)?))
    }

    /// The archives that the database names, newest first.
    pub(in crate::audit) fn archives(&self) -> Result<Vec<(Archive, Archived)>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.archives(),
            // Nothing is moved out of a server.
            Self::Postgres(_) => Ok(Vec::new()),
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
            Self::Postgres(reading) => reading.page(query, after, limit, wanted),
        }
    }

    /// How many events there are, counted no further than to `most`.
    pub(in crate::audit) fn count(&self, query: &Query, most: u32) -> Result<u32, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.count(query, most),
            Self::Postgres(reading) => reading.count(query, most),
        }
    }

    /// Each writer and the number of its newest entry.
    pub(in crate::audit) fn heads(&self) -> Result<Vec<(Uuid, i64)>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.heads(),
            Self::Postgres(reading) => reading.heads(),
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
            Self::Postgres(reading) => reading.since(query, writer, seen, head, limit),
        }
    }

    /// An event, whosever it is.
    pub(in crate::audit) fn event(&self, id: Uuid) -> Result<Option<Listed>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.event(id),
            Self::Postgres(reading) => reading.event(id),
        }
    }

    /// The intent of a call, or what of it cannot be read.
    pub(in crate::audit) fn intent(&self, id: Uuid) -> Result<Option<Result<Sealed<Intent>, String>>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.intent(id),
            Self::Postgres(reading) => reading.intent(id),
        }
    }

    /// The statements that say of bodies that they were removed.
    pub(in crate::audit) fn purges(&self) -> Result<Vec<Sealed<Entry>>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.purges(),
            Self::Postgres(reading) => reading.purges(),
        }
    }

    /// Sums of rollups by what a query asks for, in the order of its parts; `most` of them.
    pub(in crate::audit) fn summed(&self, query: &UsageQuery, most: usize) -> Result<Vec<Sum>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.summed(query, most),
            Self::Postgres(reading) => reading.summed(query, most),
        }
    }

    /// The batch that an entry is in; `None` if it is in none, or if that cannot be read to its end.
    pub(in crate::audit) fn proof(&self, place: &Place) -> Result<Option<Proof>, ReadFault> {
        match self {
            Self::Sqlite(reading) => reading.proof(place),
            Self::Postgres(reading) => reading.proof(place),
        }
    }
}
