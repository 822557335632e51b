//! States that the trail was restored from a backup: what was recorded after that is not in it.

use std::path::Path;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    error::AuditError,
    event::Event,
    filter::{Filter, Query, Scope},
    journal::Journal,
    ledger::{ReadFault, Reading, Wanted},
    presence::Presence,
};
use crate::store::location::Location;

/// States that the trail is one of a backup made at that time, and records `act`.
///
/// # Errors
/// When the trail cannot be opened or written.
pub fn state_restored(
    data: &Path,
    database: &Location,
    backed_up_at: DateTime<Utc>,
    act: Event,
) -> Result<(), AuditError> {
    // Whatever the backup says: nobody has to be told that entries are missing from before the newest that is there.
    let newest = newest(database).map_err(|fault| AuditError::Open(fault.to_string()))?;
    let backed_up_at = newest.map_or(backed_up_at, |newest| newest.max(backed_up_at));
    let writer = Uuid::now_v7();
    let presence = Presence::announce(data, database, writer)?;
    // Its first entry names where every chain ends now.
    let mut journal = Journal::open(data, database, writer)?;
    let stated = journal.restored(backed_up_at).and_then(|()| {
        journal.commit_again(std::iter::once(&act.into_kept())).map_err(|fault| AuditError::Write(fault.to_string()))
    });
    presence.end(&mut journal, true);
    stated
}

/// When the newest event was recorded.
fn newest(database: &Location) -> Result<Option<DateTime<Utc>>, ReadFault> {
    let all = Query::of_news(Filter::default(), Scope::Whole);
    let page = Reading::open(database)?.page(&all, None, 1, Wanted::NoBodies)?;
    Ok(page.first().map(|listed| listed.place.recorded_at))
}
