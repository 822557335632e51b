//! Walks the trail and says where it was cut or changed: `docs/audit-format.md`.

mod chain;
mod purges;
mod report;
mod rollups;
mod ties;

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use chain::Chains;
pub use report::Report;

use super::{
    certificate,
    checkpoint::{CheckpointError, Checkpoints},
    key::{AuditKey, PublicKey},
    ledger::{
        postgres,
        sqlite::{moving, walk},
    },
    packed::{self, Scratch},
};
use crate::{
    store::{
        location::Location,
        postgres::{PostgresError, Session, Settings},
        schema,
        sqlite::{self, StoreError},
    },
    text::plain,
};

/// Why the trail could not be walked to its end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something that a trail consists of is not there.
    #[error("there is no audit trail to verify: {} is missing (is this the hub's --data and --database-url?)", .0.display())]
    Missing(PathBuf),
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be read.
    #[error(
        "the audit trail cannot be read: this is no database of a hub's, or it is damaged (is it the --data or --database-url of the hub?)"
    )]
    Read(#[from] rusqlite::Error),
    /// The database cannot be read, or reached.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A file of checkpoints cannot be used.
    #[error(transparent)]
    Checkpoints(#[from] CheckpointError),
    /// The key cannot be read.
    #[error("the audit key cannot be read: {0}")]
    Key(#[from] std::io::Error),
}

/// Walks every writer's chain. Signatures are held against the key in `data`, or against `trusted` if any key is named; what
/// is there, against what the `checkpoints` in files of somewhere else say was there.
///
/// # Errors
/// When the trail or its key cannot be read.
pub fn verify(
    data: &Path,
    database: &Location,
    trusted: &[PublicKey],
    checkpoints: &[PathBuf],
) -> Result<Report, VerifyError> {
    must_exist(database)?;
    let trusted = trusted_keys(data, trusted)?;
    let Checkpoints { heads, problems } = Checkpoints::read(checkpoints, &trusted)?;
    let mut report = Report::default();
    for problem in problems {
        report.problem(problem);
    }
    let chains = Chains::new(trusted, heads);
    match database {
        Location::File(file) => verify_file(file, chains, report),
        Location::Postgres(settings) => verify_server(settings, chains, report),
    }
}

/// Nothing is made here, not even a folder: whoever verifies an empty place is told so.
///
/// # Errors
/// When there is no such file.
pub fn must_exist(database: &Location) -> Result<(), VerifyError> {
    match database {
        Location::File(file) if !file.exists() => Err(VerifyError::Missing(file.clone())),
        Location::File(_) | Location::Postgres(_) => Ok(()),
    }
}

fn verify_server(settings: &Settings, mut chains: Chains, mut report: Report) -> Result<Report, VerifyError> {
    let mut session = Session::open_to_read(settings.clone())?;
    for difference in session.differences()? {
        report.problem(format!("the schema of the database was changed: {difference}"));
    }
    let walked = postgres::walk(&mut session, &mut |found| chains.visit(found, &mut report));
    chains.end(&mut report);
    ended(walked, report)
}

fn verify_file(database: &Path, mut chains: Chains, mut report: Report) -> Result<Report, VerifyError> {
    let connection = sqlite::open_read_only(database)?;
    // One transaction: the walk sees one moment of a database that is being written to.
    connection.execute_batch("BEGIN")?;
    let archives = archives(database, &connection, &mut chains, &mut report)?;
    let version = sqlite::version(&connection)?;
    if version > schema::VERSION {
        report.problem(format!(
            "the database says that its schema is {version}, and this program knows none above {}: somebody has changed that, or a \
             newer hub has written it",
            schema::VERSION
        ));
    }
    for difference in schema::differences(&connection, version.min(schema::VERSION))? {
        report.problem(format!("the schema of the database was changed: {difference}"));
    }
    let walked = walk(&connection, &archives, &mut |found| chains.visit(found, &mut report));
    chains.end(&mut report);
    for (writer, seq) in moving::put_back(&connection)? {
        report.problem(format!(
            "entry {seq} of hub run {writer} is in an archive, with its answer, and somebody has put it back without that"
        ));
    }
    ended(walked, report)
}

/// What is not there any more cannot be read.
fn ended<E: Display + Into<VerifyError>>(walked: Result<(), E>, mut report: Report) -> Result<Report, VerifyError> {
    match walked {
        Err(error) if !report.problems.is_empty() => {
            report.problem(format!("the rows cannot be read to the end: {error}"));
        }
        walked => walked.map_err(Into::into)?,
    }
    Ok(report)
}

/// Opens what was moved out of the database, where it is the file that was stated. The statements are in chains.
fn archives(
    database: &Path,
    connection: &rusqlite::Connection,
    chains: &mut Chains,
    report: &mut Report,
) -> Result<Vec<rusqlite::Connection>, VerifyError> {
    let mut archives = Vec::new();
    for archived in moving::stated_in(connection)? {
        let unpacked = Scratch::of(&archived, database)
            .map_err(|error| error.to_string())
            .and_then(|unpacked| sqlite::open_alone(unpacked.path()).map_err(|error| error.to_string()));
        match unpacked {
            Ok(archive) => archives.push(archive),
            Err(why) => {
                let (file, moved) = (archived.file, archived.chains);
                let entries: i64 = moved.iter().map(|moved| moved.entries).sum();
                report.problem(format!(
                    "the archive {}, with {entries} entries, cannot be read: {why}. Put it back into `{}`",
                    plain::name(&file),
                    packed::folder(database).display()
                ));
                chains.are_absent(moved);
            }
        }
    }
    Ok(archives)
}

/// Those that are named, and those that they have signed; or that of the data folder, and those that came before it.
fn trusted_keys(data: &Path, named: &[PublicKey]) -> Result<Vec<PublicKey>, VerifyError> {
    let certificates = certificate::read(data)?;
    if named.is_empty() {
        return Ok(certificate::with_predecessors(own_key(data)?, &certificates));
    }
    let mut trusted = named.to_vec();
    certificate::trust_signed(&mut trusted, &certificates);
    Ok(trusted)
}

fn own_key(data: &Path) -> Result<PublicKey, VerifyError> {
    let key = AuditKey::read(data)?.ok_or_else(|| VerifyError::Missing(AuditKey::path(data)))?;
    Ok(key.public())
}

#[cfg(test)]
mod tests;
