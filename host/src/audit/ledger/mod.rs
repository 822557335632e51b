//! Where sealed entries are stored. Nothing here knows what a chain means, and nothing outside knows SQL.

mod fault;
pub(super) mod sqlite;
mod stored;

use std::{path::Path, time::Duration};

use uuid::Uuid;

pub(super) use fault::{Fault, Rejection, Unstored};
use sqlite::SqliteLedger;
pub(super) use stored::{Found, Stretch, Untied};

use super::{
    entry::Sealed,
    error::AuditError,
    event::Intent,
    seal::{Batch, Head},
};

/// The store of one writer.
#[derive(Debug)]
pub(super) enum Ledger {
    Sqlite(Box<SqliteLedger>),
}

impl Ledger {
    /// Opens the store for a writer, whose lock is held already. Its first batch registers it.
    pub(super) fn open(data: &Path, database: &Path, writer: Uuid) -> Result<Self, AuditError> {
        Ok(Self::Sqlite(Box::new(SqliteLedger::open(data, database, writer)?)))
    }

    /// Where the database is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Sqlite(ledger) => ledger.path(),
        }
    }

    /// How long a transaction waits for others.
    pub(super) fn set_patience(&self, timeout: Duration) {
        match self {
            Self::Sqlite(ledger) => ledger.set_patience(timeout),
        }
    }

    /// Where the writer's chain stands in the store: where it was left, or behind a batch of which nobody knew whether it had
    /// come through.
    pub(super) fn head(&mut self) -> Result<Head, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.head(),
        }
    }

    /// Stores all of a batch, durably, or nothing of it.
    pub(super) fn append(&mut self, batch: &Batch<'_>) -> Result<(), Unstored> {
        match self {
            Self::Sqlite(ledger) => ledger.append(batch),
        }
    }

    /// Shows whether something could be stored.
    pub(super) fn touch(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.touch(),
        }
    }

    /// Repairs what can be repaired after a fault.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.repair(),
        }
    }

    /// The newest heads of other chains that no statement names yet.
    pub(super) fn untied(&mut self) -> Result<Vec<Untied>, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.untied(),
        }
    }

    /// Intents of a writer that no event answers.
    pub(super) fn unanswered(&mut self, writer: Uuid) -> Result<Vec<Sealed<Intent>>, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.unanswered(writer),
        }
    }

    /// The batch that an entry was committed in; `None` if it is in none.
    pub(super) fn stretch(&mut self, writer: Uuid, seq: i64) -> Result<Option<Stretch>, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.stretch(writer, seq),
        }
    }
}

#[cfg(test)]
impl Ledger {
    pub(super) fn sqlite(&mut self) -> &mut SqliteLedger {
        let Self::Sqlite(ledger) = self;
        ledger
    }
}
