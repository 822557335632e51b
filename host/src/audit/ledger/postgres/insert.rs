//! Entries into the database: all of one kind in one statement, a column an array.

use std::collections::{BTreeMap, BTreeSet};

use sqlx_core::query::{Query, query};
use sqlx_postgres::{PgArguments, PgConnection, Postgres};
use uuid::Uuid;

use super::{rollups, time::Millis};
use crate::{
    audit::{
        body::{Body, Content, Text},
        entry::{Entry, Place, Sealed},
        event::{Event, Intent, UpstreamQuota},
        rollup,
        seal::{Batch, Head},
        statement::Statement,
    },
    names::{Code, Kept, Role, Severity},
    store::postgres::PostgresError,
};

const WRITER: &str = "INSERT INTO ops.audit_writers (writer) VALUES ($1)";

const EVENTS: &str = "INSERT INTO ops.run_events (writer, seq, recorded_at, id, provider, tool, caller, caller_role, payload, \
    payload_salt, payload_digest, result, result_salt, result_digest, error, duration_ms, hostname, created_at, outcome, \
    error_code, operation, surface, correlation_id, team, revision, times, payload_kept, result_kept, upstream_requests, \
    upstream_bytes, cost, severity, replays) \
    SELECT $1, seq, recorded_at, id, provider, tool, caller, caller_role, payload::jsonb, payload_salt, payload_digest, \
    result::jsonb, result_salt, result_digest, error, duration_ms, hostname, created_at, outcome, error_code, operation, surface, \
    correlation_id, team, revision, times, payload_kept, result_kept, upstream_requests, upstream_bytes, cost, severity, replays FROM unnest($2::bigint[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[], \
    $7::uuid[], $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::text[], $13::bytea[], $14::bytea[], $15::text[], \
    $16::int[], $17::text[], $18::timestamptz[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], \
    $25::text[], $26::bigint[], $27::text[], $28::text[], $29::int[], $30::bigint[], $31::text[], $32::text[], $33::uuid[]) AS e (seq, recorded_at, id, provider, tool, caller, caller_role, payload, payload_salt, \
    payload_digest, result, result_salt, result_digest, error, duration_ms, hostname, created_at, outcome, error_code, operation, \
    surface, correlation_id, team, revision, times, payload_kept, result_kept, upstream_requests, upstream_bytes, cost, severity, replays)";

const INTENTS: &str = "INSERT INTO ops.run_intents (writer, seq, recorded_at, id, provider, tool, caller, caller_role, payload, \
    payload_salt, payload_digest, surface, correlation_id, team, created_at, payload_kept, replays) \
    SELECT $1, seq, recorded_at, id, provider, tool, caller, caller_role, payload::jsonb, payload_salt, payload_digest, surface, \
    correlation_id, team, created_at, payload_kept, replays FROM unnest($2::bigint[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], \
    $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::text[], $17::uuid[]) \
    AS i (seq, recorded_at, id, provider, tool, caller, caller_role, payload, payload_salt, payload_digest, surface, \
    correlation_id, team, created_at, payload_kept, replays)";

const STATEMENT: &str =
    "INSERT INTO ops.audit_statements (writer, seq, recorded_at, kind, body) VALUES ($1, $2, $3, $4, $5)";

/// A tie of a chain that is not there names nothing, which verification finds.
const TIES: &str = "INSERT INTO ops.audit_ties (writer, seq, statement_writer, statement_seq) SELECT t.writer, t.seq, $1, $2 \
    FROM unnest($3::uuid[], $4::bigint[]) AS t (writer, seq) JOIN ops.audit_writers w ON w.writer = t.writer";

const BATCH: &str = "INSERT INTO ops.audit_batches (writer, seq, head, signature) VALUES ($1, $2, $3, $4)";

const QUOTAS: &str = "INSERT INTO ops.provider_quotas AS kept (provider, name, quota_limit, remaining, resets_at, observed_at) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::timestamptz[]) \
    ON CONFLICT (provider, name) DO UPDATE SET quota_limit = excluded.quota_limit, remaining = excluded.remaining, \
    resets_at = excluded.resets_at, observed_at = excluded.observed_at WHERE excluded.observed_at >= kept.observed_at";

/// Forgets the quotas of providers that have not been heard of for longest: 64 of each are kept. Their names are the provider's
/// to make up.
const FORGET_QUOTAS: &str = "DELETE FROM ops.provider_quotas q USING (SELECT provider, name, row_number() OVER \
    (PARTITION BY provider ORDER BY observed_at DESC, name) AS place FROM ops.provider_quotas WHERE provider = ANY ($1)) old \
    WHERE q.provider = old.provider AND q.name = old.name AND old.place > 64";

/// The longest name of a quota that is kept, in characters.
const QUOTA_NAME_MAX: usize = 128;

type Row<'a, E> = (&'a Place, &'a E);

/// A whole batch. Its writer is registered with the first.
pub(super) async fn batch(connection: &mut PgConnection, batch: &Batch<'_>) -> Result<(), PostgresError> {
    if batch.previous == Head::NONE {
        writer(connection, batch.writer).await?;
    }
    entries(connection, batch.writer, &batch.entries).await?;
    rollups::add(connection, batch.writer, &rollup::of_entries(&batch.entries)).await?;
    let end = query(BATCH).bind(batch.writer).bind(batch.head.seq).bind(batch.head.hash.as_slice());
    all(connection, end.bind(batch.signature.as_slice()), 1).await?;
    quotas(connection, &batch.entries).await
}

/// Registers a writer.
pub(super) async fn writer(connection: &mut PgConnection, writer: Uuid) -> Result<(), PostgresError> {
    all(connection, query(WRITER).bind(writer), 1).await
}

/// Entries of a batch.
pub(super) async fn entries(
    connection: &mut PgConnection,
    writer: Uuid,
    entries: &[Sealed<&Entry>],
) -> Result<(), PostgresError> {
    let (mut events, mut intents) = (Vec::new(), Vec::new());
    for Sealed { place, entry } in entries {
        match entry {
            Entry::Event(event) => events.push((place, &**event)),
            Entry::Intent(intent) => intents.push((place, &**intent)),
            Entry::Statement(statement) => self::statement(connection, place, statement).await?,
        }
    }
    if !events.is_empty() {
        all(connection, self::events(writer, &events), events.len()).await?;
    }
    if !intents.is_empty() {
        all(connection, self::intents(writer, &intents), intents.len()).await?;
    }
    Ok(())
}

fn column<'a, E, T>(rows: &[Row<'a, E>], value: impl Fn(&'a E) -> T) -> Vec<T> {
    rows.iter().map(|(_, entry)| value(entry)).collect()
}

fn seqs<E>(rows: &[Row<'_, E>]) -> Vec<i64> {
    rows.iter().map(|(place, _)| place.seq).collect()
}

fn recorded_at<E>(rows: &[Row<'_, E>]) -> Vec<Millis> {
    rows.iter().map(|(place, _)| Millis(place.recorded_at)).collect()
}

fn events<'a>(writer: Uuid, rows: &[Row<'a, Event>]) -> Query<'a, Postgres, PgArguments> {
    query(EVENTS)
        .bind(writer)
        .bind(seqs(rows))
        .bind(recorded_at(rows))
        .bind(column(rows, |event| event.id))
        .bind(column(rows, |event| event.provider.as_deref()))
        .bind(column(rows, |event| event.tool.as_deref()))
        .bind(column(rows, |event| event.caller_id))
        .bind(column(rows, |event| event.caller_role.map(Role::as_str)))
        .bind(column(rows, |event| text(event.payload.as_ref())))
        .bind(column(rows, |event| salt(event.payload.as_ref())))
        .bind(column(rows, |event| digest(event.payload.as_ref())))
        .bind(column(rows, |event| text(event.result.as_ref())))
        .bind(column(rows, |event| salt(event.result.as_ref())))
        .bind(column(rows, |event| digest(event.result.as_ref())))
        .bind(column(rows, |event| event.error.as_deref()))
        // An event has no longer one.
        .bind(column(rows, |event| i32::try_from(event.duration_ms).unwrap_or(i32::MAX)))
        .bind(column(rows, |event| event.hostname.as_deref()))
        .bind(column(rows, |event| Millis(event.created_at)))
        .bind(column(rows, |event| event.outcome.as_str()))
        .bind(column(rows, |event| event.error_code.map(Code::as_str)))
        .bind(column(rows, |event| event.operation.as_str()))
        .bind(column(rows, |event| event.surface.as_str()))
        .bind(column(rows, |event| &*event.correlation_id))
        .bind(column(rows, |event| event.team.as_deref()))
        .bind(column(rows, |event| event.revision.as_deref()))
        .bind(column(rows, |event| i64::from(event.times)))
        .bind(column(rows, |event| kept_of(event.payload.as_ref())))
        .bind(column(rows, |event| kept_of(event.result.as_ref())))
        // It is kept within that.
        .bind(column(rows, |event| i32::try_from(event.used.requests).ok().filter(|requests| *requests != 0)))
        .bind(column(rows, |event| some(event.used.bytes)))
        .bind(column(rows, |event| event.used.costs.written()))
        .bind(column(rows, |event| event.severity.map(Severity::as_str)))
        .bind(column(rows, |event| event.replays))
}

fn intents<'a>(writer: Uuid, rows: &[Row<'a, Intent>]) -> Query<'a, Postgres, PgArguments> {
    query(INTENTS)
        .bind(writer)
        .bind(seqs(rows))
        .bind(recorded_at(rows))
        .bind(column(rows, |intent| intent.id))
        .bind(column(rows, |intent| &*intent.provider))
        .bind(column(rows, |intent| &*intent.tool))
        .bind(column(rows, |intent| intent.caller_id))
        .bind(column(rows, |intent| intent.caller_role.map(Role::as_str)))
        .bind(column(rows, |intent| text(intent.payload.as_ref())))
        .bind(column(rows, |intent| salt(intent.payload.as_ref())))
        .bind(column(rows, |intent| digest(intent.payload.as_ref())))
        .bind(column(rows, |intent| intent.surface.as_str()))
        .bind(column(rows, |intent| &*intent.correlation_id))
        .bind(column(rows, |intent| intent.team.as_deref()))
        .bind(column(rows, |intent| Millis(intent.created_at)))
        .bind(column(rows, |intent| kept_of(intent.payload.as_ref())))
        .bind(column(rows, |intent| intent.replays))
}

async fn statement(connection: &mut PgConnection, place: &Place, statement: &Statement) -> Result<(), PostgresError> {
    let row = query(STATEMENT).bind(place.writer).bind(place.seq).bind(Millis(place.recorded_at));
    all(connection, row.bind(statement.kind().as_str()).bind(statement.body()), 1).await?;
    let ties = statement.ties().unwrap_or_default();
    if !ties.is_empty() {
        let (writers, seqs): (Vec<_>, Vec<_>) = ties.iter().map(|tie| (tie.writer, tie.seq)).unzip();
        query(TIES).bind(place.writer).bind(place.seq).bind(writers).bind(seqs).execute(connection).await?;
    }
    Ok(())
}

/// They are no part of the trail: what cannot be kept of them does not cost the rows.
async fn quotas(connection: &mut PgConnection, entries: &[Sealed<&Entry>]) -> Result<(), PostgresError> {
    let mut newest: BTreeMap<(&str, String), (Millis, &UpstreamQuota)> = BTreeMap::new();
    for Sealed { entry, .. } in entries {
        if let Entry::Event(event) = entry {
            for quota in &event.quotas {
                let name = quota.name.chars().take(QUOTA_NAME_MAX).collect();
                // Each once, and in an order in which hubs that do the same do not wait for each other for ever.
                newest.insert((event.provider.as_deref().unwrap_or_default(), name), (Millis(event.created_at), quota));
            }
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    query::<Postgres>("SAVEPOINT quotas").execute(&mut *connection).await?;
    match kept(connection, &newest).await {
        Err(error @ sqlx_core::error::Error::Database(_)) => {
            tracing::warn!(%error, "what calls learnt of quotas could not be kept");
            query::<Postgres>("ROLLBACK TO SAVEPOINT quotas").execute(connection).await?;
            Ok(())
        }
        kept => Ok(kept?),
    }
}

async fn kept(
    connection: &mut PgConnection,
    newest: &BTreeMap<(&str, String), (Millis, &UpstreamQuota)>,
) -> sqlx_core::Result<()> {
    let column =
        |value: fn(&UpstreamQuota) -> Option<i64>| newest.values().map(|(_, quota)| value(quota)).collect::<Vec<_>>();
    // A time is short; what is longer is none.
    let resets_at =
        newest.values().map(|(_, quota)| quota.resets_at.as_deref().filter(|at| at.len() <= QUOTA_NAME_MAX));
    query::<Postgres>(QUOTAS)
        .bind(newest.keys().map(|(provider, _)| *provider).collect::<Vec<_>>())
        .bind(newest.keys().map(|(_, name)| &**name).collect::<Vec<&str>>())
        .bind(column(|quota| quota.limit.map(i64::from)))
        .bind(column(|quota| Some(i64::from(quota.remaining))))
        .bind(resets_at.collect::<Vec<_>>())
        .bind(newest.values().map(|(at, _)| *at).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    let providers: BTreeSet<_> = newest.keys().map(|(provider, _)| *provider).collect();
    query::<Postgres>(FORGET_QUOTAS).bind(providers.into_iter().collect::<Vec<_>>()).execute(connection).await?;
    Ok(())
}

/// A statement that inserts rows has inserted them all: a trigger can make it fewer, and no error.
pub(super) async fn all(
    connection: &mut PgConnection,
    query: Query<'_, Postgres, PgArguments>,
    rows: usize,
) -> Result<(), PostgresError> {
    let inserted = query.execute(connection).await?.rows_affected();
    if inserted == rows as u64 { Ok(()) } else { Err(PostgresError::Drops) }
}

/// A number, unless it is zero. It is bounded far below the largest.
fn some(number: u64) -> Option<i64> {
    i64::try_from(number).ok().filter(|number| *number != 0)
}

fn content(body: Option<&Body>) -> Option<&Content> {
    match body?.text() {
        Text::Kept(content) => Some(content),
        Text::NotKept | Text::Removed => None,
    }
}

fn text(body: Option<&Body>) -> Option<&str> {
    content(body).map(|content| &*content.text)
}

fn salt(body: Option<&Body>) -> Option<&[u8]> {
    content(body).map(|content| content.salt.as_slice())
}

/// Only where there is nothing to make it from.
fn digest(body: Option<&Body>) -> Option<&[u8]> {
    body.filter(|_| content(body).is_none()).map(|body| body.digest().as_slice())
}

fn kept_of(body: Option<&Body>) -> Option<&'static str> {
    body.and_then(Body::kept).map(Kept::as_str)
}
