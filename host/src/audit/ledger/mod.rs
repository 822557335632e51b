//! Where sealed entries are stored. Nothing here knows what a chain means, and nothing outside knows SQL.

mod fault;
mod listed;
mod outbox;
pub(super) mod postgres;
mod reading;
pub(super) mod sqlite;
mod stored;

use std::{path::Path, time::Duration};

use uuid::Uuid;

pub(super) use fault::{Fault, Rejection, Unstored};
pub use listed::ReadFault;
pub(super) use listed::{Listed, Proof, Wanted};
use postgres::{Lease, PostgresLedger};
pub(super) use reading::{Readers, Reading};
use sqlite::SqliteLedger;
pub(super) use stored::{Found, Purged, Stretch, Untied};

use super::{
    entry::Sealed,
    error::AuditError,
    event::Intent,
    seal::{Batch, Head},
};
use crate::store::location::Location;

/// The store of one writer.
#[derive(Debug)]
pub(super) enum Ledger {
    Sqlite(Box<SqliteLedger>),
    Postgres(Box<PostgresLedger>),
}

impl Ledger {
    /// Opens the store for a writer, whose lock is held already; where there are leases, it has one from now on. Its first batch
    /// registers it.
    pub(super) fn open(data: &Path, database: &Location, writer: Uuid) -> Result<Self, AuditError> {
        Ok(match database {
            Location::File(file) => Self::Sqlite(Box::new(SqliteLedger::open(data, file, writer)?)),
            Location::Postgres(settings) => Self::Postgres(Box::new(PostgresLedger::open(settings, writer)?)),
        })
    }

    /// The same for a writer that removes bodies. On a server it connects as the owner of the tables.
    pub(super) fn open_as_owner(data: &Path, database: &Location, writer: Uuid) -> Result<Self, AuditError> {
        Ok(match database {
            Location::File(file) => Self::Sqlite(Box::new(SqliteLedger::open(data, file, writer)?)),
            Location::Postgres(settings) => Self::Postgres(Box::new(PostgresLedger::open_as_owner(settings, writer)?)),
        })
    }

    /// Stores a batch and removes the bodies that a statement in it names, or neither.
    pub(super) fn purge(&mut self, batch: &Batch<'_>, bodies: &[Purged]) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.purge(batch, bodies),
            Self::Postgres(ledger) => ledger.purge(batch, bodies),
        }
    }

    /// Overwrites what was removed, as far as this program can. False where it may still stand in files.
    pub(super) fn forget_removed(&mut self) -> Result<bool, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.forget_removed(),
            // Its server cleans up by itself, later.
            Self::Postgres(_) => Ok(false),
        }
    }

    /// Whether another hub has taken the writer for dead, so that it has to begin anew.
    pub(super) fn is_fenced(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(ledger) => ledger.is_fenced(),
        }
    }

    /// Begins anew for another writer, after the one of before was fenced.
    pub(super) fn begin(&mut self, writer: Uuid) -> Result<(), Fault> {
        match self {
            // Nobody fences a writer whose lock is held.
            Self::Sqlite(_) => Err(Fault::Fenced),
            Self::Postgres(ledger) => ledger.begin(writer),
        }
    }

    /// How long a transaction waits for others.
    pub(super) fn set_patience(&mut self, timeout: Duration) {
        match self {
            Self::Sqlite(ledger) => ledger.set_patience(timeout),
            Self::Postgres(ledger) => ledger.set_patience(timeout),
        }
    }

    /// Where the writer's chain stands in the store: where it was left, or behind a batch of which nobody knew whether it had
    /// come through.
    pub(super) fn head(&mut self) -> Result<Head, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.head(),
            Self::Postgres(ledger) => ledger.head(),
        }
    }

    /// Stores all of a batch, durably, or nothing of it.
    pub(super) fn append(&mut self, batch: &Batch<'_>) -> Result<(), Unstored> {
        match self {
            Self::Sqlite(ledger) => ledger.append(batch),
            Self::Postgres(ledger) => ledger.append(batch),
        }
    }

    /// Shows whether something could be stored.
    pub(super) fn touch(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.touch(),
            Self::Postgres(ledger) => ledger.touch(),
        }
    }

    /// Repairs what can be repaired after a fault.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.repair(),
            Self::Postgres(ledger) => ledger.repair(),
        }
    }

    /// The newest heads of other chains that no statement names yet.
    pub(super) fn untied(&mut self) -> Result<Vec<Untied>, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.untied(),
            Self::Postgres(ledger) => ledger.untied(),
        }
    }

    /// Intents of a writer that no event answers.
    pub(super) fn unanswered(&mut self, writer: Uuid) -> Result<Vec<Sealed<Intent>>, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.unanswered(writer),
            Self::Postgres(ledger) => ledger.unanswered(writer),
        }
    }

    /// The batch that an entry was committed in; `None` if it is in none.
    pub(super) fn stretch(&mut self, writer: Uuid, seq: i64) -> Result<Option<Stretch>, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.stretch(writer, seq),
            Self::Postgres(ledger) => ledger.stretch(writer, seq),
        }
    }

    /// Renews the writer's lease, and gives those of others that have run out. Where there are no leases, there are none.
    pub(super) fn renew_and_look(&mut self) -> Result<Vec<Lease>, Fault> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(ledger) => ledger.renew_and_look(),
        }
    }

    /// Who has a lease that has not run out.
    pub(super) fn living(&mut self) -> Result<Vec<Uuid>, Fault> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(ledger) => ledger.living(),
        }
    }

    /// Writers that have left something unanswered, and no lease.
    pub(super) fn abandoned(&mut self) -> Result<Vec<Uuid>, Fault> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(ledger) => ledger.abandoned(),
        }
    }

    /// Keeps a writer from writing whose lease has run out. False if it lives after all.
    pub(super) fn fence(&mut self, writer: Uuid) -> Result<bool, Fault> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(ledger) => ledger.fence(writer),
        }
    }

    /// Forgets a writer that was fenced.
    pub(super) fn bury(&mut self, writer: Uuid) -> Result<(), Fault> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(ledger) => ledger.bury(writer),
        }
    }

    /// Gives up the writer's lease.
    pub(super) fn end_lease(&mut self, is_answered: bool) -> Result<(), Fault> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(ledger) => ledger.end_lease(is_answered),
        }
    }
}

#[cfg(test)]
impl Ledger {
    pub(super) fn sqlite(&mut self) -> &mut SqliteLedger {
        let Self::Sqlite(ledger) = self else { panic!("not SQLite") };
        ledger
    }
}
