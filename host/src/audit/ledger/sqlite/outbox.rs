//! The outbox: events that wait to be delivered, and those that were lately.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Transaction, params};
use uuid::Uuid;

use super::{insert::one, position, rejection};
use crate::audit::{
    cloud_event::ForOutbox,
    entry::{Entry, Sealed},
    waiting::{Backlog, Bounds, OutboxKey, SWEPT_TOGETHER, TOGETHER, TOGETHER_BYTES, Waiting},
};

const INSERT: &str =
    "INSERT INTO ops.event_outbox (position, ordinal, owner, event, bytes, recorded_at) VALUES (?,?,?,?,?,?)";

/// Removes the oldest that wait.
const DROP: &str = "DELETE FROM ops.event_outbox WHERE rowid IN (SELECT rowid FROM ops.event_outbox \
    WHERE owner = ?1 AND delivered_at IS NULL ORDER BY recorded_at, position, ordinal LIMIT ?2)";

const WAITING: &str = "SELECT w.writer, o.position, o.ordinal, o.event, o.replays FROM ops.event_outbox o \
    LEFT JOIN ops.audit_writers w ON w.number = o.position >> 40 \
    WHERE o.owner = ?1 AND o.delivered_at IS NULL ORDER BY o.recorded_at, o.position, o.ordinal LIMIT ?2";

const BACKLOG: &str = "SELECT count(*), coalesce(sum(bytes), 0), min(recorded_at) FROM ops.event_outbox \
    WHERE owner = ?1 AND delivered_at IS NULL";

/// How many of the oldest have to go so that no more than so many events and bytes are left.
const EXCESS: &str = "SELECT count(*) FROM (SELECT row_number() OVER newest AS events, sum(bytes) OVER newest AS bytes \
    FROM ops.event_outbox WHERE owner = ?1 AND delivered_at IS NULL \
    WINDOW newest AS (ORDER BY recorded_at DESC, position DESC, ordinal DESC)) WHERE events > ?2 OR bytes > ?3";

const DELIVERED: &str = "UPDATE ops.event_outbox SET delivered_at = ?4 WHERE ordinal = ?3 AND position = \
    (SELECT number << 40 | ?2 FROM ops.audit_writers WHERE writer = ?1)";

/// Who has something that waits, but for one.
const OWNERS: &str = "SELECT DISTINCT o.owner, w.writer FROM ops.event_outbox o LEFT JOIN ops.audit_writers w \
    ON w.number = o.owner WHERE o.delivered_at IS NULL AND o.owner <> ?1";

const TAKE_OVER: &str = "UPDATE ops.event_outbox SET owner = ?2 WHERE owner = ?1 AND delivered_at IS NULL";

const SWEEP: &str = "DELETE FROM ops.event_outbox WHERE rowid IN (SELECT rowid FROM ops.event_outbox \
    WHERE delivered_at IS NOT NULL AND delivered_at < ?1 ORDER BY delivered_at LIMIT ?2)";

/// What an entry does to the outbox. That is no part of the trail: what cannot be kept of it does not cost the row.
pub(super) fn put(transaction: &Transaction<'_>, owner: i64, sealed: &Sealed<&Entry>) -> rusqlite::Result<()> {
    let Entry::Event(event) = sealed.entry else { return Ok(()) };
    let at = position::of(owner, sealed.place.seq);
    match change(transaction, owner, at, sealed.place.recorded_at, &event.outbox) {
        Err(error) if rejection::is_of_the_entry(&error) => {
            tracing::error!(%error, call_id = %event.id, "what an operation tells others could not be put into the outbox");
            Ok(())
        }
        changed => changed,
    }
}

fn change(
    transaction: &Transaction<'_>,
    owner: i64,
    at: i64,
    recorded_at: DateTime<Utc>,
    change: &ForOutbox,
) -> rusqlite::Result<()> {
    if change.drops > 0 {
        transaction.prepare_cached(DROP)?.execute(params![owner, change.drops])?;
    }
    for (ordinal, event) in (0_i32..).zip(&change.events) {
        let (event, recorded_at) = (event.as_str(), recorded_at.timestamp_millis());
        let bytes = i64::try_from(event.len()).unwrap_or(i64::MAX);
        let values = params![at, ordinal, owner, event, bytes, recorded_at];
        one(transaction.prepare_cached(INSERT)?.execute(values)?)?;
    }
    Ok(())
}

/// What waits longest.
pub(in crate::audit::ledger) fn waiting(connection: &Connection, owner: i64) -> rusqlite::Result<Vec<Waiting>> {
    let mut statement = connection.prepare_cached(WAITING)?;
    let mut rows = statement.query(params![owner, TOGETHER])?;
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (writer, at): (Option<[u8; 16]>, i64) = (row.get(0)?, row.get(1)?);
        let (_, seq) = position::parts(at);
        let key = OutboxKey { writer: Uuid::from_bytes(writer.unwrap_or_default()), seq, ordinal: row.get(2)? };
        let event: String = row.get(3)?;
        bytes += event.len();
        waiting.push(Waiting { key, event, replays: row.get(4)? });
        if bytes > TOGETHER_BYTES {
            break;
        }
    }
    Ok(waiting)
}

/// How much waits.
pub(in crate::audit::ledger) fn backlog(connection: &Connection, owner: i64) -> rusqlite::Result<Backlog> {
    connection.prepare_cached(BACKLOG)?.query_row([owner], |row| {
        let (events, bytes, oldest): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let oldest = oldest.and_then(DateTime::from_timestamp_millis);
        Ok(Backlog { events: events.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest })
    })
}

/// How many of the oldest are too many.
pub(in crate::audit::ledger) fn excess(connection: &Connection, owner: i64, bounds: Bounds) -> rusqlite::Result<u32> {
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let bounds = params![owner, bound(bounds.events), bound(bounds.bytes)];
    connection.prepare_cached(EXCESS)?.query_row(bounds, |row| row.get(0))
}

/// These were delivered.
pub(in crate::audit::ledger) fn delivered(
    transaction: &Transaction<'_>,
    keys: &[OutboxKey],
    at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(DELIVERED)?;
    for key in keys {
        statement.execute(params![key.writer.as_bytes(), key.seq, key.ordinal, at.timestamp_millis()])?;
    }
    Ok(())
}

/// Whose events wait, but for one writer's: the number, and the writer if there is one of it.
pub(in crate::audit::ledger) fn other_owners(
    connection: &Connection,
    own: i64,
) -> rusqlite::Result<Vec<(i64, Option<Uuid>)>> {
    let mut statement = connection.prepare_cached(OWNERS)?;
    let owners = statement.query_map([own], |row| {
        let writer: Option<[u8; 16]> = row.get(1)?;
        Ok((row.get(0)?, writer.map(Uuid::from_bytes)))
    })?;
    owners.collect()
}

/// Takes over what waits for one owner.
pub(in crate::audit::ledger) fn take_over(transaction: &Transaction<'_>, from: i64, own: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached(TAKE_OVER)?.execute([from, own]).map(|_| ())
}

/// Removes some of what was delivered before a time.
pub(in crate::audit::ledger) fn sweep(transaction: &Transaction<'_>, before: DateTime<Utc>) -> rusqlite::Result<u32> {
    let removed = transaction.prepare_cached(SWEEP)?.execute(params![before.timestamp_millis(), SWEPT_TOGETHER])?;
    Ok(u32::try_from(removed).unwrap_or(u32::MAX))
}
