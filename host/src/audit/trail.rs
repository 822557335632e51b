//! The trail for whoever asks: a few readers at once, each in a thread that may wait for the disk, for a bounded time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use uuid::Uuid;

use super::{
    cursor::Cursor,
    export::Export,
    filter::{Filter, Parameter, Query, Scope},
    follow::{Follow, News},
    ledger::{Listed, ReadFault, Reading, Wanted},
    shown,
};
use crate::store::location::Location;

/// The largest page, in events.
pub const PAGE_MAX: u16 = 500;
/// A page unless somebody asks for another, in events.
pub const PAGE: u16 = 50;
/// No total is counted further than this.
pub const TOTAL_MAX: u32 = 10_000;
/// Events of the same correlation id that are shown beside one.
const NEIGHBOURS: usize = 50;
/// Reads of one hub at once: reading never takes the processors from calls.
const READS: usize = 2;
/// Reads that may wait for those.
const WAITING: usize = 32;
/// How long one waits before it is refused; those of an export that has begun wait longer.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_OF_EXPORT: Duration = Duration::from_secs(30);
/// How long a read may take.
const READ_TIME: Duration = Duration::from_secs(5);
/// Exports of one hub at once: each holds a chunk in memory for its client.
const EXPORTS: usize = 4;

/// Why the trail was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// Others are reading.
    #[error("the audit trail is being read by as many as may at once: try again in a moment")]
    Busy,
    /// It took too long.
    #[error(
        "the search took longer than {} s: narrow it by `from` and `to`, `caller`, `correlation_id`, or `provider` and `tool`",
        READ_TIME.as_secs()
    )]
    TooLong,
    /// The hub cannot search the database that it has.
    #[error("{}", ReadFault::Unsupported)]
    Unsupported,
    /// It cannot be read.
    #[error("the audit trail cannot be read: tell an admin, whom the log tells more")]
    Unreadable,
}

impl From<ReadFault> for TrailError {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Over => return Self::TooLong,
            ReadFault::Unsupported => return Self::Unsupported,
            ReadFault::Store(_) | ReadFault::Sqlite(_) => {}
        }
        tracing::error!(error = %fault, "the audit trail cannot be read");
        Self::Unreadable
    }
}

/// The trail for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trail {
    database: Location,
    reads: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

/// A page that is asked for.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Of which events.
    pub query: Query,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// How many, at most [`PAGE_MAX`].
    pub limit: u16,
    /// Whether all that there are are counted.
    pub wants_total: bool,
}

/// A page of events, newest first.
#[derive(Debug)]
pub struct Page {
    /// Without their bodies.
    pub events: Vec<Map<String, Value>>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// How many there are on all pages, counted no further than to [`TOTAL_MAX`] and one.
    pub total: Option<u32>,
}

/// One call: its event, with everything that belongs to it.
#[derive(Debug)]
pub struct Shown {
    /// As it is answered.
    pub document: Value,
    /// Whose it is.
    pub caller: Option<Uuid>,
}

impl Trail {
    pub(super) fn of(database: Location) -> Self {
        let turns = |number| Arc::new(Semaphore::new(number));
        Self { database, reads: turns(READS), waiting: turns(WAITING), exports: turns(EXPORTS) }
    }

    /// A page of events.
    ///
    /// # Errors
    /// When too many read, when it takes too long, or when the trail cannot be read.
    pub async fn page(&self, request: PageRequest) -> Result<Page, TrailError> {
        self.read(PATIENCE, move |reading| page(reading, &request)).await
    }

    /// A call by its id, if whoever asks may see it.
    ///
    /// # Errors
    /// As [`Trail::page`].
    pub async fn show(&self, id: Uuid, scope: Scope) -> Result<Option<Shown>, TrailError> {
        self.read(PATIENCE, move |reading| show(reading, id, scope)).await
    }

    /// Begins an export.
    ///
    /// # Errors
    /// When as many are under way as may.
    pub fn export(&self, export: Export) -> Result<Exporting, TrailError> {
        let turn = Arc::clone(&self.exports).try_acquire_owned().map_err(|_| TrailError::Busy)?;
        Ok(Exporting { trail: self.clone(), export, turn })
    }

    async fn read<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Reading) -> Result<T, ReadFault> + Send + 'static,
    ) -> Result<T, TrailError> {
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| TrailError::Busy)?;
        let turn = timeout(patience, Arc::clone(&self.reads).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(TrailError::Busy) };
        drop(place);
        let wanted = Wait::default();
        let (is_left, end) = (Arc::clone(&wanted.0), Instant::now() + READ_TIME);
        let database = self.database.clone();
        let thread = tokio::task::spawn_blocking(move || {
            // Until the thread ends, whether or not somebody waits for it.
            let _turn = turn;
            let reading = Reading::open(&database, move || is_left.load(Ordering::Relaxed) || Instant::now() >= end)?;
            work(&reading)
        });
        match thread.await {
            Ok(read) => Ok(read?),
            Err(error) => {
                tracing::error!(%error, "a reader of the audit trail broke");
                Err(TrailError::Unreadable)
            }
        }
    }
}

/// Ends a read for which nobody waits any more.
#[derive(Default)]
struct Wait(Arc<AtomicBool>);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An export under way.
#[derive(Debug)]
pub struct Exporting {
    trail: Trail,
    export: Export,
    turn: OwnedSemaphorePermit,
}

impl Exporting {
    /// The next chunk and the export behind it; `None` behind the last.
    ///
    /// # Errors
    /// As [`Trail::page`].
    pub async fn next(self) -> Result<Option<(String, Self)>, TrailError> {
        let Self { trail, mut export, turn } = self;
        let read = trail.read(PATIENCE_OF_EXPORT, move |reading| Ok((export.chunk(reading)?, export))).await?;
        Ok(match read {
            (Some(chunk), export) => Some((chunk, Self { trail, export, turn })),
            (None, _) => None,
        })
    }
}

/// The trail of a database for a program of its own, which may take its time.
#[derive(Debug)]
pub struct TrailFile(Reading);

impl TrailFile {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(database: &Location) -> Result<Self, ReadFault> {
        Ok(Self(Reading::open(database, || false)?))
    }

    /// A page of events.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn page(&self, request: &PageRequest) -> Result<Page, ReadFault> {
        page(&self.0, request)
    }

    /// A call by its id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn show(&self, id: Uuid) -> Result<Option<Shown>, ReadFault> {
        show(&self.0, id, Scope::Whole)
    }

    /// Follows it from now on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn follow(&self, query: Query) -> Result<Follow, ReadFault> {
        Follow::begin(&self.0, query)
    }

    /// What has come since the last time.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn news(&self, follow: &mut Follow) -> Result<News, ReadFault> {
        follow.news(&self.0)
    }

    /// The next chunk of an export; `None` behind the last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn chunk(&self, export: &mut Export) -> Result<Option<String>, ReadFault> {
        export.chunk(&self.0)
    }
}

fn page(reading: &Reading, request: &PageRequest) -> Result<Page, ReadFault> {
    let PageRequest { query, after, limit, wants_total } = request;
    let limit = usize::from(*limit);
    let mut found = reading.page(query, after.as_ref(), limit + 1, Wanted::NoBodies)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| Cursor(last.place));
    let total = if *wants_total { Some(reading.count(query, TOTAL_MAX + 1)?) } else { None };
    Ok(Page { events: found.iter().map(shown::listed).collect(), next, total })
}

fn show(reading: &Reading, id: Uuid, scope: Scope) -> Result<Option<Shown>, ReadFault> {
    let may_see = |caller: Option<Uuid>| match scope {
        Scope::Whole => true,
        Scope::Own(user) => caller == Some(user),
    };
    let caller = |listed: &Listed| listed.event.as_ref().ok().and_then(|event| event.caller_id);
    let event = reading.event(id)?.filter(|listed| may_see(caller(listed)));
    let intent = reading.intent(id)?.and_then(Result::ok).filter(|sealed| may_see(sealed.entry.caller_id));
    let owner = match (&event, &intent) {
        (None, None) => return Ok(None),
        (Some(listed), _) => caller(listed),
        (None, Some(intent)) => intent.entry.caller_id,
    };
    let readable = event.as_ref().and_then(|listed| listed.event.as_ref().ok().map(|event| (&listed.place, event)));
    let correlation = readable.map(|(_, event)| &event.correlation_id);
    let neighbours = match correlation.or(intent.as_ref().map(|intent| &intent.entry.correlation_id)) {
        Some(correlation) => neighbours(reading, id, correlation, scope)?,
        None => Vec::new(),
    };
    let mut proof = Value::Null;
    if let Some((place, event)) = readable
        && let Some(batch) = reading.proof(place)?
    {
        let mut sealed = shown::sealed(place, event);
        sealed.insert("batch".to_owned(), shown::batch(&batch));
        proof = sealed.into();
    }
    let document = json!({
        "event": event.as_ref().map(shown::listed),
        "intent": intent.as_ref().map(|intent| shown::intent(&intent.place, &intent.entry)),
        "neighbours": neighbours,
        "proof": proof,
    });
    Ok(Some(Shown { document, caller: owner }))
}

/// Other events of the same request, newest first.
fn neighbours(
    reading: &Reading,
    id: Uuid,
    correlation: &str,
    scope: Scope,
) -> Result<Vec<Map<String, Value>>, ReadFault> {
    // The hub's own id is a value that a filter takes; a row that somebody has changed may have none.
    let Ok(filter) = Filter::read([(Parameter::CorrelationId, correlation)]) else { return Ok(Vec::new()) };
    let Ok(query) = Query::new(filter, scope) else { return Ok(Vec::new()) };
    let found = reading.page(&query, None, NEIGHBOURS + 1, Wanted::NoBodies)?;
    let others = found.iter().filter(|listed| !listed.event.as_ref().is_ok_and(|event| event.id == id));
    Ok(others.take(NEIGHBOURS).map(shown::listed).collect())
}
