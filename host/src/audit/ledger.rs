//! The open trail: one transaction at a time, each checked before it begins and before anybody is told that it is durable.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, config::DbConfig};
use uuid::{Builder, Uuid};

use super::{
    chain::AuditKey,
    error::AuditError,
    event::{Event, Intent},
    liveness, rows,
};
use crate::store::{
    files::{DatabaseFiles, Moved, Part},
    schema::{SchemaWatch, VERSION},
    sqlite::{self, Database, StoreError},
};

/// The largest database that is looked at closely, in bytes: it takes a second for each few hundred MiB.
const CHECKED_MAX: u64 = 256 * 1024 * 1024;

/// The smallest page of a database, of which every larger one is a multiple, in bytes.
const PAGE_MIN: u64 = 512;

/// Something to be written.
#[derive(Debug)]
pub(super) enum Entry {
    Event(Box<Event>),
    Intent(Box<Intent>),
}

#[cfg(feature = "bench")]
impl Entry {
    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Event(event) => event.id,
            Self::Intent(intent) => intent.id,
        }
    }
}

/// Why nothing was written, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// What would be written goes where nobody finds it.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// Somebody has changed the schema.
    #[error("the schema of the database was changed: {}. Restore it", .0.join("; "))]
    Schema(Vec<String>),
    /// Somebody else writes under this writer's name, has removed rows, or has put back an older copy.
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
    /// The database could not be opened again.
    #[error("the database cannot be reopened: check the data folder")]
    Open(#[source] StoreError),
}

fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "end the process that holds the database",
        Some(ErrorCode::DiskFull) => "free space on the disk",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "let the hub's user write to the data folder",
        _ if matches!(error, rusqlite::Error::StatementChangedRows(_)) => {
            "something in the database, such as a trigger, drops rows: find out who added it"
        }
        _ => "check the disk and the database",
    }
}

/// Where a chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    seq: i64,
    hash: Vec<u8>,
}

/// The trail of one writer.
#[derive(Debug)]
pub(super) struct Ledger {
    /// `None` between the old connection and the new, where it has to be opened again.
    connection: Option<Connection>,
    files: DatabaseFiles,
    schema: SchemaWatch,
    key: AuditKey,
    data: PathBuf,
    id: String,
    /// The newest row that is known to be durable.
    last: Link,
    /// The newest row if the last commit has come through, of which nobody knows.
    doubt: Option<Link>,
}

impl Ledger {
    /// Opens the trail and registers the writer, whose lock is held already.
    pub(super) fn open(data: &Path, database: &Path, writer: Uuid) -> Result<Self, AuditError> {
        let key = AuditKey::open(data)?;
        let Database { mut connection, mut files, schema } = sqlite::open(database)?;
        let registered = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let parent = rows::insert_writer(&transaction, writer)?;
            transaction.commit()?;
            Ok(parent)
        });
        let parent = registered.map_err(|error| AuditError::Open(error.to_string()))?;
        files.note();
        let last = Link { seq: 0, hash: key.genesis(writer, parent.as_deref()) };
        let (data, id) = (data.to_owned(), writer.to_string());
        Ok(Self { connection: Some(connection), files, schema, key, data, id, last, doubt: None })
    }

    /// Where the database is.
    pub(super) fn path(&self) -> &Path {
        self.files.path()
    }

    /// How long a transaction waits for another process.
    pub(super) fn set_busy_timeout(&self, timeout: Duration) {
        if let Some(connection) = &self.connection {
            // It cannot fail but for a connection that is closed.
            let _ = connection.busy_timeout(timeout);
        }
    }

    /// Writes all entries, and gives each one's row. An entry that cannot be written while others can does not hold them
    /// up: an event has another in its place, an intent is refused.
    pub(super) fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Result<Vec<Result<Uuid, AuditError>>, Fault> {
        self.transact(|transaction, chain| {
            let write = |entry: &Entry| match entry {
                Entry::Event(event) => chain.append(transaction, event).map(Ok),
                Entry::Intent(intent) => match rows::insert_intent(transaction, intent, chain.writer) {
                    Err(error) if rows::is_of_the_row(&error) && !transaction.is_autocommit() => {
                        tracing::error!(%error, call_id = %intent.id, "an operation could not be announced, so it does not run");
                        Ok(Err(AuditError::Write(error.to_string())))
                    }
                    inserted => inserted.map(|()| Ok(intent.id)),
                },
            };
            entries.map(write).collect()
        })
    }

    /// Writes events that were to be written before, each once: those that are there already have come through.
    pub(super) fn commit_again<'a>(&mut self, events: impl Iterator<Item = &'a Event>) -> Result<(), Fault> {
        self.transact(|transaction, chain| {
            for event in events {
                if !chain.has(transaction, event)? {
                    chain.append(transaction, event)?;
                }
            }
            // Something is written in any case, or nobody would know whether that is possible.
            transaction.pragma_update(Some("ops"), "user_version", VERSION)
        })
    }

    /// Answers what a dead writer has left unanswered, and says how much that was. Looked for in the transaction that
    /// answers, so that of several hubs one does it.
    pub(super) fn answer(&mut self, dead: &str) -> Result<usize, Fault> {
        self.transact(|transaction, chain| {
            let events = rows::interrupted(transaction, dead)?;
            for event in &events {
                chain.append(transaction, event)?;
            }
            Ok(events.len())
        })
    }

    /// Repairs what can be repaired: where only the files beside the database are gone, what they held is still open here, and
    /// goes into the database before that is opened again.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        if let Some(connection) = &self.connection {
            match self.files.unmoved() {
                Ok(()) => return Ok(()),
                Err(moved) if moved.part == Part::Main => return Err(moved.into()),
                Err(moved) => {
                    let all = connection.query_row("PRAGMA ops.wal_checkpoint(FULL)", [], |row| {
                        let (busy, frames, done): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                        Ok(busy == 0 && frames == done)
                    })?;
                    if !all {
                        return Err(moved.into());
                    }
                    self.connection = None;
                }
            }
        }
        let opened = sqlite::open_again(&self.files).map_err(Fault::Open)?;
        self.connection = Some(opened.connection);
        (self.files, self.schema) = (opened.files, opened.schema);
        Ok(())
    }

    /// Looks closely at a database that somebody else has written to. That may have been another connection's checkpoint,
    /// which changes nothing, or somebody who copies an older one over it: then what this connection remembers hides it.
    fn look_closely(&mut self) -> Result<(), Fault> {
        // SQLite takes the `-wal` file of an empty database for a leftover, and removes it.
        let size = self.files.size();
        if size == 0 || !size.is_multiple_of(PAGE_MIN) {
            return Err(Fault::Overwritten);
        }
        // Beside the old connection, which would otherwise move what is in the `-wal` file into whatever is there now.
        let fresh = sqlite::open_again(&self.files).map_err(Fault::Open);
        let sound = fresh.and_then(|fresh| {
            // Hubs side by side write to it all the time.
            let whole = size > CHECKED_MAX
                || liveness::is_not_alone(&self.data, &self.id)
                || fresh.connection.query_row("PRAGMA ops.integrity_check(1)", [], |row| row.get::<_, String>(0))?
                    == "ok";
            let rows = rows::count(&fresh.connection, &self.id)?;
            let complete = [Some(&self.last), self.doubt.as_ref()].into_iter().flatten().any(|link| link.seq == rows);
            if whole && complete { Ok(fresh) } else { Err(Fault::Overwritten) }
        });
        match sound {
            Ok(fresh) => {
                // The new one first, so that the old one is not the last.
                let old = self.connection.replace(fresh.connection);
                drop(old);
                (self.files, self.schema) = (fresh.files, fresh.schema);
                Ok(())
            }
            Err(fault) => {
                if let Some(connection) = &self.connection {
                    // What is in the `-wal` file belongs to what was there.
                    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                }
                Err(fault)
            }
        }
    }

    /// All of `work` or nothing. The chain moves on only when it is on disk, in the file that is there.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Chain<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        self.files.unmoved()?;
        if self.files.were_touched() && self.connection.is_some() {
            self.look_closely()?;
        }
        let connection = self.connection.as_mut().ok_or(Moved { part: Part::Wal, replaced: false })?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let differences = self.schema.differences(&transaction)?;
        if !differences.is_empty() {
            return Err(Fault::Schema(differences));
        }
        self.last = stands_at(&transaction, &self.id, &self.last, self.doubt.as_ref())?.ok_or(Fault::Rows)?;
        self.doubt = None;
        let mut chain = Chain { key: &self.key, writer: &self.id, link: self.last.clone() };
        let done = work(&transaction, &mut chain)?;
        let link = chain.link;
        self.doubt = Some(link.clone());
        transaction.commit()?;
        self.files.unmoved()?;
        self.files.note();
        self.last = link;
        self.doubt = None;
        Ok(done)
    }
}

/// Where the database says that the chain stands, if that is where it was left.
fn stands_at(
    transaction: &Transaction<'_>,
    writer: &str,
    last: &Link,
    doubt: Option<&Link>,
) -> rusqlite::Result<Option<Link>> {
    if !rows::is_registered(transaction, writer)? {
        return Ok(None);
    }
    let newest = rows::newest(transaction, writer)?.map(|(seq, hash)| Link { seq, hash });
    Ok(match newest {
        None => (last.seq == 0).then(|| last.clone()),
        Some(newest) => [Some(last), doubt].contains(&Some(&newest)).then_some(newest),
    })
}

/// The chain within a transaction.
struct Chain<'a> {
    key: &'a AuditKey,
    writer: &'a str,
    link: Link,
}

impl Chain<'_> {
    /// Inserts an event, or another in its place if it cannot be inserted as it is, and gives the row's id.
    fn append(&mut self, transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<Uuid> {
        match self.insert(transaction, event) {
            Err(error) if rows::is_of_the_row(&error) && !transaction.is_autocommit() => {
                let stand_in = stand_in(event, rows::is_there(transaction, event.id)?);
                tracing::error!(%error, call_id = %event.id, row = %stand_in.id, "the database rejected a row: a substitute is written instead");
                // If this fails too, it is not for what is in it.
                self.insert(transaction, &stand_in)
            }
            inserted => inserted,
        }
    }

    fn insert(&mut self, transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<Uuid> {
        let Link { seq, hash: previous } = &self.link;
        let seq = seq + 1;
        let hash = rows::insert_event(transaction, event, self.writer, seq, |fields| {
            self.key.over(previous, fields.iter().copied())
        })?;
        self.link = Link { seq, hash };
        Ok(event.id)
    }

    /// Whether this writer has recorded the event already, as itself or with another in its place.
    fn has(&self, transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<bool> {
        let own = |id| rows::is_there_of(transaction, id, self.writer);
        Ok(own(event.id)? || own(stand_in_id(event.id))?)
    }
}

/// The id of the row in the place of another: always the same, so that it is there once.
fn stand_in_id(id: Uuid) -> Uuid {
    let digest = digest::digest(&digest::SHA256, &[b"in the place of ".as_slice(), id.as_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// What is recorded in the place of an event that cannot be. If that is because its operation has an answer already, which
/// another hub gave that took this one for dead, nothing else is wrong with it.
fn stand_in(event: &Event, answered: bool) -> Event {
    let told = if answered {
        format!("substitute for {}, which was answered already", event.id)
    } else {
        format!("substitute for {}, whose contents the database rejected", event.id)
    };
    let error = match &event.error {
        Some(error) if answered => format!("{told}: {error}"),
        _ => told,
    };
    let mut stand_in = Event { id: stand_in_id(event.id), error: Some(Event::error_text(&error)), ..event.clone() };
    if !answered {
        (stand_in.payload, stand_in.result, stand_in.hostname, stand_in.tool) = (None, None, None, None);
        (stand_in.provider, stand_in.team, stand_in.quotas) = (None, None, Vec::new());
        (stand_in.correlation_id, stand_in.times) = (event.id.to_string(), stand_in.times.max(1));
    }
    stand_in
}

#[cfg(test)]
mod tests;
