//! Reading chains in their order, a page at a time: the tables side by side, by number.

use std::time::Duration;

use sqlx_core::{query::query, query_scalar::query_scalar, raw_sql::raw_sql, row::Row as _, sql_str::AssertSqlSafe};
use sqlx_postgres::{PgConnection, PgRow, Postgres};
use uuid::Uuid;

use super::{
    super::{Found, Stretch},
    read::{self, Unreadable},
};
use crate::{
    audit::{
        entry::{Entry, Sealed},
        event::Intent,
        seal::Head,
    },
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

const WITHIN: &str = " WHERE writer = $1 AND seq > $2 AND seq <= $3";
const BATCH: &str = "SELECT seq, head, signature FROM ops.audit_batches";

/// Of whom something is there, without a row of its own.
const STRAYS: &str = "SELECT DISTINCT writer FROM (SELECT writer FROM ops.run_events UNION SELECT writer FROM ops.run_intents \
    UNION SELECT writer FROM ops.audit_statements UNION SELECT writer FROM ops.audit_batches) a \
    WHERE NOT EXISTS (SELECT FROM ops.audit_writers w WHERE w.writer = a.writer)";

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
        for writer in writers {
            let mut after = i64::MIN;
            while let Some(last) = end_of_page(connection, writer, after).await? {
                page(connection, writer, after, last).await?.into_iter().for_each(&mut *visit);
                after = last;
            }
        }
        raw_sql("COMMIT").execute(connection).await?;
        Ok(())
    })
}

/// The batch that an entry is in, with what of it can be read.
pub(super) async fn stretch(
    connection: &mut PgConnection,
    writer: Uuid,
    seq: i64,
) -> Result<Option<Stretch>, PostgresError> {
    let before = "SELECT seq, head FROM ops.audit_batches WHERE writer = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1";
    let end = "SELECT seq, head, signature FROM ops.audit_batches WHERE writer = $1 AND seq >= $2 ORDER BY seq LIMIT 1";
    let before = query::<Postgres>(before).bind(writer).bind(seq).fetch_optional(&mut *connection).await?;
    let Some(end) = query::<Postgres>(end).bind(writer).bind(seq).fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let previous = before.as_ref().map_or(Ok(Head::NONE), read::head)?;
    let (head, signature) = (read::head(&end)?, end.try_get("signature")?);
    let found = page(connection, writer, previous.seq, head.seq).await?;
    let entries = found.into_iter().filter_map(|found| match found {
        Found::Entry { entry: Ok(entry), .. } => Some(entry),
        _ => None,
    });
    Ok(Some(Stretch { previous, entries: entries.collect(), head, signature }))
}

async fn end_of_page(connection: &mut PgConnection, writer: Uuid, after: i64) -> Result<Option<i64>, PostgresError> {
    Ok(query_scalar(PAGE).bind(writer).bind(after).fetch_one(connection).await?)
}

/// What is there between two numbers, each batch behind its last entry.
async fn page(connection: &mut PgConnection, writer: Uuid, after: i64, last: i64) -> Result<Vec<Found>, PostgresError> {
    let mut found = Vec::new();
    for row in rows(connection, read::EVENT, writer, after, last).await? {
        found.push(entry(&row, writer, read::event(&row, writer))?);
    }
    for row in rows(connection, read::INTENT, writer, after, last).await? {
        found.push(entry(&row, writer, read::intent(&row, writer).map(announced))?);
    }
    for row in rows(connection, read::STATEMENT, writer, after, last).await? {
        found.push(entry(&row, writer, read::statement(&row, writer))?);
    }
    for row in rows(connection, BATCH, writer, after, last).await? {
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
    select: &'static str,
    writer: Uuid,
    after: i64,
    last: i64,
) -> Result<Vec<PgRow>, PostgresError> {
    let sql = AssertSqlSafe(format!("{select}{WITHIN}"));
    Ok(query::<Postgres>(sql).bind(writer).bind(after).bind(last).fetch_all(connection).await?)
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
