//! Bringing the schema up to date, which its owner does.

use std::time::Duration;

use sqlx_core::{connection::Connection as _, query_scalar::query_scalar, raw_sql::raw_sql};
use sqlx_postgres::Postgres;

use super::{
    PostgresError, Session, Settings,
    schema::{APPLIED, MIGRATIONS, VERSION},
};

/// How long it may take to bring a schema up to date.
const MIGRATING: Duration = Duration::from_secs(600);

/// What is there before the first migration: where they are counted. Two who migrate at once do it one after the other.
const BEGIN: &str = "SELECT pg_advisory_xact_lock(7166193104428462); SET LOCAL statement_timeout = 0; \
    CREATE SCHEMA IF NOT EXISTS ops; CREATE TABLE IF NOT EXISTS ops.migrations \
    (number int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";

/// Brings the schema up to date, as its owner. Gives the version that it was of and the one that it is of.
///
/// # Errors
/// When the database cannot be reached, is of a newer version, or refuses.
pub fn migrate(settings: Settings) -> Result<(i32, i32), PostgresError> {
    let mut session = Session::unchecked(settings)?;
    session.run_for(MIGRATING, async |connection| {
        let mut transaction = connection.begin().await?;
        raw_sql(BEGIN).execute(&mut *transaction).await?;
        let found: i32 = query_scalar(APPLIED).fetch_one(&mut *transaction).await?;
        if found > VERSION {
            return Err(PostgresError::Newer { found, known: VERSION });
        }
        for (number, migration) in (1..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= found) {
            raw_sql(migration).execute(&mut *transaction).await?;
            let counted =
                query_scalar::<Postgres, i32>("INSERT INTO ops.migrations (number) VALUES ($1) RETURNING number");
            counted.bind(number).fetch_one(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok((found, VERSION))
    })
}
