//! SQLite: one file, which the hub's processes share. Each transaction is checked before it begins and before anybody is told
//! that it is durable.

mod chains;
mod guards;
mod insert;
pub(in crate::audit) mod moving;
pub(super) mod outbox;
mod position;
mod purge;
mod read;
mod rejection;
mod rollups;
mod search;
mod walk;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, config::DbConfig, params};
use uuid::Uuid;

use super::{
    fault::{Fault, Unstored},
    stored::{Purged, Stretch, Untied},
};

use crate::{
    audit::{
        entry::Sealed,
        error::AuditError,
        event::Intent,
        liveness, rollup,
        seal::{Batch, Head},
        statement::Tie,
    },
    names::StatementKind,
    store::{
        files::{DatabaseFiles, Moved, Part},
        schema::{SchemaWatch, VERSION},
        sqlite::{self, Database},
    },
};

pub(in crate::audit) use chains::{behind, head_at, ties, writers};
pub(super) use search::SqliteReading;
pub(in crate::audit) use walk::walk;

/// The largest database that is looked at closely, in bytes: it takes a second for each few hundred MiB.
const CHECKED_MAX: u64 = 256 * 1024 * 1024;

/// The smallest page of a database, of which every larger one is a multiple, in bytes.
const PAGE_MIN: u64 = 512;

/// The newest batch of a writer.
const NEWEST: &str = "SELECT position, head FROM ops.audit_batches WHERE position BETWEEN ?1 AND ?2 \
    ORDER BY position DESC LIMIT 1";

/// Whether something stands behind a position.
const BEHIND: &str = "SELECT EXISTS (SELECT 1 FROM ops.run_events WHERE position > ?1 AND position <= ?2) \
    OR EXISTS (SELECT 1 FROM ops.run_intents WHERE position > ?1 AND position <= ?2) \
    OR EXISTS (SELECT 1 FROM ops.audit_statements WHERE position > ?1 AND position <= ?2)";

/// The last entry of a writer that an archive holds. What is before it need not be in the database.
const ARCHIVED: &str = "SELECT coalesce(max(json_extract(c.value, '$.last')), 0) FROM ops.audit_statements s, \
    json_each(s.body, '$.chains') c WHERE s.kind = 'archive' AND json_extract(c.value, '$.writer') = ?1";

/// How many entries a writer has.
const COUNT: &str = "SELECT (SELECT count(*) FROM ops.run_events WHERE position BETWEEN ?1 AND ?2) \
    + (SELECT count(*) FROM ops.run_intents WHERE position BETWEEN ?1 AND ?2) \
    + (SELECT count(*) FROM ops.audit_statements WHERE position BETWEEN ?1 AND ?2)";

/// The newest batch of each other writer, if no statement names its head.
const UNTIED: &str = "SELECT w.writer, b.position, b.head, s.kind, b.signature, \
        coalesce((SELECT max(p.position) FROM ops.audit_batches p WHERE p.position >= w.number << 40 AND p.position < b.position), 0) \
    FROM ops.audit_writers w \
    JOIN ops.audit_batches b ON b.position = (SELECT max(position) FROM ops.audit_batches \
        WHERE position BETWEEN w.number << 40 AND (w.number << 40) | 1099511627775) \
    LEFT JOIN ops.audit_statements s ON s.position = b.position \
    WHERE w.writer <> ?1 AND NOT EXISTS (SELECT 1 FROM ops.audit_ties t WHERE t.position = b.position) \
    ORDER BY w.number";

/// The store of one writer in a file.
#[derive(Debug)]
pub(in crate::audit) struct SqliteLedger {
    /// `None` between the old connection and the new, where it has to be opened again.
    connection: Option<Connection>,
    files: DatabaseFiles,
    schema: SchemaWatch,
    data: PathBuf,
    writer: Uuid,
    /// The newest batch that is known to be durable.
    last: Head,
    /// The newest batch if the last commit has come through, of which nobody knows.
    doubt: Option<Head>,
}

impl SqliteLedger {
    pub(super) fn open(data: &Path, database: &Path, writer: Uuid) -> Result<Self, AuditError> {
        let Database { connection, files, schema } = sqlite::open(database)?;
        let connection = Some(connection);
        Ok(Self { connection, files, schema, data: data.to_owned(), writer, last: Head::NONE, doubt: None })
    }

    pub(super) fn set_patience(&self, timeout: Duration) {
        if let Some(connection) = &self.connection {
            // It cannot fail but for a connection that is closed.
            let _ = connection.busy_timeout(timeout);
        }
    }

    pub(super) fn head(&mut self) -> Result<Head, Fault> {
        if self.doubt.is_some() {
            self.last = self.transact(None, |_, _, at| Ok::<_, Fault>(at))?;
        }
        Ok(self.last)
    }

    pub(super) fn append(&mut self, batch: &Batch<'_>) -> Result<(), Unstored> {
        self.transact(Some(batch.head), |transaction, number, at| {
            if at != batch.previous {
                return Err(Fault::Rows.into());
            }
            let number = number.map_or_else(|| insert::writer(transaction, batch.writer), Ok)?;
            for (index, sealed) in batch.entries.iter().enumerate() {
                let entry = insert::entry(transaction, number, sealed);
                match entry.and_then(|()| outbox::put(transaction, number, sealed)) {
                    Err(error) if rejection::is_of_the_entry(&error) && !transaction.is_autocommit() => {
                        let why = rejection::of(transaction, number, sealed.entry, &error)?;
                        return Err(Unstored::Entry { index, why });
                    }
                    inserted => inserted?,
                }
            }
            rollups::add(transaction, number, &rollup::of_entries(&batch.entries))?;
            Ok(insert::batch(transaction, number, batch)?)
        })
    }

    pub(super) fn purge(&mut self, batch: &Batch<'_>, bodies: &[Purged]) -> Result<(), Fault> {
        purge::overwrite(self.connected()?)?;
        self.transact(Some(batch.head), |transaction, number, at| {
            if at != batch.previous {
                return Err(Fault::Rows);
            }
            let number = number.map_or_else(|| insert::writer(transaction, batch.writer), Ok)?;
            for sealed in &batch.entries {
                insert::entry(transaction, number, sealed)?;
            }
            purge::remove(transaction, bodies)?;
            Ok(insert::batch(transaction, number, batch)?)
        })
    }

    pub(super) fn forget_removed(&self) -> Result<bool, Fault> {
        Ok(purge::empty_log(self.connected()?)?)
    }

    pub(super) fn touch(&mut self) -> Result<(), Fault> {
        self.transact(None, |transaction, _, _| Ok(transaction.pragma_update(Some("ops"), "user_version", VERSION)?))
    }

    pub(super) fn untied(&mut self) -> Result<Vec<Untied>, Fault> {
        Ok(untied(self.connected()?, self.writer)?)
    }

    pub(super) fn unanswered(&mut self, writer: Uuid) -> Result<Vec<Sealed<Intent>>, Fault> {
        let connection = self.connected()?;
        let Some(number) = insert::number(connection, writer)? else { return Ok(Vec::new()) };
        let (first, last) = position::all(number).into_inner();
        let columns = read::INTENT;
        let mut statement = connection.prepare(&format!(
            "SELECT {columns} FROM ops.run_intents i WHERE position BETWEEN ?1 AND ?2 AND NOT EXISTS \
             (SELECT 1 FROM ops.run_events e WHERE e.id = i.id) AND position > ?3 ORDER BY position"
        ))?;
        // What is in an archive has its answer there; somebody has put it back.
        let archived = position::of(number, archived(connection, writer)?);
        let mut rows = statement.query([first, last, archived])?;
        let mut intents = Vec::new();
        while let Some(row) = rows.next()? {
            match read::intent(row, writer) {
                Ok(intent) => intents.push(intent),
                Err(why) => {
                    let position: i64 = row.get(0)?;
                    tracing::error!(
                        position,
                        why,
                        "an announced operation cannot be read: run `bulkhead audit verify`"
                    );
                }
            }
        }
        Ok(intents)
    }

    pub(super) fn stretch(&mut self, writer: Uuid, seq: i64) -> Result<Option<Stretch>, Fault> {
        let connection = self.connected()?;
        let Some(number) = insert::number(connection, writer)? else { return Ok(None) };
        walk::stretch(connection, number, writer, seq).map_err(Fault::from)
    }

    /// Where only the files beside the database are gone, what they held is still open here, and goes into the database
    /// before that is opened again.
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

    /// The number of this writer in the outbox; nobody's is 0.
    pub(super) fn number(&self) -> Result<i64, Fault> {
        Ok(insert::number(self.connected()?, self.writer)?.unwrap_or(0))
    }

    /// Whether there is no sign of life of a writer.
    pub(super) fn is_gone(&self, writer: Uuid) -> bool {
        liveness::look(&self.data, writer) != liveness::Sign::Life
    }

    /// Does all of something that is no part of the trail, or nothing.
    pub(super) fn beside<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Fault> {
        self.transact(None, |transaction, _, _| Ok(work(transaction)?))
    }

    pub(super) fn connected(&self) -> Result<&Connection, Fault> {
        self.connection.as_ref().ok_or(Fault::Moved(Moved { part: Part::Wal, replaced: false }))
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
                || liveness::is_not_alone(&self.data, self.writer)
                || fresh.connection.query_row("PRAGMA ops.integrity_check(1)", [], |row| row.get::<_, String>(0))?
                    == "ok";
            let entries = count(&fresh.connection, self.writer)?;
            let complete = [Some(self.last), self.doubt].into_iter().flatten().any(|head| head.seq == entries);
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

    /// All of `work` or nothing. It is told the writer's number, if it has one, and where its chain stands; `head` is where
    /// that stands afterwards, if it moves.
    fn transact<T, E: From<Fault>>(
        &mut self,
        head: Option<Head>,
        work: impl FnOnce(&Transaction<'_>, Option<i64>, Head) -> Result<T, E>,
    ) -> Result<T, E> {
        let done = self.begun(|transaction, number, at| work(transaction, number, at), head);
        done.unwrap_or_else(|fault| Err(fault.into()))
    }

    /// The same, with the faults of the transaction itself apart.
    fn begun<T, E>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, Option<i64>, Head) -> Result<T, E>,
        head: Option<Head>,
    ) -> Result<Result<T, E>, Fault> {
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
        let number = insert::number(&transaction, self.writer)?;
        let at = stands_at(&transaction, number, self.last, self.doubt)?.ok_or(Fault::Rows)?;
        (self.last, self.doubt) = (at, None);
        let done = match work(&transaction, number, at) {
            Ok(done) => done,
            refused @ Err(_) => return Ok(refused),
        };
        self.doubt = head;
        transaction.commit()?;
        self.files.unmoved()?;
        self.files.note();
        self.last = head.unwrap_or(at);
        self.doubt = None;
        Ok(Ok(done))
    }
}

/// The newest heads of all chains but `own` that no statement names.
pub(in crate::audit) fn untied(connection: &Connection, own: Uuid) -> rusqlite::Result<Vec<Untied>> {
    let mut statement = connection.prepare_cached(UNTIED)?;
    let rows = statement.query_map([own.as_bytes()], |row| {
        let (position, kind): (i64, Option<String>) = (row.get(1)?, row.get(3)?);
        let (_, seq) = position::parts(position);
        let tie = Tie { writer: Uuid::from_bytes(row.get(0)?), seq, head: row.get(2)? };
        let is_checkpoint = kind.as_deref() == Some(StatementKind::Checkpoint.as_str());
        let (_, before) = position::parts(row.get(5)?);
        Ok(Untied { tie, before, signature: row.get(4)?, is_checkpoint })
    })?;
    rows.collect()
}

/// Where the database says that the chain stands, if that is where it was left and nothing stands behind it.
fn stands_at(
    transaction: &Transaction<'_>,
    number: Option<i64>,
    last: Head,
    doubt: Option<Head>,
) -> rusqlite::Result<Option<Head>> {
    let Some(number) = number else { return Ok((last == Head::NONE).then_some(last)) };
    let (first, end) = position::all(number).into_inner();
    let newest =
        transaction.prepare_cached(NEWEST)?.query_row([first, end], read::head).optional()?.unwrap_or(Head::NONE);
    let behind = params![position::of(number, newest.seq), end];
    let is_last: bool = !transaction.prepare_cached(BEHIND)?.query_row(behind, |row| row.get::<_, bool>(0))?;
    Ok((is_last && [Some(last), doubt].contains(&Some(newest))).then_some(newest))
}

/// The number of the last entry of a writer that an archive holds; 0 if none does.
fn archived(connection: &Connection, writer: Uuid) -> rusqlite::Result<i64> {
    connection.query_row(ARCHIVED, [writer.hyphenated().to_string()], |row| row.get(0))
}

/// How many entries a writer has, with those that an archive holds.
fn count(connection: &Connection, writer: Uuid) -> rusqlite::Result<i64> {
    let Some(number) = insert::number(connection, writer)? else { return Ok(0) };
    let archived = archived(connection, writer)?;
    let behind = [position::of(number, archived + 1), *position::all(number).end()];
    Ok(archived + connection.query_row(COUNT, behind, |row| row.get::<_, i64>(0))?)
}

/// Writers with intents that no event answers, but for `own`. Reads every intent there is.
pub(in crate::audit) fn writers_with_unanswered_intents(
    connection: &Connection,
    own: Uuid,
) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = connection.prepare(
        "SELECT DISTINCT w.writer FROM ops.run_intents i JOIN ops.audit_writers w ON w.number = i.position >> 40 \
         WHERE w.writer <> ?1 AND NOT EXISTS (SELECT 1 FROM ops.run_events e WHERE e.id = i.id)",
    )?;
    let rows = statement.query_map([own.as_bytes()], |row| row.get(0).map(Uuid::from_bytes))?;
    rows.collect()
}

#[cfg(test)]
impl SqliteLedger {
    pub(in crate::audit) fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("open")
    }

    /// As it stands when the disk answers neither yes nor no to what was committed after `before`.
    pub(in crate::audit) fn doubt_since(&mut self, before: Head) {
        self.doubt = Some(if self.last == before { Head { seq: before.seq + 2, ..before } } else { self.last });
        self.last = before;
    }
}
