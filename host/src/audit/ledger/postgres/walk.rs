//! Reading chains in their order, a page at a time: the tables side by side, by number.

use std::time::Duration;

use sqlx_core::{query::query, query_scalar::query_scalar, raw_sql::raw_sql, row::Row as _, sql_str::AssertSqlSafe};
use sqlx_postgres::{PgConnection, PgRow, Postgres};
use uuid::Uuid;

use super::{
    super::{Found, Proof, Stretch},
    read::{self, Unreadable},
    rollups,
};
use crate::{
    audit::{
        entry::{Entry, Place, Sealed},
        event::Intent,
        seal::Head,
        statement::Statement,
    },
    names::StatementKind,
    store::postgres::{PostgresError, Session},
};

/// How long the walk over a whole trail may take.
const WALKING: Duration = Duration::from_secs(24 * 3600);

/// All that is read is of one moment.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '10min'";

/// The last number of the page that follows a number: pages are of 256 entries and batches, of which a body is at most 64 KiB.
const PAGE: &str = "SELECT max(seq) FROM (SELECT seq FROM ( \
    (SELECT seq FROM ops.run_events WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT 256) UNION ALL \
    (SELECT seq FROM ops.run_intents WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT 256) UNION ALL \
    (SELECT seq FROM ops.audit_statements WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT 256) UNION ALL \
    (SELECT seq FROM ops.audit_batches WHERE writer = $1 AND seq > $2 ORDER BY seq LIMIT 256) \
    ) a ORDER BY seq LIMIT 256) p";

/// Entries of a batch that are read at once for its proof.
const OF_PROOF: i64 = 64;

const BATCH: &str = "seq, head, signature";

/// Of whom something is there, without a row of its own.
const STRAYS: &str = "SELECT DISTINCT writer FROM (SELECT writer FROM ops.run_events UNION SELECT writer FROM ops.run_intents \
    UNION SELECT writer FROM ops.audit_statements UNION SELECT writer FROM ops.audit_batches \
    UNION SELECT writer FROM ops.usage_rollups) a \
    WHERE NOT EXISTS (SELECT FROM ops.audit_writers w WHERE w.writer = a.writer)";

/// What refers to a user that is not its caller.
const REFERS_ELSEWHERE: &str =
    "SELECT writer, seq FROM ops.run_events WHERE caller_id IS NOT NULL AND caller_id IS DISTINCT FROM caller";

/// Walks over everything there is and tells `visit` of it.
pub(in crate::audit) fn walk(session: &mut Session, visit: &mut dyn FnMut(Found)) -> Result<(), PostgresError> {
    session.run_for(WALKING, async |connection| {
        raw_sql(BEGIN).execute(&mut *connection).await?;
        let writers: Vec<Uuid> =
            query_scalar("SELECT writer FROM ops.audit_writers ORDER BY writer").fetch_all(&mut *connection).await?;
        for writer in &writers {
            visit(Found::Writer(*writer));
        }
        ties(connection, visit).await?;
        for stray in query_scalar::<Postgres, Uuid>(STRAYS).fetch_all(&mut *connection).await? {
            visit(Found::Stray(format!("there are entries or signatures of hub run {stray}, which never started")));
        }
        for row in query::<Postgres>(REFERS_ELSEWHERE).fetch_all(&mut *connection).await? {
            let (writer, seq): (Uuid, i64) = (row.try_get("writer")?, row.try_get("seq")?);
            visit(Found::Stray(format!("entry {seq} of hub run {writer} refers to a user that is not its caller")));
        }
        for &writer in &writers {
            let mut after = i64::MIN;
            while let Some(last) = end_of_page(connection, writer, after).await? {
                page(connection, writer, after, last).await?.into_iter().for_each(&mut *visit);
                after = last;
            }
        }
        for writer in writers {
            rollups::walk(connection, writer, visit).await?;
        }
        raw_sql("COMMIT").execute(connection).await?;
        Ok(())
    })
}

/// From where to where a batch goes.
struct Span {
    previous: Head,
    head: Head,
    signature: Vec<u8>,
}

/// The batch that an entry is in, without its entries.
async fn span(connection: &mut PgConnection, writer: Uuid, seq: i64) -> Result<Option<Span>, PostgresError> {
    let before = "SELECT seq, head FROM ops.audit_batches WHERE writer = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1";
    let end = "SELECT seq, head, signature FROM ops.audit_batches WHERE writer = $1 AND seq >= $2 ORDER BY seq LIMIT 1";
    let before = query::<Postgres>(before).bind(writer).bind(seq).fetch_optional(&mut *connection).await?;
    let Some(end) = query::<Postgres>(end).bind(writer).bind(seq).fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let previous = before.as_ref().map_or(Ok(Head::NONE), read::head)?;
    Ok(Some(Span { previous, head: read::head(&end)?, signature: end.try_get("signature")? }))
}

/// The batch that an entry is in, with what of it can be read.
pub(super) async fn stretch(
    connection: &mut PgConnection,
    writer: Uuid,
    seq: i64,
) -> Result<Option<Stretch>, PostgresError> {
    let Some(Span { previous, head, signature }) = span(connection, writer, seq).await? else { return Ok(None) };
    let found = page(connection, writer, previous.seq, head.seq).await?;
    let entries = found.into_iter().filter_map(|found| match found {
        Found::Entry { entry: Ok(entry), .. } => Some(entry),
        _ => None,
    });
    Ok(Some(Stretch { previous, entries: entries.collect(), head, signature }))
}

/// What shows that an entry was signed; `None` if its batch is not signed, or cannot be read to its end.
pub(super) async fn proof(connection: &mut PgConnection, place: &Place) -> Result<Option<Proof>, PostgresError> {
    let Place { writer, seq, .. } = *place;
    let Some(Span { previous, head, signature }) = span(connection, writer, seq).await? else { return Ok(None) };
    let (mut leaves, mut after) = (Vec::new(), previous.seq);
    while after < head.seq {
        let last = after.saturating_add(OF_PROOF).min(head.seq);
        for found in page(connection, writer, after, last).await? {
            match found {
                Found::Entry { entry: Ok(Sealed { place, entry }), .. } => leaves.push(entry.encoding(&place).leaf()),
                Found::Batch { .. } => {}
                _ => return Ok(None),
            }
        }
        // What is missing is nobody's to prove, and what is said to be there may be as much as there are numbers.
        if i64::try_from(leaves.len()) != Ok(last - previous.seq) {
            return Ok(None);
        }
        after = last;
    }
    let Head { seq: before, hash: previous } = previous;
    Ok(Some(Proof { writer, first: before + 1, previous, leaves, signature, key: key(connection, writer).await? }))
}

/// The key that a chain's `start` names.
async fn key(connection: &mut PgConnection, writer: Uuid) -> Result<Option<String>, PostgresError> {
    let start = "SELECT body FROM ops.audit_statements WHERE writer = $1 AND seq = 1 AND kind = $2";
    let start = query_scalar::<Postgres, String>(start).bind(writer).bind(StatementKind::Start.as_str());
    let body = start.fetch_optional(connection).await?;
    Ok(body.and_then(|body| Statement::read(StatementKind::Start, body).as_start().ok()).map(|start| start.key))
}

async fn end_of_page(connection: &mut PgConnection, writer: Uuid, after: i64) -> Result<Option<i64>, PostgresError> {
    Ok(query_scalar(PAGE).bind(writer).bind(after).fetch_one(connection).await?)
}

/// What is there between two numbers, each batch behind its last entry.
async fn page(connection: &mut PgConnection, writer: Uuid, after: i64, last: i64) -> Result<Vec<Found>, PostgresError> {
    let mut found = Vec::new();
    let (events, intents) = ([read::EVENT, read::BODIES].join(", "), read::INTENT);
    for row in rows(connection, &events, "run_events", writer, after, last).await? {
        found.push(entry(&row, writer, read::event(&row, writer))?);
    }
    for row in rows(connection, intents, "run_intents", writer, after, last).await? {
        found.push(entry(&row, writer, read::intent(&row, writer).map(announced))?);
    }
    for row in rows(connection, read::STATEMENT, "audit_statements", writer, after, last).await? {
        found.push(entry(&row, writer, read::statement(&row, writer))?);
    }
    for row in rows(connection, BATCH, "audit_batches", writer, after, last).await? {
        let seq = row.try_get("seq")?;
        let (head, signature) = (row.try_get("head")?, row.try_get("signature")?);
        found.push((seq, Found::Batch { writer, seq, head, signature }));
    }
    // Stable: a batch stays behind what has its number.
    found.sort_by_key(|(seq, _)| *seq);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

async fn rows(
    connection: &mut PgConnection,
    columns: &str,
    table: &'static str,
    writer: Uuid,
    after: i64,
    last: i64,
) -> Result<Vec<PgRow>, PostgresError> {
    let sql = format!("SELECT {columns} FROM ops.{table} WHERE writer = $1 AND seq > $2 AND seq <= $3");
    Ok(query::<Postgres>(AssertSqlSafe(sql)).bind(writer).bind(after).bind(last).fetch_all(connection).await?)
}

fn entry(row: &PgRow, writer: Uuid, entry: Result<Sealed<Entry>, Unreadable>) -> Result<(i64, Found), PostgresError> {
    let seq = row.try_get("seq")?;
    Ok((seq, Found::Entry { writer, seq, entry }))
}

fn announced(Sealed { place, entry }: Sealed<Intent>) -> Sealed<Entry> {
    Sealed { place, entry: Entry::Intent(Box::new(entry)) }
}

async fn ties(connection: &mut PgConnection, visit: &mut dyn FnMut(Found)) -> Result<(), PostgresError> {
    let all = "SELECT writer, seq, statement_writer, statement_seq FROM ops.audit_ties";
    for row in query::<Postgres>(all).fetch_all(connection).await? {
        visit(Found::Tie {
            writer: row.try_get("writer")?,
            seq: row.try_get("seq")?,
            by: row.try_get("statement_writer")?,
            by_seq: row.try_get("statement_seq")?,
        });
    }
    Ok(())
}
