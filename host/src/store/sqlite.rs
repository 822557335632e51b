//! SQLite: one file in the data folder, attached as schema `ops`, so that its tables have the names they have in
//! PostgreSQL.

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{
    files::{self, DatabaseFiles, Prepared},
    schema::{self, BEFORE, SchemaWatch, VERSION, migrations_after},
};

/// How long a statement waits for another process's write to end.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long opening waits for another process that opens, recovers or migrates the same database.
const OPENING: Duration = Duration::from_secs(10);
/// The same where a hub that runs opens its database again.
const OPENING_AGAIN: Duration = Duration::from_millis(500);

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
    /// The file cannot be made, made private, or found.
    #[error("the database {path} cannot be used: {source}")]
    File {
        /// The database file.
        path: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Somebody has changed the schema.
    #[error(
        "the schema of the database {path} was changed: {}. That may drop or change rows: find out who did it, and restore the \
         schema or use another database", .found.join("; ")
    )]
    Schema {
        /// The database file.
        path: String,
        /// In what it is not.
        found: Vec<String>,
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
    /// Written by a hub of before the trail's format was settled.
    #[error(
        "the database {path} was written by a hub from before the audit trail had its format, which this hub neither reads nor \
         changes: keep it, and start this hub with another --data or --database-url"
    )]
    Older {
        /// The database file.
        path: String,
    },
}

/// An open database, with what tells whether it is still the one.
#[derive(Debug)]
pub struct Database {
    /// The connection.
    pub connection: Connection,
    /// The files that it has open.
    pub files: DatabaseFiles,
    /// Its schema, as expected.
    pub schema: SchemaWatch,
}

/// Opens the database for writing, makes its files private and brings its schema up to date. Durable: WAL with
/// `synchronous = FULL`, a commit returns when it is on disk.
///
/// # Errors
/// When the file cannot be opened or made private, is damaged, is of a newer version, or has another schema than the hub's.
pub fn open(path: &Path) -> Result<Database, StoreError> {
    open_prepared(path, Older::Migrated, || files::prepare(path))
}

/// Opens the database again to which these files belong, and no other in its place.
///
/// # Errors
/// As [`open`], and when it is not there.
pub fn open_again(files: &DatabaseFiles) -> Result<Database, StoreError> {
    open_prepared(files.path(), Older::Refused, || files.prepare_again())
}

/// What becomes of a database that is empty, or as an older hub left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Older {
    Migrated,
    Refused,
}

fn open_prepared(
    path: &Path,
    older: Older,
    prepare: impl Fn() -> io::Result<Prepared>,
) -> Result<Database, StoreError> {
    let shown = || path.display().to_string();
    let no_file = |source| StoreError::File { path: shown(), source };
    let refused = |source| StoreError::Sqlite { path: shown(), source };
    let timeout = if older == Older::Migrated { OPENING } else { OPENING_AGAIN };
    let started = Instant::now();
    loop {
        let prepared = prepare().map_err(no_file)?;
        match prepare_schema(&prepared, older) {
            Ok((connection, Migrated::Ready)) => {
                let files = DatabaseFiles::of(prepared).map_err(no_file)?;
                return Ok(Database { connection, files, schema: SchemaWatch::new().map_err(refused)? });
            }
            Ok((_, Migrated::Before)) => return Err(StoreError::Older { path: shown() }),
            Ok((_, Migrated::Newer(found))) => return Err(StoreError::Newer { path: shown(), found, known: VERSION }),
            Ok((_, Migrated::Differs(found))) => return Err(StoreError::Schema { path: shown(), found }),
            // Changing to WAL and recovering one are things for which SQLite does not always wait by itself.
            Err(source) if is_busy(&source) && started.elapsed() < timeout => thread::sleep(Duration::from_millis(50)),
            Err(source) => return Err(refused(source)),
        }
    }
}

/// Whether another process was in the way.
#[must_use]
pub fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn prepare_schema(prepared: &Prepared, older: Older) -> rusqlite::Result<(Connection, Migrated)> {
    let mut connection = attach(&prepared.main, "rw")?;
    connection.pragma_update(Some("ops"), "journal_mode", "wal")?;
    connection.pragma_update(Some("ops"), "synchronous", "full")?;
    // What a statement would have to undo, some pages of a row, is nothing to write to a file: that took more than half of
    // all writes.
    connection.pragma_update(None, "temp_store", "memory")?;
    let migrated = migrate(&mut connection, older)?;
    Ok((connection, migrated))
}

/// Opens an existing database for reading.
///
/// # Errors
/// When there is none or it cannot be read.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    attach(path, "ro").map_err(|source| StoreError::Sqlite { path: path.display().to_string(), source })
}

/// Makes a database of the same tables that has no other files beside it, for a copy of some rows.
///
/// # Errors
/// When it cannot be made.
pub fn create_alone(path: &Path) -> Result<Connection, StoreError> {
    let made = (|| {
        let connection = attach(path, "rwc")?;
        connection.pragma_update(Some("ops"), "journal_mode", "off")?;
        connection.execute_batch(&migrations_after(BEFORE).concat())?;
        connection.pragma_update(Some("ops"), "user_version", VERSION)?;
        Ok(connection)
    })();
    made.map_err(|source| StoreError::Sqlite { path: path.display().to_string(), source })
}

/// Opens such a database for reading. Nobody changes it any more, and its file may be removed meanwhile.
///
/// # Errors
/// When there is none, it cannot be read, or has other tables.
pub fn open_alone(path: &Path) -> Result<Connection, StoreError> {
    let opened = attach(path, "ro&immutable=1").and_then(|connection| {
        let differences = schema::differences(&connection, VERSION)?;
        Ok((connection, differences))
    });
    let shown = || path.display().to_string();
    match opened {
        Ok((connection, found)) if found.is_empty() => Ok(connection),
        Ok((_, found)) => Err(StoreError::Schema { path: shown(), found }),
        Err(source) => Err(StoreError::Sqlite { path: shown(), source }),
    }
}

/// Copies a database as it is at one moment, also while others write to it, into a file that is empty and has no others beside it.
///
/// # Errors
/// When it cannot be read, or the copy not be written.
pub fn copy_whole(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copied = attach(from, "ro").and_then(|connection| {
        // The connection's patience is for others' writes; this takes as long as it takes.
        connection.execute("VACUUM ops INTO ?1", [uri(to, "rw")]).map(drop)
    });
    copied.map_err(|source| StoreError::Sqlite { path: from.display().to_string(), source })
}

fn attach(path: &Path, mode: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_in_memory_with_flags(flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A plan holds for all values: otherwise a statement that is kept is compiled again for each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute("ATTACH DATABASE ?1 AS ops", [uri(path, mode)])?;
    Ok(connection)
}

/// A file as SQLite's `ATTACH` takes it, in a mode such as `ro`.
#[must_use]
pub fn uri(path: &Path, mode: &str) -> String {
    let file = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{file}?mode={mode}")
}

/// What came of bringing the schema up to date.
enum Migrated {
    Ready,
    /// It is of before the trail's format.
    Before,
    /// It is of this version, which is newer than the program.
    Newer(u32),
    /// It is not the hub's, in this.
    Differs(Vec<String>),
}

/// Applies what is missing, to a database that is as the earlier migrations left it.
fn migrate(connection: &mut Connection, older: Older) -> rusqlite::Result<Migrated> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > VERSION {
        return Ok(Migrated::Newer(found));
    }
    if (1..=BEFORE).contains(&found) {
        return Ok(Migrated::Before);
    }
    let expected = if older == Older::Migrated { found } else { VERSION };
    let differences = schema::differences(&transaction, expected)?;
    if !differences.is_empty() {
        return Ok(Migrated::Differs(differences));
    }
    for migration in migrations_after(found) {
        transaction.execute_batch(migration)?;
    }
    if found < VERSION {
        transaction.pragma_update(Some("ops"), "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(Migrated::Ready)
}

/// How many migrations a database has seen.
///
/// # Errors
/// When it cannot be read.
pub fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(Some("ops"), "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_that_is_kept_is_compiled_once_and_what_it_would_undo_is_in_no_file() {
        let folder = std::env::temp_dir().join(format!("bulkhead-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder");
        let Database { connection, .. } = open(&folder.join("ops.db")).expect("a database");
        let query = "SELECT position FROM ops.run_events WHERE caller_id = ?1 ORDER BY recorded_at DESC LIMIT 1";
        let mut statement = connection.prepare(query).expect("a query");
        for caller in ["one", "another", "a third"] {
            assert!(!statement.exists([caller]).expect("an answer"));
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        let in_memory = 2;
        let store = connection.pragma_query_value(None, "temp_store", |row| row.get::<_, i64>(0)).expect("a number");
        assert_eq!(store, in_memory);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
