//! What is done to the database around its rows: to its schema, its indexes and its file.

use rusqlite::Connection;

use super::Case;

/// Each of them.
pub fn cases() -> Vec<Case> {
    let schema = |what: &str, told: &str, sql: &str| Case::sql(what, [told.to_owned()], sql.to_owned());
    let hidden = |what: &str, index: &'static str, told: &str| {
        Case::new(what, [told.to_owned()], move |database: &Connection| hide_rows(database, index))
    };
    vec![
        schema(
            "a trigger ignores what is inserted",
            "trigger `swallow` is not the hub's",
            "CREATE TRIGGER swallow BEFORE INSERT ON run_events BEGIN SELECT RAISE(IGNORE); END",
        ),
        schema(
            "a view stands in the place of a table",
            "table `run_events` is missing",
            "ALTER TABLE run_events RENAME TO hidden; CREATE VIEW run_events AS SELECT * FROM hidden WHERE outcome = 'ok'",
        ),
        schema(
            "the view shows less",
            "view `events` was changed",
            "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = sql || ' WHERE e.outcome = ''ok''' WHERE name = 'events'",
        ),
        schema(
            "a table has a column more",
            "table `run_intents` was changed",
            "ALTER TABLE run_intents ADD COLUMN note TEXT",
        ),
        schema("an index is missing", "index `run_events_by_time` is missing", "DROP INDEX run_events_by_time"),
        schema("a table is missing", "table `audit_ties` is missing", "DROP TABLE audit_ties"),
        schema("a table is added", "table `aside` is not the hub's", "CREATE TABLE aside (a)"),
        schema("the schema has an older number", "is not the hub's", "PRAGMA user_version = 0"),
        // A search goes by an index: what is not in it, nobody finds, though the table has it.
        hidden("an index hides rows of a caller", "run_events_by_caller", "missing from index run_events_by_caller"),
        hidden("an index hides rows of a time", "run_events_by_time", "missing from index run_events_by_time"),
    ]
}

/// Builds an index without most of its rows, and gives it back its definition.
fn hide_rows(database: &Connection, index: &str) {
    let query = "SELECT sql FROM sqlite_schema WHERE name = ?1";
    let sql: String = database.query_row(query, [index], |row| row.get(0)).expect("an index");
    let word = if sql.contains(" WHERE ") { "AND" } else { "WHERE" };
    database.execute_batch(&format!("DROP INDEX {index}; {sql} {word} outcome = 'denied'")).expect("built");
    database.pragma_update(None, "writable_schema", true).expect("set");
    database.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = ?2", [sql.as_str(), index]).expect("renamed");
}
