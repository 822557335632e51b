//! Moves what is old out of the database into archives, so that the room comes back. Nothing leaves before its archive has been
//! read again and compared; a signed statement names the archive before the first row goes.

use std::{io, path::Path, time::Duration};

use chrono::{DateTime, Datelike as _, TimeZone as _, Utc};
use uuid::Uuid;

use super::{
    error::AuditError,
    journal::Journal,
    ledger::sqlite,
    liveness,
    packed::{self, Archive, Scratch},
    presence::Presence,
    statement::{Archived, Moved},
    verify::{self, VerifyError},
};
use crate::store::{location::Location, lock::FileLock, sqlite::StoreError};

/// How long another command that archives is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why nothing more was archived. What was archived before stays so.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no way yet to do this on a server.
    #[error(
        "only trails in SQLite can be archived: on PostgreSQL the owner of the schema can move rows into tables of his own"
    )]
    Unsupported,
    /// The trail is not in order.
    #[error(
        "the trail does not verify, and nothing is moved out of it ({}): run `bulkhead audit verify`", .0
    )]
    Unsound(String),
    /// What was packed is not what is there.
    #[error(
        "the archive {0} does not hold what the database holds, so nothing was removed: check the disk, and try again"
    )]
    Different(String),
    /// Another command archives.
    #[error("another `bulkhead audit archive` or `purge` is at work on this trail: wait for its end")]
    Busy,
    /// An archive that was stated is not there, while its rows are.
    #[error("the archive {0} was stated and is not there any more: put it back into the folder `archive`")]
    Missing(String),
    /// The trail cannot be walked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The database or an archive cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be written or read.
    #[error("the archive cannot be written: {0} (is there room for it beside the database?)")]
    File(#[from] io::Error),
    /// The statement cannot be written.
    #[error("that it was archived cannot be stated, and nothing was removed: {0}")]
    Statement(#[from] AuditError),
}

/// What was moved.
#[derive(Debug)]
pub struct Moving {
    /// The archives that were made, by the names of their files, each with how many rows it holds.
    pub archives: Vec<(String, i64)>,
    /// Whether the file is smaller now. While a hub runs, its room is used again and not given back.
    pub is_shrunk: bool,
}

/// Moves what was recorded before a time into archives, one for each month.
///
/// # Errors
/// When the trail does not verify, or something cannot be written. A row is in the database or in a whole archive at any moment.
pub fn archive(data: &Path, database: &Location, before: DateTime<Utc>) -> Result<Moving, ArchiveError> {
    let Location::File(file) = database else { return Err(ArchiveError::Unsupported) };
    verify::must_exist(database)?;
    let _alone = alone(data)?;
    must_verify(data, database)?;
    let (own, before) = (Uuid::now_v7(), before.min(Utc::now()));
    let presence = Presence::announce(data, database, own)?;
    let mut journal = Journal::open(data, database, own)?;
    let moved = all(&mut journal, file, before);
    presence.end(&mut journal, true);
    drop(journal);
    let archives = moved?;
    let is_shrunk = !archives.is_empty() && !liveness::is_not_alone(data, own);
    if is_shrunk {
        sqlite::moving::shrink(file)?;
    }
    must_verify(data, database)?;
    Ok(Moving { archives, is_shrunk })
}

/// The files of the folder `archive` that belong to a database.
///
/// # Errors
/// When the database cannot be read.
pub fn archives(database: &Path) -> Result<Vec<String>, StoreError> {
    Ok(sqlite::moving::stated(database)?.into_iter().map(|archived| archived.file).collect())
}

/// Whoever takes something out of the database does so alone.
pub(super) fn alone(data: &Path) -> Result<FileLock, ArchiveError> {
    match FileLock::acquire(&data.join("archive.lock"), PATIENCE) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(ArchiveError::Busy),
        lock => Ok(lock?),
    }
}

fn must_verify(data: &Path, database: &Location) -> Result<(), ArchiveError> {
    let report = verify::verify(data, database, &[], &[])?;
    report.problems.into_iter().next().map_or(Ok(()), |problem| Err(ArchiveError::Unsound(problem)))
}

/// Removes what is in archives from the database, where a command was broken off before it had.
pub(super) fn finish(file: &Path) -> Result<(), ArchiveError> {
    packed::tidy(file)?;
    for archived in sqlite::moving::stated(file)? {
        let Some(archive) = Archive::named(&archived.file).filter(|archive| archive.path(file).exists()) else {
            return Err(ArchiveError::Missing(archived.file));
        };
        // A command that was broken off may have stated it and not removed what it holds.
        if sqlite::moving::has_rows_before(file, archive.until.timestamp_millis())? {
            remove(file, &archived)?;
        }
    }
    Ok(())
}

fn all(journal: &mut Journal, file: &Path, before: DateTime<Utc>) -> Result<Vec<(String, i64)>, ArchiveError> {
    finish(file)?;
    let mut archives = Vec::new();
    let mut from = DateTime::<Utc>::MIN_UTC;
    while let Some(oldest) = oldest(file, from, before)? {
        from = end_of_month(oldest).min(before);
        archives.extend(one(journal, file, &Archive::new(oldest, from))?);
    }
    Ok(archives)
}

/// The time of the oldest row that is not earlier than `from`: rows that had to stay are not tried again.
fn oldest(file: &Path, from: DateTime<Utc>, before: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ArchiveError> {
    let oldest = sqlite::moving::oldest(file, from.timestamp_millis(), before.timestamp_millis())?;
    Ok(oldest.and_then(DateTime::from_timestamp_millis))
}

fn end_of_month(at: DateTime<Utc>) -> DateTime<Utc> {
    let (year, month) = if at.month() == 12 { (at.year() + 1, 1) } else { (at.year(), at.month() + 1) };
    Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0).earliest().unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Makes one archive, states it, and removes what is in it. `None` if there is nothing that can go.
fn one(journal: &mut Journal, file: &Path, archive: &Archive) -> Result<Option<(String, i64)>, ArchiveError> {
    let (name, packed) = (archive.name(), archive.path(file));
    let chains = copied(file, archive)?;
    let entries = chains.iter().map(|chain| chain.entries).sum();
    if entries == 0 {
        return Ok(None);
    }
    let unpacked = Scratch::unpack(&packed, file)?;
    if !sqlite::moving::is_true_copy(file, unpacked.path(), entries)? {
        return Err(ArchiveError::Different(name));
    }
    drop(unpacked);
    let stated = Archived { chains, file: name.clone(), sha256: packed::digest(&packed)? };
    journal.archived(&stated)?;
    remove(file, &stated)?;
    Ok(Some((name, entries)))
}

/// Copies the rows of a time and packs them.
fn copied(file: &Path, archive: &Archive) -> Result<Vec<Moved>, ArchiveError> {
    let scratch = Scratch::new(file)?;
    let (from, until) = (archive.from.timestamp_millis(), archive.until.timestamp_millis());
    let chains = sqlite::moving::copy(file, scratch.path(), from, until)?;
    if !chains.is_empty() {
        packed::pack(scratch.path(), &archive.path(file))?;
    }
    Ok(chains)
}

fn remove(file: &Path, archived: &Archived) -> Result<(), ArchiveError> {
    let unpacked = Scratch::of(archived, file)?;
    Ok(sqlite::moving::remove(file, unpacked.path())?)
}
