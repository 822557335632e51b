//! Entries that the database does not take, while it would take others.

use rusqlite::{OptionalExtension as _, Transaction};

use super::{super::fault::Rejection, position};
use crate::audit::entry::Entry;

/// Whether this one entry is refused, for what is in it, while another could be written.
pub(super) fn is_of_the_entry(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TooBig | TypeMismatch))
        || matches!(error, rusqlite::Error::ToSqlConversionFailure(_))
}

/// Why an entry was not inserted.
pub(super) fn of(
    transaction: &Transaction<'_>,
    number: i64,
    entry: &Entry,
    error: &rusqlite::Error,
) -> rusqlite::Result<Rejection> {
    let query = match entry {
        Entry::Event(_) => "SELECT position FROM ops.run_events WHERE id = ?",
        Entry::Intent(_) => "SELECT position FROM ops.run_intents WHERE id = ?",
        Entry::Statement(_) => return Ok(Rejection::Contents(error.to_string())),
    };
    let there: Option<i64> = transaction.query_row(query, [entry.id().as_bytes()], |row| row.get(0)).optional()?;
    Ok(match there {
        Some(position) => Rejection::Repeated { own: position::parts(position).0 == number },
        None => Rejection::Contents(error.to_string()),
    })
}
