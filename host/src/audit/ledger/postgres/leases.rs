//! Leases: who lives, by the database's clock.

use sqlx_core::{query::query, query_scalar::query_scalar, raw_sql::raw_sql, row::Row as _};
use sqlx_postgres::{PgConnection, Postgres};
use uuid::Uuid;

use crate::store::postgres::PostgresError;

const ANNOUNCE: &str =
    "INSERT INTO ops.audit_leases (writer, expires_at) VALUES ($1, clock_timestamp() + interval '15 seconds')";

/// One that has run out is renewed as long as nobody has fenced it.
const RENEW: &str = "UPDATE ops.audit_leases SET expires_at = clock_timestamp() + interval '15 seconds' \
    WHERE writer = $1 AND fenced_at IS NULL";

const EXPIRED: &str = "SELECT writer, expires_at::text AS until, fenced_at IS NOT NULL AS is_fenced FROM ops.audit_leases \
    WHERE writer <> $1 AND (expires_at < clock_timestamp() OR fenced_at IS NOT NULL)";

const LIVING: &str = "SELECT writer FROM ops.audit_leases WHERE expires_at >= clock_timestamp() AND fenced_at IS NULL";

/// It waits for a transaction of that writer's to end, and then sees whether that has renewed the lease.
const FENCE: &str = "UPDATE ops.audit_leases SET fenced_at = coalesce(fenced_at, clock_timestamp()) \
    WHERE writer = $1 AND (expires_at < clock_timestamp() OR fenced_at IS NOT NULL)";

const BURY: &str = "DELETE FROM ops.audit_leases WHERE writer = $1 AND fenced_at IS NOT NULL";

const END: &str = "DELETE FROM ops.audit_leases WHERE writer = $1 AND fenced_at IS NULL";

const EXPIRE: &str = "UPDATE ops.audit_leases SET expires_at = 'epoch' WHERE writer = $1 AND fenced_at IS NULL";

/// A writer has its lease before it announces anything.
const ABANDONED: &str = "SELECT DISTINCT i.writer FROM ops.run_intents i WHERE i.writer <> $1 \
    AND NOT EXISTS (SELECT FROM ops.run_events e WHERE e.id = i.id) \
    AND NOT EXISTS (SELECT FROM ops.audit_leases l WHERE l.writer = i.writer)";

/// A lease that has run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct Lease {
    pub(in crate::audit) writer: Uuid,
    /// When it ran out, as a text: it is only compared.
    pub(in crate::audit) until: String,
    /// Somebody has begun to answer for its writer.
    pub(in crate::audit) is_fenced: bool,
}

pub(super) async fn announce(connection: &mut PgConnection, writer: Uuid) -> Result<(), PostgresError> {
    changed(connection, ANNOUNCE, writer).await?.then_some(()).ok_or(PostgresError::Drops)
}

/// False if another hub has fenced it, or somebody has removed it.
pub(super) async fn renew(connection: &mut PgConnection, writer: Uuid) -> Result<bool, PostgresError> {
    changed(connection, RENEW, writer).await
}

pub(super) async fn fence(connection: &mut PgConnection, writer: Uuid) -> Result<bool, PostgresError> {
    changed(connection, FENCE, writer).await
}

pub(super) async fn bury(connection: &mut PgConnection, writer: Uuid) -> Result<(), PostgresError> {
    // Of several hubs that answer for it one does.
    changed(connection, BURY, writer).await.map(|_| ())
}

pub(super) async fn end(connection: &mut PgConnection, writer: Uuid, is_answered: bool) -> Result<(), PostgresError> {
    changed(connection, if is_answered { END } else { EXPIRE }, writer).await.map(|_| ())
}

pub(super) async fn living(connection: &mut PgConnection) -> Result<Vec<Uuid>, PostgresError> {
    Ok(query_scalar(LIVING).fetch_all(connection).await?)
}

pub(super) async fn expired(connection: &mut PgConnection, own: Uuid) -> Result<Vec<Lease>, PostgresError> {
    let rows = query::<Postgres>(EXPIRED).bind(own).fetch_all(connection).await?;
    let leases = rows.iter().map(|row| {
        Ok(Lease { writer: row.try_get("writer")?, until: row.try_get("until")?, is_fenced: row.try_get("is_fenced")? })
    });
    leases.collect()
}

pub(super) async fn abandoned(connection: &mut PgConnection, own: Uuid) -> Result<Vec<Uuid>, PostgresError> {
    raw_sql("BEGIN READ ONLY; SET LOCAL statement_timeout = '60s'").execute(&mut *connection).await?;
    let writers = query_scalar(ABANDONED).bind(own).fetch_all(&mut *connection).await?;
    raw_sql("COMMIT").execute(connection).await?;
    Ok(writers)
}

async fn changed(connection: &mut PgConnection, sql: &'static str, writer: Uuid) -> Result<bool, PostgresError> {
    Ok(query::<Postgres>(sql).bind(writer).execute(connection).await?.rows_affected() == 1)
}
