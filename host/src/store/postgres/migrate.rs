//! Bringing the schema up to date, which its owner does.

use std::time::Duration;

use sqlx_core::{connection::Connection as _, query_scalar::query_scalar, raw_sql::raw_sql};
use sqlx_postgres::Postgres;

use super::{
    PostgresError, Session, Settings,
    schema::{APPLIED, MIGRATIONS, VERSION},
    supabase::{self, Supabase},
};

/// How long it may take to bring a schema up to date.
const MIGRATING: Duration = Duration::from_secs(600);

/// What is there before the first migration: where they are counted. Two who migrate at once do it one after the other.
const BEGIN: &str = "SELECT pg_advisory_xact_lock(7166193104428462); SET LOCAL statement_timeout = 0; \
    CREATE SCHEMA IF NOT EXISTS ops; CREATE TABLE IF NOT EXISTS ops.migrations \
    (number int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";

/// A schema that was brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version that it was of.
    pub from: i32,
    /// The version that it is of.
    pub to: i32,
    /// What of Supabase is there.
    pub supabase: Supabase,
}

/// Brings the schema up to date, as its owner.
///
/// # Errors
/// When the database cannot be reached, is of a newer version, or refuses.
pub fn migrate(settings: Settings) -> Result<Migrated, PostgresError> {
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
        let supabase = supabase::adapt(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Migrated { from: found, to: VERSION, supabase })
    })
}
