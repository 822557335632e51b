//! Moving rows out of the database into one of the same tables, and taking them out afterwards.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use uuid::Uuid;

use super::{guards, insert, position};
use crate::{
    audit::statement::{Archived, Moved},
    store::sqlite::{self, Database, StoreError},
};

/// Rows that are taken out in one transaction: hubs that write wait no longer than for those.
const AT_ONCE: i64 = 2_000;

/// How far the rows of a writer may go: to the end of the last batch before the first intent that nothing answers yet. So no such
/// intent is in front of what has gone, and an intent there has its answer.
const CUT: &str = "CREATE TEMP TABLE cut AS SELECT o.number, coalesce((SELECT max(b.position) FROM other.audit_batches b \
        WHERE b.position >= o.number << 40 AND b.position < o.position), o.number << 40) AS position \
    FROM (SELECT i.position >> 40 AS number, min(i.position) AS position FROM other.run_intents i \
        WHERE NOT EXISTS (SELECT 1 FROM other.run_events e WHERE e.id = i.id) GROUP BY 1) o";

/// Events of a time, but for those whose intent has to stay.
const EVENTS: &str = "INSERT INTO ops.run_events SELECT e.* FROM other.run_events e WHERE e.recorded_at >= ?1 \
    AND e.recorded_at < ?2 AND NOT EXISTS (SELECT 1 FROM cut c WHERE c.number = e.position >> 40 AND e.position > c.position) \
    AND NOT EXISTS (SELECT 1 FROM other.run_intents i LEFT JOIN cut c ON c.number = i.position >> 40 \
        WHERE i.id = e.id AND (i.recorded_at >= ?2 OR i.position > c.position))";

/// Their intents.
const INTENTS: &str = "INSERT INTO ops.run_intents SELECT i.* FROM other.run_intents i \
    WHERE EXISTS (SELECT 1 FROM ops.run_events e WHERE e.id = i.id)";

/// Intents that stay, of the same batches: without them nothing would prove what was moved.
const BESIDE: &str = "INSERT INTO ops.run_intents SELECT i.* FROM moved m JOIN other.run_intents i ON i.position > \
        coalesce((SELECT max(position) FROM other.audit_batches WHERE position >= m.number << 40 AND position < m.first), m.number << 40) \
        AND i.position <= (SELECT min(position) FROM other.audit_batches WHERE position >= m.last) \
    WHERE NOT EXISTS (SELECT 1 FROM ops.run_intents o WHERE o.position = i.position)";

/// How many entries were moved: events, and their intents.
const ENTRIES: &str = "SELECT (SELECT count(*) FROM ops.run_events) \
    + (SELECT count(*) FROM ops.run_intents i WHERE EXISTS (SELECT 1 FROM ops.run_events e WHERE e.id = i.id))";

/// What of each writer was moved.
const MOVED: &str = "CREATE TEMP TABLE moved AS SELECT position >> 40 AS number, min(position) AS first, \
    max(position) AS last, count(*) AS entries \
    FROM (SELECT position FROM ops.run_events UNION ALL SELECT position FROM ops.run_intents) GROUP BY 1; \
    INSERT INTO ops.audit_writers SELECT w.* FROM other.audit_writers w JOIN moved m ON m.number = w.number; \
    INSERT INTO ops.audit_batches SELECT b.* FROM moved m JOIN other.audit_batches b ON b.position BETWEEN \
        coalesce((SELECT max(position) FROM other.audit_batches WHERE position >= m.number << 40 AND position < m.first), m.first) \
        AND (SELECT min(position) FROM other.audit_batches WHERE position >= m.last); \
    INSERT INTO ops.audit_statements SELECT s.* FROM moved m JOIN other.audit_statements s ON s.position = (m.number << 40) + 1 \
        OR s.position BETWEEN (SELECT min(position) FROM ops.audit_batches WHERE position >= m.number << 40) \
        AND (SELECT max(position) FROM ops.audit_batches WHERE position <= (m.number << 40) + 1099511627775);";

const CHAINS: &str = "SELECT w.writer, m.first & 1099511627775, m.last & 1099511627775, m.entries FROM moved m \
    JOIN ops.audit_writers w ON w.number = m.number ORDER BY w.writer";

/// Rows that are not in both as they are, of two tables.
const DIFFERENT: &str = "SELECT (SELECT count(*) FROM (SELECT * FROM ops.run_events EXCEPT SELECT * FROM other.run_events)) \
    + (SELECT count(*) FROM (SELECT * FROM ops.run_intents EXCEPT SELECT * FROM other.run_intents))";

/// The oldest event of a time.
const OLDEST: &str = "SELECT min(recorded_at) FROM ops.run_events WHERE recorded_at >= ?1 AND recorded_at < ?2";

/// When the oldest event of a time was recorded. In milliseconds since 1970, as the bounds of the others.
pub(in crate::audit) fn oldest(database: &Path, from: i64, before: i64) -> Result<Option<i64>, StoreError> {
    let connection = sqlite::open_read_only(database)?;
    connection.query_row(OLDEST, [from, before], |row| row.get(0)).map_err(|source| told(database, source))
}

/// Whether there are events from before a time.
pub(in crate::audit) fn has_rows_before(database: &Path, until: i64) -> Result<bool, StoreError> {
    Ok(oldest(database, i64::MIN, until)?.is_some())
}

/// The archives that statements name. It takes the statements at their word: whoever walks the chains knows more.
pub(in crate::audit) fn stated(database: &Path) -> Result<Vec<Archived>, StoreError> {
    stated_in(&sqlite::open_read_only(database)?).map_err(|source| told(database, source))
}

/// The same, by a connection that is open.
pub(in crate::audit) fn stated_in(connection: &Connection) -> rusqlite::Result<Vec<Archived>> {
    let mut statement =
        connection.prepare("SELECT body FROM ops.audit_statements WHERE kind = 'archive' ORDER BY position")?;
    let mut rows = statement.query([])?;
    let mut stated = Vec::new();
    while let Some(row) = rows.next()? {
        // One that cannot be read is found by its chain.
        stated.extend(row.get::<_, String>(0).ok().and_then(|body| serde_json::from_str(&body).ok()));
    }
    Ok(stated)
}

/// Copies what was recorded in this time into a new database at `archive`, with what proves it, and says what that is.
pub(in crate::audit) fn copy(database: &Path, archive: &Path, from: i64, until: i64) -> Result<Vec<Moved>, StoreError> {
    let connection = sqlite::create_alone(archive)?;
    let copied = (|| {
        attach(&connection, database)?;
        let transaction = connection.unchecked_transaction()?;
        transaction.execute(CUT, [])?;
        transaction.execute(EVENTS, [from, until])?;
        transaction.execute(INTENTS, [])?;
        transaction.execute_batch(MOVED)?;
        transaction.execute(BESIDE, [])?;
        let mut chains = transaction.prepare(CHAINS)?;
        let chain = |row: &rusqlite::Row<'_>| {
            let writer = Uuid::from_bytes(row.get(0)?);
            Ok(Moved { writer, first: row.get(1)?, last: row.get(2)?, entries: row.get(3)? })
        };
        let moved = chains.query_map([], chain)?.collect::<Result<Vec<_>, _>>()?;
        drop(chains);
        transaction.commit()?;
        Ok(moved)
    })();
    copied.map_err(|source| told(archive, source))
}

/// Whether a copy is sound, has as many rows as were counted, and each as the database has it.
pub(in crate::audit) fn is_true_copy(database: &Path, archive: &Path, entries: i64) -> Result<bool, StoreError> {
    let connection = sqlite::open_alone(archive)?;
    let compared = (|| {
        attach(&connection, database)?;
        let sound: String = connection.query_row("PRAGMA ops.integrity_check(1)", [], |row| row.get(0))?;
        let (different, there): (i64, i64) = (
            connection.query_row(DIFFERENT, [], |row| row.get(0))?,
            connection.query_row(ENTRIES, [], |row| row.get(0))?,
        );
        Ok(sound == "ok" && different == 0 && there == entries)
    })();
    compared.map_err(|source| told(archive, source))
}

/// Takes the rows of a copy out of the database, a few at a time. Only what is in the copy as it is in the database goes.
pub(in crate::audit) fn remove(database: &Path, archive: &Path) -> Result<(), StoreError> {
    let Database { mut connection, .. } = sqlite::open(database)?;
    let removed = (|| {
        attach(&connection, archive)?;
        let mut behind = i64::MIN;
        while let Some(last) = remove_some(&mut connection, behind)? {
            behind = last;
        }
        Ok(())
    })();
    removed.map_err(|source| told(database, source))
}

/// The intents of some events. Together with these: what is broken off in between leaves none without its answer.
const REMOVE_INTENTS: &str = "DELETE FROM ops.run_intents WHERE position IN (SELECT position FROM (SELECT * FROM ops.run_intents \
    WHERE id IN (SELECT id FROM other.run_events WHERE position > ?1 AND position <= ?2) INTERSECT SELECT * FROM other.run_intents \
    WHERE id IN (SELECT id FROM other.run_events WHERE position > ?1 AND position <= ?2)))";

const REMOVE_EVENTS: &str = "DELETE FROM ops.run_events WHERE position IN (SELECT position FROM (SELECT * FROM ops.run_events \
        WHERE position > ?1 AND position <= ?2 INTERSECT SELECT * FROM other.run_events WHERE position > ?1 AND position <= ?2)) \
    AND NOT EXISTS (SELECT 1 FROM ops.run_intents i WHERE i.id = run_events.id)";

/// Takes out some events that are in `other`, behind a position, with their intents, and gives the position of the last of them.
fn remove_some(connection: &mut Connection, behind: i64) -> rusqlite::Result<Option<i64>> {
    let last = "SELECT max(position) FROM (SELECT position FROM other.run_events WHERE position > ?1 ORDER BY position LIMIT ?2)";
    let Some(last): Option<i64> = connection.query_row(last, params![behind, AT_ONCE], |row| row.get(0))? else {
        return Ok(None);
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    guards::without(&transaction, &["run_events_no_delete", "run_intents_no_delete"], |transaction| {
        for removal in [REMOVE_INTENTS, REMOVE_EVENTS] {
            transaction.execute(removal, [behind, last])?;
        }
        Ok(())
    })?;
    transaction.commit()?;
    Ok(Some(last))
}

/// Intents that an archive holds with their answer, and that are in the database without it: somebody has put them back. Each by
/// its writer and its number.
pub(in crate::audit) fn put_back(connection: &Connection) -> rusqlite::Result<Vec<(Uuid, i64)>> {
    let mut back = Vec::new();
    let mut statement = connection.prepare(
        "SELECT position & 1099511627775 FROM ops.run_intents i WHERE position > ?1 AND position <= ?2 \
         AND NOT EXISTS (SELECT 1 FROM ops.run_events e WHERE e.id = i.id)",
    )?;
    for moved in stated_in(connection)?.into_iter().flat_map(|archived| archived.chains) {
        let Some(number) = insert::number(connection, moved.writer)? else { continue };
        let through = [position::of(number, 0), position::of(number, moved.last)];
        let seqs = statement.query_map(through, |row| row.get::<_, i64>(0))?;
        for seq in seqs {
            back.push((moved.writer, seq?));
        }
    }
    back.sort_unstable();
    back.dedup();
    Ok(back)
}

/// Gives back the room that rows took. Nobody else may use the database meanwhile, for as long as it takes to write it anew.
pub(in crate::audit) fn shrink(database: &Path) -> Result<(), StoreError> {
    let Database { connection, .. } = sqlite::open(database)?;
    let shrunk = connection.execute_batch("VACUUM ops; PRAGMA ops.wal_checkpoint(TRUNCATE)");
    shrunk.map_err(|source| told(database, source))
}

fn attach(connection: &Connection, other: &Path) -> rusqlite::Result<()> {
    connection.execute("ATTACH DATABASE ?1 AS other", [sqlite::uri(other, "ro")]).map(drop)
}

fn told(path: &Path, source: rusqlite::Error) -> StoreError {
    StoreError::Sqlite { path: path.display().to_string(), source }
}
