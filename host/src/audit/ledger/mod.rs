//! Where sealed entries are stored. Nothing here knows what a chain means, and nothing outside knows SQL.

mod fault;
pub(super) mod sqlite;

use std::{path::Path, time::Duration};

use uuid::Uuid;

pub(super) use fault::{Fault, Rejection, Unstored};
use sqlite::SqliteLedger;

use super::{
    entry::{Entry, Sealed},
    error::AuditError,
    event::Intent,
    seal::{Batch, Head},
    statement::Tie,
};

/// The store of one writer.
#[derive(Debug)]
pub(super) enum Ledger {
    Sqlite(Box<SqliteLedger>),
}

/// Signed entries of one writer, from one signed head to the next.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) previous: Head,
    pub(super) entries: Vec<Sealed<Entry>>,
    pub(super) head: Head,
    pub(super) signature: Vec<u8>,
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

/// A chain whose end nobody names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Untied {
    pub(super) tie: Tie,
    /// Whether it ends with a checkpoint: if its writer lives, nothing has happened there.
    pub(super) is_checkpoint: bool,
}

/// What a walk over a whole store meets: writers first, then each writer's entries in their order, and each batch behind its
/// last entry.
#[derive(Debug)]
pub(super) enum Found {
    Writer(Uuid),
    Entry {
        writer: Uuid,
        seq: i64,
        /// An error tells what of it cannot be read.
        entry: Result<Sealed<Entry>, String>,
    },
    Batch {
        writer: Uuid,
        seq: i64,
        head: Vec<u8>,
        signature: Vec<u8>,
    },
    /// A statement names this head of another chain.
    Tie {
        writer: Uuid,
        seq: i64,
        by: Uuid,
        by_seq: i64,
    },
    /// Something that no writer can have stored.
    Stray(String),
}

#[cfg(test)]
impl Ledger {
    pub(super) fn sqlite(&mut self) -> &mut SqliteLedger {
        let Self::Sqlite(ledger) = self;
        ledger
    }
}
