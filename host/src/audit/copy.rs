//! Brings a trail from a file to a server, with its proof: entries, signatures and sums as they are, so that each chain verifies
//! there as it did here. What was interrupted is gone on with, and what is there already is left as it is.

use std::path::Path;

use rusqlite::Connection;
use uuid::Uuid;

use super::{
    key::PublicKey,
    ledger::{
        Stretch,
        postgres::Import,
        sqlite::{behind, head_at, moving, ties, writers},
    },
    liveness,
    packed::Scratch,
    seal::Head,
    verify::{Report, VerifyError, verify},
};
use crate::{
    store::{
        location::Location,
        postgres::{PostgresError, Settings},
        sqlite::{open_alone, open_read_only},
    },
    text::plain,
};

/// Entries that are brought over in one transaction, and the batch that reaches that number.
const AT_ONCE: usize = 256;

/// Why a trail was not copied, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A hub still writes to it.
    #[error("a hub writes to this trail: end it, then copy what it has written")]
    InUse,
    /// The trail, here or there, is not as it was written.
    #[error("{place} does not verify, {number} problems, first: {first}. Run `bulkhead audit verify` on it")]
    Tampered {
        /// Which of the two.
        place: &'static str,
        /// How much is wrong.
        number: usize,
        /// The first of it.
        first: String,
    },
    /// Both have a chain, and not the same.
    #[error(
        "hub run {writer} is there already, and not as it is here at entry {seq}: one of the two was changed, or this is an older copy. \
         Run `bulkhead audit verify` on both"
    )]
    Differs {
        /// Whose chain.
        writer: Uuid,
        /// Where.
        seq: i64,
    },
    /// It cannot be read.
    #[error("the trail cannot be read: {0}. Run `bulkhead audit verify`")]
    Unreadable(String),
    /// It cannot be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The server cannot be reached, or refuses.
    #[error("{0}. What was copied stays there: run the command again, and it goes on")]
    Postgres(#[from] PostgresError),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// How much was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Entries: events, intents and statements.
    pub entries: u64,
    /// Chains of which something was copied.
    pub writers: u64,
}

/// Copies the trail in a file to a server, and verifies it there. `trusted` are keys as [`verify`] takes them.
///
/// # Errors
/// When it is in use, does not verify here or there, or is there otherwise; and when it cannot be read or written.
pub fn copy(data: &Path, from: &Path, to: &Settings, trusted: &[PublicKey]) -> Result<Copied, CopyError> {
    let source = Location::from(from);
    honest("the trail here", verify(data, &source, trusted, &[])?)?;
    if liveness::is_not_alone(data, Uuid::nil()) {
        return Err(CopyError::InUse);
    }
    let connection = open_read_only(from).map_err(VerifyError::from)?;
    // One transaction: all that is copied is of one moment.
    connection.execute_batch("BEGIN")?;
    let archives = archives(from, &connection)?;
    let mut import = Import::open(to)?;
    let mut copied = Copied::default();
    let writers = writers(&connection)?;
    for writer in &writers {
        let entries = chain(&connection, &archives, &mut import, *writer)?;
        copied.entries += entries;
        copied.writers += u64::from(entries > 0);
    }
    import.tie(&ties(&connection)?)?;
    import.release(&writers)?;
    honest("the trail there", verify(data, &Location::Postgres(to.clone()), trusted, &[])?)?;
    Ok(copied)
}

/// What was moved out of the database. It has verified: so all of it is there.
fn archives(file: &Path, connection: &Connection) -> Result<Vec<Connection>, CopyError> {
    let mut archives = Vec::new();
    for archived in moving::stated_in(connection)? {
        let unreadable =
            |why: String| CopyError::Unreadable(format!("the archive {}: {why}", plain::name(&archived.file)));
        let unpacked = Scratch::of(&archived, file).map_err(|error| unreadable(error.to_string()))?;
        // The file goes with `unpacked`, and stays for as long as it is open.
        archives.push(open_alone(unpacked.path()).map_err(|error| unreadable(error.to_string()))?);
    }
    Ok(archives)
}

fn honest(place: &'static str, report: Report) -> Result<(), CopyError> {
    let number = report.problems.len();
    match report.problems.into_iter().next() {
        Some(first) => Err(CopyError::Tampered { place, number, first }),
        None => Ok(()),
    }
}

/// Copies what the server does not have of a chain; gives the number of entries.
fn chain(
    connection: &Connection,
    archives: &[Connection],
    import: &mut Import,
    writer: Uuid,
) -> Result<u64, CopyError> {
    let head = match import.newest(writer)? {
        None => Head::NONE,
        // A head stands for all that is before it.
        Some(there) if head_at(connection, writer, there.seq)? == Some(there) => there,
        Some(there) => return Err(CopyError::Differs { writer, seq: there.seq }),
    };
    let (mut waiting, mut copied, mut failed) = (Vec::<Stretch>::new(), 0, None);
    behind(connection, archives, writer, head, &mut |stretch| {
        let added = stretch.map_err(CopyError::Unreadable).and_then(|stretch| {
            waiting.push(stretch);
            let entries = count(&waiting);
            if entries >= AT_ONCE {
                import.add(writer, &std::mem::take(&mut waiting))?;
                copied += entries as u64;
            }
            Ok(())
        });
        failed = added.err();
        failed.is_none()
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !waiting.is_empty() {
        import.add(writer, &waiting)?;
        copied += count(&waiting) as u64;
    }
    Ok(copied)
}

fn count(stretches: &[Stretch]) -> usize {
    stretches.iter().map(|stretch| stretch.entries.len()).sum()
}
