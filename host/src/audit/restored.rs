//! States that the trail was restored from a backup: what was recorded after that is not in it.

use std::path::Path;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{error::AuditError, event::Event, journal::Journal, presence::Presence};
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
