//! Entries that the database does not take, while it would take others.

use sqlx_core::{query::query, query_scalar::query_scalar};
use sqlx_postgres::{PgConnection, Postgres};
use uuid::Uuid;

use super::super::fault::Rejection;
use crate::{audit::entry::Entry, store::postgres::PostgresError};

/// Why an entry was refused just now, in a transaction that this goes on with.
pub(super) async fn of(
    connection: &mut PgConnection,
    own: Uuid,
    entry: &Entry,
    error: &PostgresError,
) -> Result<Rejection, PostgresError> {
    query::<Postgres>("ROLLBACK TO SAVEPOINT entry").execute(&mut *connection).await?;
    let there = match entry {
        Entry::Event(_) => "SELECT writer FROM ops.run_events WHERE id = $1",
        Entry::Intent(_) => "SELECT writer FROM ops.run_intents WHERE id = $1",
        Entry::Statement(_) => return Ok(Rejection::Contents(error.to_string())),
    };
    let there: Option<Uuid> = query_scalar(there).bind(entry.id()).fetch_optional(connection).await?;
    Ok(match there {
        Some(writer) => Rejection::Repeated { own: writer == own },
        None => Rejection::Contents(error.to_string()),
    })
}
