//! The triggers that refuse every change of a row. Two things need one of them put aside: archiving, which takes rows out, and
//! purging, which empties bodies.

use rusqlite::Transaction;

/// Does something without these triggers, and puts them back as the schema has them: nobody outside the transaction sees it
/// without.
pub(super) fn without<T>(
    transaction: &Transaction<'_>,
    triggers: &[&str],
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut found = Vec::with_capacity(triggers.len());
    for name in triggers {
        let query = "SELECT sql FROM ops.sqlite_schema WHERE type = 'trigger' AND name = ?1";
        found.push(transaction.query_row(query, [name], |row| row.get::<_, String>(0))?);
        transaction.execute_batch(&format!("DROP TRIGGER ops.{name}"))?;
    }
    let done = work(transaction)?;
    for sql in found {
        // The schema does not say whose it is.
        transaction.execute_batch(&sql.replacen("CREATE TRIGGER ", "CREATE TRIGGER ops.", 1))?;
    }
    Ok(done)
}
