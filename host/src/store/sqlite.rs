//! SQLite: one file in the data folder, attached as schema `ops`, so that its tables have the names they have in
//! PostgreSQL.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

/// The newest schema version that this program knows.
const VERSION: u32 = 2;

/// The migrations, in order. `PRAGMA ops.user_version` counts those applied.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../../migrations/sqlite/0001_run_events.sql"),
    include_str!("../../../migrations/sqlite/0002_denials_of_one_second.sql"),
];

/// How long a statement waits for another process's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the database {path} cannot be used: {source} (check the disk and the data folder's permissions)")]
    Sqlite {
        /// The database file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Written by a newer hub.
    #[error(
        "the database {path} was written by a newer hub (schema {found}, this hub knows {known}): upgrade this hub"
    )]
    Newer {
        /// The database file.
        path: String,
        /// The file's schema version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
}

/// Opens the database for writing and brings its schema up to date. Durable: WAL with `synchronous = FULL`, a commit
/// returns when it is on disk.
///
/// # Errors
/// When the file cannot be opened, is damaged, or is of a newer version.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let shown = path.display().to_string();
    let found = attach(path, "rwc").and_then(|mut connection| {
        connection.pragma_update(Some("ops"), "journal_mode", "wal")?;
        connection.pragma_update(Some("ops"), "synchronous", "full")?;
        let found = migrate(&mut connection)?;
        Ok((connection, found))
    });
    match found {
        Ok((_, found)) if found > VERSION => Err(StoreError::Newer { path: shown, found, known: VERSION }),
        Ok((connection, _)) => Ok(connection),
        Err(source) => Err(StoreError::Sqlite { path: shown, source }),
    }
}

/// Opens an existing database for reading.
///
/// # Errors
/// When there is none or it cannot be read.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    attach(path, "ro").map_err(|source| StoreError::Sqlite { path: path.display().to_string(), source })
}

fn attach(path: &Path, mode: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_in_memory_with_flags(flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let file = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    connection.execute("ATTACH DATABASE ?1 AS ops", [format!("file:{file}?mode={mode}")])?;
    Ok(connection)
}

/// Applies what is missing and returns the version that was found.
fn migrate(connection: &mut Connection) -> rusqlite::Result<u32> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(Some("ops"), "user_version", |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    if found < VERSION {
        transaction.pragma_update(Some("ops"), "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(found)
}
