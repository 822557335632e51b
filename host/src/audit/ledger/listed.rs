//! What a reader of the trail finds, and why it may find nothing.

use uuid::Uuid;

use crate::{
    audit::{body::Digest, entry::Place, event::Event},
    store::{postgres::PostgresError, sqlite::StoreError},
};

/// Why the trail cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(StoreError),
    /// It took longer than it may, or nobody waits for it any more.
    #[error("reading took too long")]
    Over,
    /// The server cannot be reached, or refuses.
    #[error("the audit trail cannot be read: {0}")]
    Postgres(PostgresError),
    /// The store failed.
    #[error("the audit trail cannot be read: {0} (run `bulkhead audit verify`)")]
    Sqlite(rusqlite::Error),
}

impl From<PostgresError> for ReadFault {
    fn from(error: PostgresError) -> Self {
        if error.is_of_time() { Self::Over } else { Self::Postgres(error) }
    }
}

impl From<rusqlite::Error> for ReadFault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::Over,
            _ => Self::Sqlite(error),
        }
    }
}

/// What of events is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Wanted {
    /// All of them.
    Bodies,
    /// All but payload and result.
    NoBodies,
}

/// An event as it was found.
#[derive(Debug)]
pub(in crate::audit) struct Listed {
    pub(in crate::audit) place: Place,
    /// Or what of it cannot be read.
    pub(in crate::audit) event: Result<Event, String>,
}

/// What shows that a batch was signed: `docs/audit-format.md`.
#[derive(Debug, Clone)]
pub(in crate::audit) struct Proof {
    pub(in crate::audit) writer: Uuid,
    /// The number of its first entry.
    pub(in crate::audit) first: i64,
    /// The head before that.
    pub(in crate::audit) previous: Digest,
    /// Of all its entries.
    pub(in crate::audit) leaves: Vec<Digest>,
    pub(in crate::audit) signature: Vec<u8>,
    /// The key that the chain says it is signed with.
    pub(in crate::audit) key: Option<String>,
}

impl Proof {
    /// Whether an entry is in the batch.
    pub(in crate::audit) fn holds(&self, place: &Place) -> bool {
        let behind = place.seq.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        place.writer == self.writer && behind.is_some_and(|index| index < self.leaves.len())
    }
}
