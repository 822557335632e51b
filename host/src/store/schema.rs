//! The database's schema, compared with what this program's migrations make: a trigger, a view or an index of somebody
//! else's could swallow or change what is written, and nothing would show it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// The versions of before the trail was sealed as `docs/audit-format.md` says. What hubs of then wrote is not taken over.
pub(super) const BEFORE: u32 = 2;

/// The newest schema version that this program knows.
pub const VERSION: u32 = BEFORE + 3;

/// The migrations, in order. `PRAGMA ops.user_version` counts those applied, and those of before.
const MIGRATIONS: [&str; (VERSION - BEFORE) as usize] = [
    include_str!("../../../migrations/sqlite/0001_trail.sql"),
    include_str!("../../../migrations/sqlite/0002_events.sql"),
    include_str!("../../../migrations/sqlite/0003_provider_overrides.sql"),
];

/// The migrations that a database of this version has not seen.
pub(super) fn migrations_after(version: u32) -> &'static [&'static str] {
    let seen = version.saturating_sub(BEFORE) as usize;
    MIGRATIONS.get(seen..).unwrap_or_default()
}

/// How often the schema is compared while others write to the database.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Differences that are told, and how much of a name is, in characters.
const TOLD_MAX: usize = 10;
const NAME_MAX: usize = 80;

/// What stands in `sqlite_schema`: kind and name → table and SQL without comments and spacing.
type Objects = BTreeMap<(String, String), (String, String)>;

/// In what the schema is not the hub's: each a sentence. Empty when it is as `version` migrations make it.
///
/// Statistics that `ANALYZE` leaves are allowed; they only help SQLite to plan.
///
/// # Errors
/// When the schema cannot be read.
pub fn differences(connection: &Connection, version: u32) -> rusqlite::Result<Vec<String>> {
    Ok(compare(&made_by(version)?, &read(connection)?))
}

/// Notices cheaply that the schema has changed under a connection.
#[derive(Debug)]
pub struct SchemaWatch {
    expected: Objects,
    seen: Option<Seen>,
}

/// What SQLite counted when the schema was last compared.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Changes with every statement that changes the schema (`PRAGMA schema_version`).
    schema: i64,
    /// Changes with every commit of another connection's (`PRAGMA data_version`).
    data: i64,
    at: Instant,
}

impl SchemaWatch {
    /// Expects what this program's migrations make.
    ///
    /// # Errors
    /// When SQLite cannot make it in memory.
    pub fn new() -> rusqlite::Result<Self> {
        Ok(Self { expected: made_by(VERSION)?, seen: None })
    }

    /// In what the schema is not the hub's. Compares when SQLite says that the schema was changed; and, because that number
    /// can be set, at most once a second while others commit. In a transaction the result holds until it ends.
    ///
    /// # Errors
    /// When the schema cannot be read.
    pub fn differences(&mut self, connection: &Connection) -> rusqlite::Result<Vec<String>> {
        let number = |pragma| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
        let (schema, data) = (number("PRAGMA ops.schema_version")?, number("PRAGMA ops.data_version")?);
        if self.seen.is_some_and(|seen| seen.schema == schema && (seen.data == data || seen.at.elapsed() < LOOK_AGAIN))
        {
            return Ok(Vec::new());
        }
        let found = compare(&self.expected, &read(connection)?);
        // What is wrong is looked at again each time.
        self.seen = found.is_empty().then(|| Seen { schema, data, at: Instant::now() });
        Ok(found)
    }
}

fn made_by(version: u32) -> rusqlite::Result<Objects> {
    let model = Connection::open_in_memory()?;
    model.execute("ATTACH DATABASE ':memory:' AS ops", [])?;
    for migration in MIGRATIONS.iter().take(version.saturating_sub(BEFORE) as usize) {
        model.execute_batch(migration)?;
    }
    read(&model)
}

fn read(connection: &Connection) -> rusqlite::Result<Objects> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM ops.sqlite_schema")?;
    let rows = statement.query_map([], |row| {
        let text = |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(index)?.unwrap_or_default());
        Ok(((text(0)?, text(1)?), (text(2)?, plain(&text(3)?))))
    })?;
    rows.collect()
}

fn compare(expected: &Objects, found: &Objects) -> Vec<String> {
    let shown = |(kind, name): &(String, String)| {
        let cut = |text: &str| text.chars().take(NAME_MAX).flat_map(char::escape_debug).collect::<String>();
        format!("{} `{}`", cut(kind), cut(name))
    };
    let changed = expected.iter().filter_map(|(key, object)| match found.get(key) {
        None => Some(format!("{} is missing", shown(key))),
        Some(other) if other != object => Some(format!("{} was changed", shown(key))),
        Some(_) => None,
    });
    let is_statistics =
        |(kind, name): &(String, String)| kind == "table" && ["sqlite_stat1", "sqlite_stat4"].contains(&name.as_str());
    let added = found.keys().filter(|key| !expected.contains_key(*key) && !is_statistics(key));
    let added = added.map(|key| format!("{} is not the hub's", shown(key)));
    changed.chain(added).take(TOLD_MAX).collect()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// SQL without comments and with no more spacing than it needs: what `ALTER TABLE` and an editor of migrations may change.
fn plain(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            // A quote that is doubled ends one text and begins another, which comes to the same.
            '\'' | '"' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        match first {
            // `ALTER TABLE` puts names into quotes that need none.
            // Anywhere else they may make a text of a word.
            '"' if ["TABLE ", "ON ", "INTO "].iter().any(|before| text.ends_with(before))
                && is_word(token.trim_matches('"')) =>
            {
                text.push_str(token.trim_matches('"'));
            }
            '\'' | '"' | '`' => text.push_str(token),
            _ if first.is_whitespace() || length > first.len_utf8() => {
                if !text.ends_with([' ', '(', ',', ')']) {
                    text.push(' ');
                }
            }
            '(' | ',' | ')' => {
                text.truncate(text.trim_end_matches(' ').len());
                text.push(first);
            }
            _ => text.push(first),
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("opened");
        connection.execute("ATTACH DATABASE ':memory:' AS ops", []).expect("attached");
        for migration in MIGRATIONS {
            connection.execute_batch(migration).expect("migrated");
        }
        connection
    }

    #[test]
    fn what_migrations_make_is_expected_and_statistics_are_allowed() {
        let connection = database();
        assert_eq!(differences(&connection, VERSION).expect("read"), Vec::<String>::new());
        connection.execute_batch("INSERT INTO ops.audit_writers VALUES (1, x'00'); ANALYZE ops").expect("ran");
        assert_eq!(differences(&connection, VERSION).expect("read"), Vec::<String>::new());
        assert_ne!(differences(&connection, 0).expect("read"), Vec::<String>::new(), "each version has its own");
    }

    #[test]
    fn whatever_is_added_removed_or_changed_is_told() {
        for (told, statements) in [
            (
                "trigger `swallow` is not the hub's",
                "CREATE TRIGGER ops.swallow BEFORE INSERT ON run_events BEGIN SELECT RAISE(IGNORE); END",
            ),
            (
                "trigger `after` is not the hub's",
                "CREATE TRIGGER ops.after AFTER INSERT ON run_intents BEGIN DELETE FROM provider_quotas; END",
            ),
            ("trigger `run_events_no_delete` is missing", "DROP TRIGGER ops.run_events_no_delete"),
            (
                "trigger `run_events_no_update` was changed",
                "DROP TRIGGER ops.run_events_no_update; CREATE TRIGGER ops.run_events_no_update BEFORE UPDATE ON \
                 run_events WHEN NEW.seq < 0 BEGIN SELECT RAISE(ABORT, 'ops.run_events is append-only'); END",
            ),
            ("index `more` is not the hub's", "CREATE UNIQUE INDEX ops.more ON run_events (outcome)"),
            ("index `run_events_by_tool` is missing", "DROP INDEX ops.run_events_by_tool"),
            ("view `seen` is not the hub's", "CREATE VIEW ops.seen AS SELECT 1"),
            ("table `other` is not the hub's", "CREATE TABLE ops.other (a)"),
            (
                "table `provider_quotas` is missing",
                "DROP TABLE ops.provider_quotas; CREATE VIEW ops.provider_quotas AS SELECT 1",
            ),
            ("table `run_events` was changed", "ALTER TABLE ops.run_events ADD COLUMN more TEXT"),
            ("table `sqlite_sequence` is not", "CREATE TABLE ops.a (b INTEGER PRIMARY KEY AUTOINCREMENT)"),
            // What somebody calls an object does not write lines into a log.
            (r"table `a\nb` is not the hub's", "CREATE TABLE ops.\"a\nb\" (a)"),
        ] {
            let connection = database();
            let mut watch = SchemaWatch::new().expect("made");
            assert!(watch.differences(&connection).expect("read").is_empty());
            connection.execute_batch(statements).expect(statements);
            let found = watch.differences(&connection).expect("read");
            assert!(found.iter().any(|difference| difference.contains(told)), "{told}: {found:?}");
            assert_eq!(found, watch.differences(&connection).expect("read"), "it is told as long as it is so");
        }
    }

    #[test]
    fn spacing_and_comments_make_no_difference_and_texts_do() {
        assert_eq!(plain("CREATE TABLE a ( -- why\n  b TEXT, /* c */ d\n) "), plain("CREATE TABLE a (b TEXT,d)"));
        assert_ne!(plain("SELECT 'a  b'"), plain("SELECT 'a b'"));
        assert_eq!(plain("SELECT '-- it''s'"), "SELECT '-- it''s'");
        assert_ne!(plain("a b"), plain("ab"));
        assert_ne!(plain("a IS NOT NULL"), plain("a IS NOT \"NULL\""));
        assert_eq!(plain("CREATE TABLE \"a\" (b)"), plain("CREATE TABLE a (b)"));
    }
}
