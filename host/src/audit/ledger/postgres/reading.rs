//! Finding events in PostgreSQL, by connections that do nothing else: a reader is in nobody's way, and each of its transactions
//! is as long as a page.

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx_core::{query::query, query_builder::QueryBuilder, raw_sql::raw_sql, row::Row as _, sql_str::AssertSqlSafe};
use sqlx_postgres::{PgConnection, PgRow, Postgres};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    super::listed::{Listed, Proof, ReadFault, Wanted},
    conditions, read, rollups,
    time::Nearest,
    walk,
};
use crate::{
    audit::{
        cursor::Cursor,
        entry::{Entry, Place, Sealed},
        event::{Event, Intent},
        filter::Query,
        summary::{Sum, UsageQuery},
    },
    names::StatementKind,
    store::postgres::{PostgresError, Session, Settings},
};

/// Connections that are kept for the next reader: as many as read at once.
const KEPT: usize = 2;
/// For how long: what stands between may forget one that is silent.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How often somebody asks whether a read is over.
const LOOK: Duration = Duration::from_millis(20);
/// How much longer than the server the reader waits for it.
const GRACE: Duration = Duration::from_secs(1);

/// Each writer and its newest batch, by when the writers began: whoever comes later stands behind them.
const HEADS: &str = "SELECT w.writer, b.seq FROM ops.audit_writers w CROSS JOIN LATERAL \
    (SELECT seq FROM ops.audit_batches WHERE writer = w.writer ORDER BY seq DESC LIMIT 1) b \
    LEFT JOIN ops.audit_statements s ON s.writer = w.writer AND s.seq = 1 ORDER BY s.recorded_at, w.writer";

/// Where readers of a server come from.
#[derive(Debug, Clone)]
pub(in crate::audit) struct PostgresReaders {
    settings: Settings,
    /// How long one statement may take.
    time: Duration,
    idle: Idle,
}

/// Connections that nobody uses, and since when.
type Idle = Arc<Mutex<Vec<(Instant, Session)>>>;

impl PostgresReaders {
    pub(in crate::audit) fn new(settings: Settings, time: Duration) -> Self {
        Self { settings, time, idle: Idle::default() }
    }

    /// A reader with a connection of its own. Whatever takes time asks `is_over`, and ends when that says so.
    pub(in crate::audit) fn open(
        &self,
        is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<PostgresReading, ReadFault> {
        let kept = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(since, _)| since.elapsed() < KEPT_FOR);
            idle.pop()
        };
        let session = match kept {
            Some((_, session)) => session,
            None => Session::open_to_read(self.settings.clone())?,
        };
        let lent = Lent { session: Some(session), is_over: Box::new(is_over) };
        Ok(PostgresReading { lent: RefCell::new(lent), time: self.time, idle: Arc::clone(&self.idle) })
    }
}

/// A reader of the server.
#[derive(Debug)]
pub(in crate::audit) struct PostgresReading {
    lent: RefCell<Lent>,
    time: Duration,
    idle: Idle,
}

struct Lent {
    /// `None` when it has been given back.
    session: Option<Session>,
    is_over: Box<dyn FnMut() -> bool + Send>,
}

impl PostgresReading {
    pub(in crate::audit) fn page(
        &self,
        query: &Query,
        after: Option<&Cursor>,
        limit: usize,
        wanted: Wanted,
    ) -> Result<Vec<Listed>, ReadFault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.listed(conditions::page(query, after, limit, wanted))
    }

    /// How many there are, counted no further than to `most`.
    pub(in crate::audit) fn count(&self, query: &Query, most: u32) -> Result<u32, ReadFault> {
        let mut sql = conditions::count(query, most);
        let counted: i64 = self.read(async |connection| Ok(sql.build_query_scalar().fetch_one(connection).await?))?;
        Ok(u32::try_from(counted).unwrap_or(most))
    }

    pub(in crate::audit) fn heads(&self) -> Result<Vec<(Uuid, i64)>, ReadFault> {
        self.read(async |connection| {
            let rows = query::<Postgres>(HEADS).fetch_all(connection).await?;
            rows.iter().map(|row| Ok((row.try_get("writer")?, row.try_get("seq")?))).collect()
        })
    }

    pub(in crate::audit) fn since(
        &self,
        query: &Query,
        writer: Uuid,
        seen: i64,
        head: i64,
        limit: usize,
    ) -> Result<Vec<Listed>, ReadFault> {
        let mut sql = conditions::select(query, Wanted::NoBodies);
        sql.push(" AND writer = ").push_bind(writer).push(" AND seq > ").push_bind(seen).push(" AND seq <= ");
        sql.push_bind(head).push(" ORDER BY seq LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        self.listed(sql)
    }

    pub(in crate::audit) fn event(&self, id: Uuid) -> Result<Option<Listed>, ReadFault> {
        let sql = format!("SELECT {}, {} FROM ops.run_events WHERE id = $1", read::EVENT, read::BODIES);
        let row = self.row(sql, id)?;
        Ok(row.as_ref().map(listed).transpose()?)
    }

    pub(in crate::audit) fn intent(&self, id: Uuid) -> Result<Option<Result<Sealed<Intent>, String>>, ReadFault> {
        let row = self.row(format!("SELECT {} FROM ops.run_intents WHERE id = $1", read::INTENT), id)?;
        let read = |row: PgRow| Ok::<_, PostgresError>(read::intent(&row, row.try_get("writer")?));
        Ok(row.map(read).transpose()?)
    }

    pub(in crate::audit) fn purges(&self) -> Result<Vec<Sealed<Entry>>, ReadFault> {
        let sql = format!("SELECT writer, {} FROM ops.audit_statements WHERE kind = $1", read::STATEMENT);
        let kind = StatementKind::Purge.as_str();
        let rows = self.read(async |connection| {
            Ok(query::<Postgres>(AssertSqlSafe(sql)).bind(kind).fetch_all(connection).await?)
        })?;
        let read = |row: &PgRow| Ok::<_, PostgresError>(read::statement(row, row.try_get("writer")?).ok());
        Ok(rows.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>()?)
    }

    /// Sums of rollups, `most` of them.
    pub(in crate::audit) fn summed(&self, query: &UsageQuery, most: usize) -> Result<Vec<Sum>, ReadFault> {
        if query.is_empty() {
            return Ok(Vec::new());
        }
        self.read(async |connection| rollups::summed(connection, query, most).await)
    }

    pub(in crate::audit) fn proof(&self, place: &Place) -> Result<Option<Proof>, ReadFault> {
        self.read(async |connection| walk::proof(connection, place).await)
    }

    fn listed(&self, mut sql: QueryBuilder<Postgres>) -> Result<Vec<Listed>, ReadFault> {
        let rows = self.read(async |connection| Ok(sql.build().fetch_all(connection).await?))?;
        Ok(rows.iter().map(listed).collect::<Result<_, PostgresError>>()?)
    }

    fn row(&self, sql: String, id: Uuid) -> Result<Option<PgRow>, ReadFault> {
        self.read(async |connection| {
            Ok(query::<Postgres>(AssertSqlSafe(sql)).bind(id).fetch_optional(connection).await?)
        })
    }

    /// Reads in one transaction, which sees one moment.
    fn read<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, PostgresError>) -> Result<T, ReadFault> {
        let Lent { session, is_over } = &mut *self.lent.borrow_mut();
        let Some(session) = session else { return Err(ReadFault::Over) };
        begin(session, self.time)?;
        let read = session.run_for(self.time + GRACE, async |connection| {
            let all = async {
                let read = work(&mut *connection).await?;
                raw_sql("COMMIT").execute(connection).await.map_err(PostgresError::from)?;
                Ok(read)
            };
            // Where it ends early the connection is given up, which the server notices.
            tokio::select! {
                read = all => read,
                () = over(is_over) => Err(ReadFault::Over),
            }
        });
        match read {
            Err(ReadFault::Postgres(PostgresError::TimedOut(_))) => Err(ReadFault::Over),
            read => read,
        }
    }
}

/// Begins a transaction that sees one moment and cannot write. Its plans are made for the values that are asked for, on one
/// processor, and it ends soon after nobody waits for it any more (which servers before 14 cannot).
fn begin(session: &mut Session, time: Duration) -> Result<(), PostgresError> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}; \
         SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; \
         SELECT set_config('client_connection_check_interval', '100', true) \
         WHERE current_setting('server_version_num')::int >= 140000 AND version() LIKE '%linux%'",
        time.as_millis()
    );
    session.run_again(async |connection| {
        raw_sql(AssertSqlSafe(begin.clone())).execute(connection).await.map(|_| ()).map_err(PostgresError::from)
    })
}

async fn over(is_over: &mut (dyn FnMut() -> bool + Send)) {
    while !is_over() {
        sleep(LOOK).await;
    }
}

fn listed(row: &PgRow) -> Result<Listed, PostgresError> {
    let (writer, Nearest(recorded_at)) = (row.try_get("writer")?, row.try_get("recorded_at")?);
    let place = Place { writer, seq: row.try_get("seq")?, recorded_at };
    let event = match read::event(row, writer) {
        Ok(Sealed { entry: Entry::Event(event), .. }) => Ok(event),
        Ok(_) => Err("it is no event".to_owned()),
        Err(why) => Err(why),
    };
    Ok(Listed { place, event: event.map(|event: Box<Event>| *event) })
}

impl Drop for PostgresReading {
    /// Gives the connection back.
    fn drop(&mut self) {
        let Some(session) = self.lent.get_mut().session.take().filter(Session::is_connected) else { return };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push((Instant::now(), session));
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lent").field("session", &self.session).finish_non_exhaustive()
    }
}
