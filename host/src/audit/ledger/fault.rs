//! Why entries are not in the store.

use rusqlite::ErrorCode;

use crate::store::{
    files::Moved,
    postgres::PostgresError,
    sqlite::{StoreError, is_busy},
};

/// Why nothing was written, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// What would be written goes where nobody finds it.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// Somebody has changed the schema.
    #[error("the schema of the database was changed: {}. Restore it", .0.join("; "))]
    Schema(Vec<String>),
    /// Somebody else writes under this writer's name, has removed entries, or has put back an older copy.
    #[error(
        "the database does not hold what this hub has written to it: run `bulkhead audit verify`, then start the hub again"
    )]
    Rows,
    /// Somebody has written something else into the file.
    #[error(
        "the database file was overwritten while it is in use: put back what it held, or start the hub again with a copy \
         that is whole"
    )]
    Overwritten,
    /// SQLite failed.
    #[error("{0}: {advice}", advice = advice(.0))]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL failed.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// Another hub has taken this writer for dead.
    #[error(
        "this hub did not renew its lease in the database in time, and another answers for it: it goes on under a new name as \
         soon as it reaches the database"
    )]
    Fenced,
    /// The database could not be opened again.
    #[error("the database cannot be reopened: check the data folder")]
    Open(#[source] StoreError),
    /// What was written instead of an entry that the store rejected was rejected too.
    #[error("the database rejects whatever is written: {0}. Run `bulkhead audit verify`")]
    Rejects(String),
}

fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        _ if is_busy(error) => "end the process that holds the database",
        Some(ErrorCode::DiskFull) => "free space on the disk",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "let the hub's user write to the data folder",
        _ if matches!(error, rusqlite::Error::StatementChangedRows(_)) => {
            "something in the database, such as a trigger, drops rows: find out who added it"
        }
        _ => "check the disk and the database",
    }
}

/// Why a batch is not in the store.
#[derive(Debug)]
pub(crate) enum Unstored {
    /// For what is in one entry; another in its place can be stored.
    Entry { index: usize, why: Rejection },
    /// For no fault of an entry's.
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Unstored {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Why an entry is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// There is one of its kind and id already, of this writer or of another.
    Repeated { own: bool },
    /// The store does not take what is in it.
    Contents(String),
}
