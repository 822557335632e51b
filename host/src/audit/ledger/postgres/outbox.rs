//! The outbox: events that wait to be delivered, and those that were lately.

use chrono::{DateTime, Utc};
use sqlx_core::{query::query, query_scalar::query_scalar, row::Row as _};
use sqlx_postgres::{PgConnection, Postgres};
use uuid::Uuid;

use super::{
    insert::all,
    time::{Millis, Nearest},
};
use crate::{
    audit::{
        cloud_event::ForOutbox,
        entry::{Entry, Sealed},
        waiting::{Backlog, Bounds, OutboxKey, SWEPT_TOGETHER, TOGETHER, TOGETHER_BYTES, Waiting},
    },
    store::postgres::PostgresError,
};

const INSERT: &str = "INSERT INTO ops.event_outbox (writer, seq, ordinal, owner, event, bytes, recorded_at) \
    SELECT $1, seq, ordinal, $1, event, octet_length(event), recorded_at \
    FROM unnest($2::bigint[], $3::int[], $4::text[], $5::timestamptz[]) AS e (seq, ordinal, event, recorded_at)";

/// Removes the oldest that wait.
const DROP: &str = "DELETE FROM ops.event_outbox o USING (SELECT writer, seq, ordinal FROM ops.event_outbox \
    WHERE owner = $1 AND delivered_at IS NULL ORDER BY recorded_at, writer, seq, ordinal LIMIT $2) old \
    WHERE o.writer = old.writer AND o.seq = old.seq AND o.ordinal = old.ordinal";

const WAITING: &str = "SELECT writer, seq, ordinal, event, replays FROM (SELECT *, \
        sum(bytes) OVER (ORDER BY recorded_at, writer, seq, ordinal) - bytes AS before \
        FROM (SELECT * FROM ops.event_outbox WHERE owner = $1 AND delivered_at IS NULL \
            ORDER BY recorded_at, writer, seq, ordinal LIMIT $2) oldest) w \
    WHERE before <= $3 ORDER BY recorded_at, writer, seq, ordinal";

const BACKLOG: &str = "SELECT count(*), coalesce(sum(bytes), 0)::bigint, min(recorded_at) FROM ops.event_outbox \
    WHERE owner = $1 AND delivered_at IS NULL";

/// How many of the oldest have to go so that no more than so many events and bytes are left.
const EXCESS: &str = "SELECT count(*) FROM (SELECT row_number() OVER newest AS events, sum(bytes) OVER newest AS bytes \
    FROM ops.event_outbox WHERE owner = $1 AND delivered_at IS NULL \
    WINDOW newest AS (ORDER BY recorded_at DESC, writer DESC, seq DESC, ordinal DESC)) w WHERE events > $2 OR bytes > $3";

const DELIVERED: &str = "UPDATE ops.event_outbox o SET delivered_at = $4 \
    FROM unnest($1::uuid[], $2::bigint[], $3::int[]) AS d (writer, seq, ordinal) \
    WHERE o.writer = d.writer AND o.seq = d.seq AND o.ordinal = d.ordinal";

/// A writer has its lease before it writes anything, and until somebody has fenced it.
const TAKE_OVER: &str = "UPDATE ops.event_outbox o SET owner = $1 WHERE o.delivered_at IS NULL AND o.owner <> $1 \
    AND NOT EXISTS (SELECT FROM ops.audit_leases l WHERE l.writer = o.owner AND l.fenced_at IS NULL)";

const SWEEP: &str = "DELETE FROM ops.event_outbox o USING (SELECT writer, seq, ordinal FROM ops.event_outbox \
    WHERE delivered_at < $1 ORDER BY delivered_at LIMIT $2 FOR UPDATE SKIP LOCKED) old \
    WHERE o.writer = old.writer AND o.seq = old.seq AND o.ordinal = old.ordinal";

/// What a batch does to the outbox. That is no part of the trail: what cannot be kept of it does not cost the rows.
pub(super) async fn put(
    connection: &mut PgConnection,
    writer: Uuid,
    entries: &[Sealed<&Entry>],
) -> Result<(), PostgresError> {
    let tells =
        |sealed: &Sealed<&Entry>| matches!(sealed.entry, Entry::Event(event) if event.outbox != ForOutbox::default());
    if !entries.iter().any(tells) {
        return Ok(());
    }
    query::<Postgres>("SAVEPOINT outbox").execute(&mut *connection).await?;
    match change(connection, writer, entries).await {
        Err(error) if error.is_of_the_row() => {
            tracing::error!(%error, "what operations tell others could not be put into the outbox");
            query::<Postgres>("ROLLBACK TO SAVEPOINT outbox").execute(connection).await?;
            Ok(())
        }
        changed => changed,
    }
}

async fn change(connection: &mut PgConnection, writer: Uuid, entries: &[Sealed<&Entry>]) -> Result<(), PostgresError> {
    let (mut drops, mut seqs, mut ordinals, mut events, mut times) = (0, vec![], vec![], vec![], vec![]);
    for Sealed { place, entry } in entries {
        let Entry::Event(event) = entry else { continue };
        drops += i64::from(event.outbox.drops);
        for (ordinal, outgoing) in (0_i32..).zip(&event.outbox.events) {
            seqs.push(place.seq);
            ordinals.push(ordinal);
            events.push(outgoing.as_str());
            times.push(Millis(place.recorded_at));
        }
    }
    if drops > 0 {
        query::<Postgres>(DROP).bind(writer).bind(drops).execute(&mut *connection).await?;
    }
    if !events.is_empty() {
        let rows = query(INSERT).bind(writer).bind(seqs).bind(ordinals);
        let count = events.len();
        all(connection, rows.bind(events).bind(times), count).await?;
    }
    Ok(())
}

/// What waits longest.
pub(in crate::audit::ledger) async fn waiting(
    connection: &mut PgConnection,
    owner: Uuid,
) -> Result<Vec<Waiting>, PostgresError> {
    let asked = query::<Postgres>(WAITING).bind(owner).bind(i64::from(TOGETHER));
    let rows = asked.bind(bound(TOGETHER_BYTES as u64)).fetch_all(connection).await?;
    let waiting = rows.iter().map(|row| {
        let key =
            OutboxKey { writer: row.try_get("writer")?, seq: row.try_get("seq")?, ordinal: row.try_get("ordinal")? };
        Ok(Waiting { key, event: row.try_get("event")?, replays: row.try_get("replays")? })
    });
    waiting.collect()
}

/// How much waits.
pub(in crate::audit::ledger) async fn backlog(
    connection: &mut PgConnection,
    owner: Uuid,
) -> Result<Backlog, PostgresError> {
    let row = query::<Postgres>(BACKLOG).bind(owner).fetch_one(connection).await?;
    let (events, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let oldest: Option<Nearest> = row.try_get(2)?;
    Ok(Backlog { events: events.cast_unsigned(), bytes: bytes.cast_unsigned(), oldest: oldest.map(|Nearest(at)| at) })
}

/// How many of the oldest are too many.
pub(in crate::audit::ledger) async fn excess(
    connection: &mut PgConnection,
    owner: Uuid,
    bounds: Bounds,
) -> Result<u32, PostgresError> {
    let asked = query_scalar(EXCESS).bind(owner).bind(bound(bounds.events)).bind(bound(bounds.bytes));
    let excess: i64 = asked.fetch_one(connection).await?;
    Ok(u32::try_from(excess).unwrap_or(u32::MAX))
}

/// These were delivered.
pub(in crate::audit::ledger) async fn delivered(
    connection: &mut PgConnection,
    keys: &[OutboxKey],
    at: DateTime<Utc>,
) -> Result<(), PostgresError> {
    let writers: Vec<_> = keys.iter().map(|key| key.writer).collect();
    let seqs: Vec<_> = keys.iter().map(|key| key.seq).collect();
    let ordinals: Vec<_> = keys.iter().map(|key| key.ordinal).collect();
    let noted = query::<Postgres>(DELIVERED).bind(writers).bind(seqs).bind(ordinals).bind(Millis(at));
    noted.execute(connection).await?;
    Ok(())
}

/// Takes over what waits for writers that are gone.
pub(in crate::audit::ledger) async fn take_over(connection: &mut PgConnection, own: Uuid) -> Result<(), PostgresError> {
    query::<Postgres>(TAKE_OVER).bind(own).execute(connection).await?;
    Ok(())
}

/// Removes some of what was delivered before a time.
pub(in crate::audit::ledger) async fn sweep(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<u32, PostgresError> {
    let swept = query::<Postgres>(SWEEP).bind(Millis(before)).bind(i64::from(SWEPT_TOGETHER));
    Ok(u32::try_from(swept.execute(connection).await?.rows_affected()).unwrap_or(u32::MAX))
}

fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
