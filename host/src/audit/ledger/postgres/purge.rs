//! Removing bodies, as the owner of the tables: nobody else can put the triggers aside that refuse every change.

use sqlx_core::{query::query, raw_sql::raw_sql, sql_str::AssertSqlSafe};
use sqlx_postgres::{PgConnection, Postgres};

use super::super::stored::Purged;
use crate::{audit::statement::Side, store::postgres::PostgresError};

const OPEN: &str = "ALTER TABLE ops.run_events DISABLE TRIGGER USER; ALTER TABLE ops.run_intents DISABLE TRIGGER USER";
const CLOSE: &str = "ALTER TABLE ops.run_events ENABLE TRIGGER USER; ALTER TABLE ops.run_intents ENABLE TRIGGER USER";

/// Removes bodies with their salts, and leaves their digests.
pub(super) async fn remove(connection: &mut PgConnection, bodies: &[Purged]) -> Result<(), PostgresError> {
    raw_sql(OPEN).execute(&mut *connection).await?;
    for (table, is_intent) in [("run_events", false), ("run_intents", true)] {
        for side in [Side::Payload, Side::Result] {
            let some: Vec<_> =
                bodies.iter().filter(|purged| purged.is_intent == is_intent && purged.of.body == side).collect();
            if !some.is_empty() {
                removed(connection, table, side.as_str(), &some).await?;
            }
        }
    }
    raw_sql(CLOSE).execute(connection).await?;
    Ok(())
}

async fn removed(
    connection: &mut PgConnection,
    table: &str,
    body: &str,
    bodies: &[&Purged],
) -> Result<(), PostgresError> {
    let sql = format!(
        "UPDATE ops.{table} t SET {body} = NULL, {body}_salt = NULL, {body}_digest = p.digest \
         FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS p (writer, seq, digest) \
         WHERE t.writer = p.writer AND t.seq = p.seq AND t.{body} IS NOT NULL AND t.{body}_digest IS NULL"
    );
    let update = query::<Postgres>(AssertSqlSafe(sql))
        .bind(bodies.iter().map(|purged| purged.of.writer).collect::<Vec<_>>())
        .bind(bodies.iter().map(|purged| purged.of.seq).collect::<Vec<_>>())
        .bind(bodies.iter().map(|purged| purged.digest.as_slice()).collect::<Vec<_>>());
    let changed = update.execute(connection).await?.rows_affected();
    if changed == bodies.len() as u64 { Ok(()) } else { Err(PostgresError::Drops) }
}
