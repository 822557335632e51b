//! The SQL of the audit trail and the one list of its columns.

use std::{fmt::Display, str::FromStr, sync::LazyLock};

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, params, params_from_iter,
    types::{ToSql, ToSqlOutput, ValueRef},
};
use uuid::Uuid;

use super::event::{Event, Intent, Outcome};
use crate::names::{Code, OperationKind, Role, Surface};

/// The columns that the chain covers, in the order it covers them. `seq`, `hash` and `times` follow; `times` is covered
/// after `seq` in rows that stand for several operations, so that rows from before there was one still verify.
pub(super) const COLUMNS: [&str; 19] = [
    "id",
    "provider",
    "tool",
    "caller_id",
    "caller_role",
    "payload",
    "result",
    "error",
    "duration_ms",
    "hostname",
    "created_at",
    "outcome",
    "error_code",
    "operation",
    "surface",
    "correlation_id",
    "team",
    "revision",
    "writer",
];

static INSERT_EVENT: LazyLock<String> = LazyLock::new(|| {
    let values = ["?"; COLUMNS.len() + 3].join(",");
    format!("INSERT INTO ops.run_events ({}, seq, hash, times) VALUES ({values})", COLUMNS.join(", "))
});

const INSERT_INTENT: &str = "INSERT INTO ops.run_intents (id, provider, tool, caller_id, caller_role, payload, surface, \
    correlation_id, team, created_at, writer) VALUES (?,?,?,?,?,?,?,?,?,?,?)";

const UPSERT_QUOTA: &str = "INSERT INTO ops.provider_quotas (provider, name, quota_limit, remaining, resets_at, \
    observed_at) VALUES (?,?,?,?,?,?) ON CONFLICT (provider, name) DO UPDATE SET quota_limit = excluded.quota_limit, \
    remaining = excluded.remaining, resets_at = excluded.resets_at, observed_at = excluded.observed_at \
    WHERE excluded.observed_at >= observed_at";

/// Quotas of one provider that are kept. Their names are the provider's to make up.
const QUOTAS_MAX: u32 = 64;
/// The longest name of a quota that is kept, in characters.
const QUOTA_NAME_MAX: usize = 128;

/// Forgets the quotas of a provider that have not been heard of for longest.
const FORGET_QUOTAS: &str = "DELETE FROM ops.provider_quotas WHERE provider = ?1 AND name NOT IN (SELECT name FROM \
    ops.provider_quotas WHERE provider = ?1 ORDER BY observed_at DESC, rowid DESC LIMIT ?2)";

const INSERT_WRITER: &str = "INSERT INTO ops.audit_writers (writer, started_at, parent, parent_hash) VALUES (?,?,?,?)";

/// A column's value, for hashing and for SQL.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    Text(Option<&'a str>),
    Integer(i64),
    Bytes(Option<&'a [u8]>),
}

impl ToSql for Field<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Field::Text(None) | Field::Bytes(None) => ValueRef::Null,
            Field::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Field::Integer(value) => ValueRef::Integer(value),
            Field::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
        }))
    }
}

/// The time format of the database.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The texts that a row borrows.
struct Texts {
    id: String,
    caller: Option<String>,
    created_at: String,
}

fn fields<'a>(event: &'a Event, texts: &'a Texts, writer: &'a str) -> [Field<'a>; COLUMNS.len()] {
    use Field::{Integer, Text};
    [
        Text(Some(&texts.id)),
        Text(event.provider.as_deref()),
        Text(event.tool.as_deref()),
        Text(texts.caller.as_deref()),
        Text(event.caller_role.map(Role::as_str)),
        Text(event.payload.as_deref()),
        Text(event.result.as_deref()),
        Text(event.error.as_deref()),
        Integer(i64::from(event.duration_ms)),
        Text(event.hostname.as_deref()),
        Text(Some(&texts.created_at)),
        Text(Some(event.outcome.as_str())),
        Text(event.error_code.map(Code::as_str)),
        Text(Some(event.operation.as_str())),
        Text(Some(event.surface.as_str())),
        Text(Some(&event.correlation_id)),
        Text(event.team.as_deref()),
        Text(event.revision.as_deref()),
        Text(Some(writer)),
    ]
}

/// Inserts an event. `hash` makes the row's hash from its fields.
pub(super) fn insert_event(
    transaction: &Transaction<'_>,
    event: &Event,
    writer: &str,
    seq: i64,
    hash: impl FnOnce(&[Field<'_>]) -> Vec<u8>,
) -> rusqlite::Result<Vec<u8>> {
    let texts = Texts {
        id: event.id.to_string(),
        caller: event.caller_id.map(|id| id.to_string()),
        created_at: timestamp(event.created_at),
    };
    let row = fields(event, &texts, writer);
    let sequence = Field::Integer(seq);
    let times = Field::Integer(i64::from(event.times));
    let several = if event.times > 1 { &[times][..] } else { &[] };
    let hash = hash(&[&row[..], &[sequence], several].concat());
    let all = row.into_iter().chain([sequence, Field::Bytes(Some(&hash)), times]);
    one(transaction.prepare_cached(&INSERT_EVENT)?.execute(params_from_iter(all))?)?;
    match insert_quotas(transaction, event, &texts.created_at) {
        // They are no part of the trail: what cannot be kept of them does not cost the row.
        Err(error) if is_of_the_row(&error) => tracing::warn!(%error, "what a call learnt of quotas could not be kept"),
        inserted => inserted?,
    }
    Ok(hash)
}

/// A statement that inserts a row has changed one row: a trigger can make it none, and no error.
fn one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Whether this one row is refused, for what is in it, while another could be written.
pub(super) fn is_of_the_row(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TooBig | TypeMismatch))
        || matches!(error, rusqlite::Error::ToSqlConversionFailure(_))
}

/// Whether there is an event of this id.
pub(super) fn is_there(connection: &Connection, id: Uuid) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM ops.run_events WHERE id = ?1")?;
    statement.exists([id.to_string()])
}

/// Whether this writer has recorded an event of this id.
pub(super) fn is_there_of(connection: &Connection, id: Uuid, writer: &str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM ops.run_events WHERE id = ?1 AND writer = ?2")?;
    statement.exists([id.to_string().as_str(), writer])
}

/// A writer's newest row: its number in the chain, and its hash. `None` without a row.
pub(super) fn newest(connection: &Connection, writer: &str) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    const NEWEST: &str = "SELECT seq, hash FROM ops.run_events WHERE writer = ?1 ORDER BY seq DESC LIMIT 1";
    connection.prepare_cached(NEWEST)?.query_row([writer], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// How many rows a writer has.
pub(super) fn count(connection: &Connection, writer: &str) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM ops.run_events WHERE writer = ?1", [writer], |row| row.get(0))
}

/// Whether a writer is registered.
pub(super) fn is_registered(connection: &Connection, writer: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM ops.audit_writers WHERE writer = ?1")?.exists([writer])
}

/// Writers with intents that no event answers, but for `own`. Reads every intent there is.
pub(super) fn writers_with_unanswered_intents(connection: &Connection, own: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT DISTINCT writer FROM ops.run_intents i WHERE writer <> ?1 AND NOT EXISTS \
         (SELECT 1 FROM ops.run_events e WHERE e.id = i.id)",
    )?;
    let rows = statement.query_map([own], |row| row.get(0))?;
    rows.collect()
}

fn insert_quotas(transaction: &Transaction<'_>, event: &Event, observed_at: &str) -> rusqlite::Result<()> {
    for quota in &event.quotas {
        let name: String = quota.name.chars().take(QUOTA_NAME_MAX).collect();
        // A time is short; what is longer is none.
        let resets_at = quota.resets_at.as_ref().filter(|at| at.len() <= QUOTA_NAME_MAX);
        let (limit, remaining) = (quota.limit, quota.remaining);
        let values = params![event.provider, name, limit, remaining, resets_at, observed_at];
        transaction.prepare_cached(UPSERT_QUOTA)?.execute(values)?;
    }
    if !event.quotas.is_empty() {
        transaction.prepare_cached(FORGET_QUOTAS)?.execute(params![event.provider, QUOTAS_MAX])?;
    }
    Ok(())
}

/// Inserts an intent.
pub(super) fn insert_intent(transaction: &Transaction<'_>, intent: &Intent, writer: &str) -> rusqlite::Result<()> {
    one(transaction.prepare_cached(INSERT_INTENT)?.execute(params![
        intent.id.to_string(),
        intent.provider,
        intent.tool,
        intent.caller_id.map(|id| id.to_string()),
        intent.caller_role.map(Role::as_str),
        intent.payload,
        intent.surface.as_str(),
        intent.correlation_id,
        intent.team,
        timestamp(intent.created_at),
        writer,
    ])?)
}

/// Registers a writer, tied to the newest row there is, and returns that row's hash.
pub(super) fn insert_writer(transaction: &Transaction<'_>, writer: Uuid) -> rusqlite::Result<Option<Vec<u8>>> {
    let newest: Option<(String, Vec<u8>)> = transaction
        .query_row("SELECT id, hash FROM ops.run_events ORDER BY rowid DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (parent, hash) = newest.unzip();
    one(transaction.execute(INSERT_WRITER, params![writer.to_string(), timestamp(Utc::now()), parent, hash])?)?;
    Ok(hash)
}

/// Intents of `writer` that no event answers, as events that say so.
pub(super) fn interrupted(connection: &Connection, writer: &str) -> rusqlite::Result<Vec<Event>> {
    let mut statement = connection.prepare(
        "SELECT id, provider, tool, caller_id, caller_role, payload, surface, correlation_id, team, created_at \
         FROM ops.run_intents i WHERE writer = ?1 AND NOT EXISTS (SELECT 1 FROM ops.run_events e WHERE e.id = i.id)",
    )?;
    let rows = statement.query_map([writer], of_intent)?;
    rows.collect()
}

/// The event of an intent that was interrupted. What of the intent cannot be read is told, not guessed.
fn of_intent(row: &Row<'_>) -> rusqlite::Result<Event> {
    let text = |index: usize| row.get::<_, Option<String>>(index);
    let mut strange = Vec::new();
    let created =
        read_back("created_at", text(9)?, &mut strange).map(|at: DateTime<FixedOffset>| at.with_timezone(&Utc));
    Ok(Event {
        id: read_back("id", text(0)?, &mut strange).unwrap_or_else(Uuid::now_v7),
        provider: text(1)?,
        tool: text(2)?,
        caller_id: read_back("caller_id", text(3)?, &mut strange),
        caller_role: read_back("caller_role", text(4)?, &mut strange),
        payload: text(5)?,
        surface: read_back("surface", text(6)?, &mut strange).unwrap_or(Surface::Hub),
        correlation_id: text(7)?.unwrap_or_else(|| Uuid::now_v7().to_string()),
        team: text(8)?,
        created_at: created.unwrap_or_else(Utc::now),
        result: None,
        outcome: Outcome::Interrupted,
        error_code: Some(Code::Interrupted),
        error: Some(Event::error_text(&[INTERRUPTED, &*strange.concat()].concat())),
        duration_ms: 0,
        hostname: None,
        operation: OperationKind::CallTool,
        revision: None,
        times: 1,
        shares: false,
        quotas: Vec::new(),
    })
}

const INTERRUPTED: &str = "the hub ended while this operation ran: check at the upstream whether it took effect";

/// A column's text as what it stands for. What it cannot be is added to what is `strange`.
fn read_back<T: FromStr>(column: &str, text: Option<String>, strange: &mut Vec<String>) -> Option<T>
where
    T::Err: Display,
{
    let read = text?.parse().map_err(|error: T::Err| strange.push(format!("; the intent's {column}: {error}")));
    read.ok()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{event::UpstreamQuota, writer::Audit},
        *,
    };

    fn learnt(provider: &str, names: impl Iterator<Item = u32>) -> Event {
        let quota = |name| UpstreamQuota { name: format!("{name:04}"), limit: None, remaining: 1, resets_at: None };
        let quotas = names.map(quota).collect();
        Event { provider: Some(provider.to_owned()), quotas, ..Event::sample(Outcome::Ok) }
    }

    #[tokio::test]
    async fn a_provider_that_makes_up_quotas_keeps_the_newest_and_pushes_out_nobody_elses() {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&data).expect("a folder");
        let database = data.join("ops.db");
        let audit = Audit::open(&data, &database).expect("a trail");
        audit.record(learnt("other", 0..3)).await.expect("recorded");
        for call in 0..10 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            audit.record(learnt("greedy", call * 50..(call + 1) * 50)).await.expect("recorded");
        }
        audit.close().await;
        let connection = crate::store::sqlite::open_read_only(&database).expect("a database");
        let kept = |provider: &str| {
            let query = "SELECT name FROM ops.provider_quotas WHERE provider = ?1 ORDER BY name";
            let mut statement = connection.prepare(query).expect("a query");
            let names = statement.query_map([provider], |row| row.get::<_, String>(0)).expect("rows");
            names.collect::<Result<Vec<_>, _>>().expect("names")
        };
        assert_eq!(kept("other").len(), 3);
        let greedy = kept("greedy");
        assert_eq!((greedy.len(), greedy.last().map(String::as_str)), (64, Some("0499")));
        assert!(greedy.contains(&"0450".to_owned()), "the newest are kept: {greedy:?}");
        std::fs::remove_dir_all(&data).expect("removed");
    }

    #[test]
    fn a_row_holds_words() {
        let event = Event {
            caller_role: Some(Role::OpsAdmin),
            error_code: Some(Code::RateLimited),
            operation: OperationKind::McpList,
            surface: Surface::Stdio,
            ..Event::sample(Outcome::Denied)
        };
        let texts = Texts { id: event.id.to_string(), caller: None, created_at: timestamp(event.created_at) };
        let row = fields(&event, &texts, "w");
        for (column, word) in [
            ("caller_role", "ops_admin"),
            ("outcome", "denied"),
            ("error_code", "rate_limited"),
            ("operation", "mcp_list"),
            ("surface", "stdio"),
        ] {
            let field = COLUMNS.iter().position(|name| *name == column).map(|index| row[index]).expect(column);
            assert!(matches!(field, Field::Text(Some(text)) if text == word), "{column}: {field:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_of_an_intent_is_told_and_not_guessed() {
        let connection = Connection::open_in_memory().expect("a database");
        let columns =
            "id, provider, tool, caller_id, caller_role, payload, surface, correlation_id, team, created_at, writer";
        let tables = format!("CREATE TABLE ops.run_events (id); CREATE TABLE ops.run_intents ({columns})");
        connection.execute_batch(&format!("ATTACH ':memory:' AS ops; {tables}")).expect("tables");
        let intend = |caller: &str, role: &str, surface: &str, at: &str| {
            let id = Uuid::now_v7().to_string();
            connection
                .execute(
                    INSERT_INTENT,
                    params![id, "p", "t", caller, role, None::<&str>, surface, "c", None::<&str>, at, "w"],
                )
                .expect("a row");
        };
        intend(&Uuid::nil().to_string(), "ops_admin", "stdio", "2026-11-21T18:00:00.000Z");
        intend("nobody", "root", "pigeon", "yesterday");
        let events = interrupted(&connection, "w").expect("events");
        let [whole, strange] = &events[..] else { panic!("{events:?}") };
        assert_eq!((whole.surface, whole.caller_role), (Surface::Stdio, Some(Role::OpsAdmin)));
        assert_eq!(
            (whole.caller_id, timestamp(whole.created_at)),
            (Some(Uuid::nil()), "2026-11-21T18:00:00.000Z".to_owned())
        );
        assert_eq!(whole.error.as_deref(), Some(INTERRUPTED));
        assert_eq!((strange.surface, strange.caller_role, strange.caller_id), (Surface::Hub, None, None));
        let told = strange.error.as_deref().expect("an error");
        for column in
            ["caller_id: ", "caller_role: `root` is no role", "surface: `pigeon` is no surface", "created_at: "]
        {
            assert!(told.starts_with(INTERRUPTED) && told.contains(column), "{told}");
        }
    }
}
