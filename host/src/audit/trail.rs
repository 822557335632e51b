//! The trail for whoever asks: a few readers at once, each in a thread that may wait for the disk, for a bounded time.

mod csv;
mod export;
mod follow;
mod places;
mod purges;
mod reads;
mod resume;
mod shown;
mod sources;
mod streaming;
mod turns;

use std::{iter, time::Duration};

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use uuid::Uuid;

pub use export::{Export, ExportFormat};
pub use follow::{Follow, News, NewsEvent};
pub use reads::TrailError;
pub use resume::{NoResumeToken, ResumeToken};
pub use streaming::Streaming;
pub use turns::Reader;

use places::{Most, Place, Places};
use reads::{PATIENCE, Reads};
use sources::Sources;

use super::{
    cursor::Cursor,
    event::Event,
    filter::{Filter, Parameter, Query, Scope},
    ledger::{Listed, ReadFault, Reading, Wanted},
    summary::{SUMS_MAX, Summary, UsageQuery},
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
/// How long a chunk of an export that has begun waits for its turn.
const PATIENCE_OF_EXPORT: Duration = Duration::from_secs(30);
/// Exports at once: each holds a chunk in memory for its client.
const EXPORTS: Most = Most { hub: 4, caller: 2, own_rows: 3 };
/// Streams at once: each looks each second.
const STREAMS: Most = Most { hub: 32, caller: 4, own_rows: 24 };

/// The trail for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trail {
    reads: Reads,
    exports: Places,
    streams: Places,
    /// Told of each commit of this hub.
    commits: watch::Sender<()>,
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
    pub(super) fn of(database: &Location, commits: watch::Sender<()>) -> Self {
        let (exports, streams) = (Places::new(EXPORTS), Places::new(STREAMS));
        Self { reads: Reads::of(database), exports, streams, commits }
    }

    /// A page of events.
    ///
    /// # Errors
    /// When too many read, when it takes too long, or when the trail cannot be read.
    pub async fn page(&self, reader: Reader, request: PageRequest) -> Result<Page, TrailError> {
        self.reads.read(reader, PATIENCE, move |reading| page(reading, &request)).await
    }

    /// A call by its id, if whoever asks may see it.
    ///
    /// # Errors
    /// As [`Trail::page`].
    pub async fn show(&self, reader: Reader, id: Uuid) -> Result<Option<Shown>, TrailError> {
        self.reads.read(reader, PATIENCE, move |reading| show(reading, id, reader.scope)).await
    }

    /// What was used.
    ///
    /// # Errors
    /// As [`Trail::page`].
    pub async fn usage(&self, reader: Reader, query: UsageQuery) -> Result<Summary, TrailError> {
        self.reads.read(reader, PATIENCE, move |reading| usage(reading, &query)).await
    }

    /// The event of a call, if whoever asks may see it.
    ///
    /// # Errors
    /// As [`Trail::page`].
    pub async fn event(&self, reader: Reader, id: Uuid) -> Result<Option<Event>, TrailError> {
        let find = move |sources: &Sources| Ok(sources.event(id)?.and_then(|listed| listed.event.ok()));
        let found = self.reads.read(reader, PATIENCE, find).await?;
        Ok(found.filter(|event| may_see(reader.scope, event.caller_id)))
    }

    /// Begins an export.
    ///
    /// # Errors
    /// When as many are under way as may.
    pub fn export(&self, reader: Reader, export: Export) -> Result<Exporting, TrailError> {
        let full = || TrailError::Full { what: "exports", most: EXPORTS };
        let place = self.exports.take(reader).ok_or_else(full)?;
        Ok(Exporting { reads: self.reads.clone(), reader, export, place })
    }

    /// Begins a stream: from now on, or from where a client stood.
    ///
    /// # Errors
    /// When as many are under way as may, or as [`Trail::page`].
    pub async fn stream(
        &self,
        reader: Reader,
        query: Query,
        from: Option<ResumeToken>,
    ) -> Result<Streaming, TrailError> {
        let full = || TrailError::Full { what: "streams", most: STREAMS };
        let place = self.streams.take(reader).ok_or_else(full)?;
        let begin = move |sources: &Sources| match &from {
            None => Follow::begin(sources.database(), query),
            Some(token) => Follow::resume(sources.database(), query, token),
        };
        let follow = self.reads.read(reader, PATIENCE, begin).await?;
        Ok(Streaming::new(self.reads.clone(), self.commits.subscribe(), reader, follow, place))
    }
}

/// An export under way.
#[derive(Debug)]
pub struct Exporting {
    reads: Reads,
    reader: Reader,
    export: Export,
    place: Place,
}

impl Exporting {
    /// The next chunk and the export behind it; `None` behind the last.
    ///
    /// # Errors
    /// As [`Trail::page`].
    pub async fn next(self) -> Result<Option<(String, Self)>, TrailError> {
        let Self { reads, reader, mut export, place } = self;
        let read = reads.read(reader, PATIENCE_OF_EXPORT, move |reading| Ok((export.chunk(reading)?, export))).await?;
        Ok(match read {
            (Some(chunk), export) => Some((chunk, Self { reads, reader, export, place })),
            (None, _) => None,
        })
    }
}

/// The trail of a database for a program of its own, which may take its time, with what was moved into archives.
#[derive(Debug)]
pub struct TrailFile(Sources);

impl TrailFile {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(database: &Location) -> Result<Self, ReadFault> {
        Ok(Self(Sources::whole(Reading::open(database)?, database)?))
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

    /// What was used.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn usage(&self, query: &UsageQuery) -> Result<Summary, ReadFault> {
        usage(&self.0, query)
    }

    /// Follows it from now on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn follow(&self, query: Query) -> Result<Follow, ReadFault> {
        Follow::begin(self.0.database(), query)
    }

    /// What has come since the last time.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn news(&self, follow: &mut Follow) -> Result<News, ReadFault> {
        follow.news(self.0.database())
    }

    /// The next chunk of an export; `None` behind the last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn chunk(&self, export: &mut Export) -> Result<Option<String>, ReadFault> {
        export.chunk(&self.0)
    }
}

fn page(reading: &Sources, request: &PageRequest) -> Result<Page, ReadFault> {
    let PageRequest { query, after, limit, wants_total } = request;
    let limit = usize::from(*limit);
    let mut found = reading.page(query, after.as_ref(), limit + 1, Wanted::NoBodies)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|last| Cursor(last.place));
    let total = if *wants_total { Some(reading.count(query, TOTAL_MAX + 1)?) } else { None };
    Ok(Page { events: found.iter().map(shown::listed).collect(), next, total })
}

fn usage(reading: &Sources, query: &UsageQuery) -> Result<Summary, ReadFault> {
    Ok(Summary::of(&query.by, reading.database().summed(query, SUMS_MAX + 1)?))
}

fn show(reading: &Sources, id: Uuid, scope: Scope) -> Result<Option<Shown>, ReadFault> {
    let may_see = |caller| may_see(scope, caller);
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
        Some(correlation) => neighbours(reading, id, correlation, owner, scope)?,
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

fn may_see(scope: Scope, caller: Option<Uuid>) -> bool {
    match scope {
        Scope::Whole => true,
        Scope::Own(user) => caller == Some(user),
    }
}

/// Other events of the same caller's request, newest first.
fn neighbours(
    reading: &Sources,
    id: Uuid,
    correlation: &str,
    caller: Option<Uuid>,
    scope: Scope,
) -> Result<Vec<Map<String, Value>>, ReadFault> {
    // The hub's own id is a value that a filter takes; a row that somebody has changed may have none.
    let caller = caller.map(|caller| caller.to_string());
    // Callers choose correlation ids: another one's rows of the same id are none of this request.
    let caller = caller.as_deref().map(|caller| (Parameter::Caller, caller));
    let asked = iter::once((Parameter::CorrelationId, correlation)).chain(caller);
    let Ok(filter) = Filter::read(asked) else { return Ok(Vec::new()) };
    let Ok(query) = Query::new(filter, scope) else { return Ok(Vec::new()) };
    let found = reading.page(&query, None, NEIGHBOURS + 1, Wanted::NoBodies)?;
    let others = found.iter().filter(|listed| !listed.event.as_ref().is_ok_and(|event| event.id == id));
    Ok(others.take(NEIGHBOURS).map(shown::listed).collect())
}
