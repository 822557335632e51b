//! Removes what operations were given and gave, by a signed statement that says so. No row is removed: whose it was, when and
//! how it ended stays, and the digest, so that the chain verifies. With the salt gone nobody can guess from that what it was.

use std::path::Path;

use uuid::Uuid;

use super::{
    archive::{self, ArchiveError},
    body::{Body, Text},
    cursor::Cursor,
    entry::Place,
    error::AuditError,
    event::Event,
    filter::Query,
    journal::Journal,
    ledger::{Fault, Purged, ReadFault, Reading, Wanted},
    presence::Presence,
    statement::{PurgedBody, Side},
    verify::{VerifyError, must_exist},
};
use crate::store::location::Location;

/// Events whose bodies are removed in one transaction.
const AT_ONCE: usize = 100;

/// Why bodies were not removed, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// There is nothing of that id.
    #[error(
        "there is no row {0} in the database (`bulkhead audit list` shows those that there are; what is in an archive stays as it is). \
         Nothing was removed"
    )]
    Unknown(Uuid),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// There is none.
    #[error(transparent)]
    Missing(#[from] VerifyError),
    /// Another command takes something out of the trail.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It cannot be opened for this.
    #[error(transparent)]
    Open(#[from] AuditError),
    /// It cannot be written.
    #[error("{0}. What was removed until then is stated; run the command again for the rest")]
    Write(String),
}

impl From<Fault> for PurgeError {
    fn from(fault: Fault) -> Self {
        Self::Write(fault.to_string())
    }
}

/// Whose bodies are removed.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// Those of these calls, each named once.
    Calls(Vec<Uuid>),
    /// Those of all events that are found.
    Found(Box<Query>),
}

/// How much was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Payloads and results.
    pub bodies: u64,
    /// Whether what was removed is overwritten wherever this program could reach it.
    pub is_overwritten: bool,
}

/// Removes bodies, and records `act` once that is done: `act` is told how many there were.
///
/// # Errors
/// When the trail cannot be opened for it, read or written. On a server only the owner of its tables can.
pub fn purge(
    data: &Path,
    database: &Location,
    chosen: &Chosen,
    act: impl FnOnce(u64) -> Event,
) -> Result<Removed, PurgeError> {
    let _alone = archive::alone(data)?;
    if let Location::File(file) = database {
        must_exist(database)?;
        // What is in an archive and still here would be in the archive alone afterwards, with its bodies.
        archive::finish(file)?;
    }
    let reading = Reading::open(database)?;
    if let Chosen::Calls(ids) = chosen {
        for id in ids {
            if reading.event(*id)?.is_none() && reading.intent(*id)?.is_none() {
                return Err(PurgeError::Unknown(*id));
            }
        }
    }
    let writer = Uuid::now_v7();
    let presence = Presence::announce(data, database, writer)?;
    let mut journal = Journal::open_as_owner(data, database, writer)?;
    let removed = remove(&reading, &mut journal, chosen);
    // Also when something went wrong: what was removed before is on record.
    let number = removed.as_ref().map_or_else(|(_, bodies)| *bodies, |bodies| *bodies);
    let recorded = journal.commit_again(std::iter::once(&act(number).into_kept()));
    let stated = journal.checkpoint(|_| true);
    drop(reading);
    let is_overwritten = journal.forget_removed();
    presence.end(&mut journal, true);
    let bodies = removed.map_err(|(error, _)| error)?;
    recorded?;
    stated?;
    Ok(Removed { bodies, is_overwritten: is_overwritten? })
}

/// Gives the number of bodies that were removed, also with an error.
fn remove(reading: &Reading, journal: &mut Journal, chosen: &Chosen) -> Result<u64, (PurgeError, u64)> {
    let mut bodies = 0;
    let removed = match chosen {
        Chosen::Calls(ids) => ids.chunks(AT_ONCE).try_for_each(|some| {
            let mut found = Vec::new();
            for id in some {
                of_event(reading, *id, &mut found)?;
                of_intent(reading, *id, &mut found)?;
            }
            bodies += stated(journal, &found)?;
            Ok(())
        }),
        Chosen::Found(query) => pages(reading, journal, query, &mut bodies),
    };
    removed.map(|()| bodies).map_err(|error| (error, bodies))
}

fn pages(reading: &Reading, journal: &mut Journal, query: &Query, bodies: &mut u64) -> Result<(), PurgeError> {
    let mut after: Option<Cursor> = None;
    loop {
        let page = reading.page(query, after.as_ref(), AT_ONCE, Wanted::Bodies)?;
        let mut found = Vec::new();
        for listed in &page {
            let Ok(event) = &listed.event else { continue };
            both(&listed.place, event, &mut found);
            of_intent(reading, event.id, &mut found)?;
        }
        *bodies += stated(journal, &found)?;
        match page.last() {
            Some(last) if page.len() == AT_ONCE => after = Some(Cursor(last.place)),
            _ => return Ok(()),
        }
    }
}

fn stated(journal: &mut Journal, found: &[Purged]) -> Result<u64, PurgeError> {
    if !found.is_empty() {
        journal.purge(found)?;
    }
    Ok(found.len() as u64)
}

fn of_event(reading: &Reading, id: Uuid, found: &mut Vec<Purged>) -> Result<(), PurgeError> {
    if let Some(listed) = reading.event(id)?
        && let Ok(event) = &listed.event
    {
        both(&listed.place, event, found);
    }
    Ok(())
}

fn both(place: &Place, event: &Event, found: &mut Vec<Purged>) {
    kept(place, Side::Payload, event.payload.as_ref(), false, found);
    kept(place, Side::Result, event.result.as_ref(), false, found);
}

/// What was announced holds the payload too.
fn of_intent(reading: &Reading, id: Uuid, found: &mut Vec<Purged>) -> Result<(), PurgeError> {
    if let Some(Ok(sealed)) = reading.intent(id)? {
        kept(&sealed.place, Side::Payload, sealed.entry.payload.as_ref(), true, found);
    }
    Ok(())
}

fn kept(place: &Place, side: Side, body: Option<&Body>, is_intent: bool, found: &mut Vec<Purged>) {
    let Some(body) = body.filter(|body| matches!(body.text(), Text::Kept(_))) else { return };
    let of = PurgedBody { body: side, seq: place.seq, writer: place.writer };
    found.push(Purged { of, digest: *body.digest(), is_intent });
}
