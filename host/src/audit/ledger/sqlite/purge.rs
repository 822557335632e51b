//! Removing bodies. It is the one thing that changes a row, so the triggers against that are put aside for it, within the
//! transaction in which the statement that says so is stored.

use rusqlite::{Connection, Transaction, params};
use uuid::Uuid;

use super::{super::stored::Purged, guards, insert::number, position, read};
use crate::{
    audit::entry::{Entry, Sealed},
    names::StatementKind,
};

/// Removes bodies with their salts, and leaves their digests.
pub(super) fn remove(transaction: &Transaction<'_>, bodies: &[Purged]) -> rusqlite::Result<()> {
    guards::without(transaction, &["run_events_no_update", "run_intents_no_update"], |transaction| {
        bodies.iter().try_for_each(|purged| remove_one(transaction, purged))
    })
}

fn remove_one(transaction: &Transaction<'_>, Purged { of, digest, is_intent }: &Purged) -> rusqlite::Result<()> {
    let table = if *is_intent { "run_intents" } else { "run_events" };
    let body = of.body.as_str();
    let number = number(transaction, of.writer)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let sql = format!(
        "UPDATE ops.{table} SET {body} = NULL, {body}_salt = NULL, {body}_digest = ?2 \
         WHERE position = ?1 AND {body} IS NOT NULL AND {body}_digest IS NULL"
    );
    let changed = transaction.prepare_cached(&sql)?.execute(params![position::of(number, of.seq), digest])?;
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// What is removed is overwritten, not only given up.
pub(super) fn overwrite(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(Some("ops"), "secure_delete", true)
}

/// Empties the write-ahead log, in which what was removed still stands. False while somebody else reads from it.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA ops.wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0).map(|busy| busy == 0))
}

/// What is said of removed bodies, as far as it can be read.
pub(super) fn stated(connection: &Connection) -> rusqlite::Result<Vec<Sealed<Entry>>> {
    let mut statement = connection.prepare(&format!(
        "SELECT {}, w.writer FROM ops.audit_statements s JOIN ops.audit_writers w ON w.number = s.position >> 40 \
         WHERE s.kind = ?1 AND length(w.writer) = 16",
        read::STATEMENT
    ))?;
    let mut rows = statement.query([StatementKind::Purge.as_str()])?;
    let mut stated = Vec::new();
    while let Some(row) = rows.next()? {
        stated.extend(read::statement(row, row.get("writer").map(Uuid::from_bytes)?));
    }
    Ok(stated)
}
