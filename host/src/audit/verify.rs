//! Walks the trail and says where it was cut or changed: `docs/audit-format.md`.

mod chain;
mod report;
mod ties;

use std::path::{Path, PathBuf};

use chain::Chains;
pub use report::Report;

use super::{
    key::{AuditKey, PublicKey},
    ledger::{postgres, sqlite::walk},
};
use crate::store::{
    location::Location,
    postgres::{PostgresError, Session, Settings},
    schema,
    sqlite::{self, StoreError},
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
    /// The key cannot be read.
    #[error("the audit key cannot be read: {0}")]
    Key(#[from] std::io::Error),
}

/// Walks every writer's chain. Signatures are held against the key in `data`, or against `trusted` if any key is named.
///
/// # Errors
/// When the trail or its key cannot be read.
pub fn verify(data: &Path, database: &Location, trusted: &[PublicKey]) -> Result<Report, VerifyError> {
    match database {
        Location::File(file) => verify_file(data, file, trusted),
        Location::Postgres(settings) => verify_server(data, settings, trusted),
    }
}

fn verify_server(data: &Path, settings: &Settings, trusted: &[PublicKey]) -> Result<Report, VerifyError> {
    let trusted = if trusted.is_empty() { vec![own_key(data)?] } else { trusted.to_vec() };
    let mut session = Session::open_to_read(settings.clone())?;
    let (mut report, mut chains) = (Report::default(), Chains::new(trusted));
    postgres::walk(&mut session, &mut |found| chains.visit(found, &mut report))?;
    chains.end(&mut report);
    Ok(report)
}

fn verify_file(data: &Path, database: &Path, trusted: &[PublicKey]) -> Result<Report, VerifyError> {
    // Nothing is made here, not even a folder: whoever verifies an empty place is told so.
    if !database.exists() {
        return Err(VerifyError::Missing(database.to_owned()));
    }
    let trusted = if trusted.is_empty() { vec![own_key(data)?] } else { trusted.to_vec() };
    let connection = sqlite::open_read_only(database)?;
    // One transaction: the walk sees one moment of a database that is being written to.
    connection.execute_batch("BEGIN")?;
    let mut report = Report::default();
    for difference in schema::differences(&connection, sqlite::version(&connection)?.min(schema::VERSION))? {
        report.problem(format!("the schema of the database was changed: {difference}"));
    }
    let mut chains = Chains::new(trusted);
    let walked = walk(&connection, &mut |found| chains.visit(found, &mut report));
    chains.end(&mut report);
    match walked {
        // What is not there any more cannot be read.
        Err(error) if !report.problems.is_empty() => {
            report.problem(format!("the rows cannot be read to the end: {error}"));
        }
        walked => walked?,
    }
    Ok(report)
}

fn own_key(data: &Path) -> Result<PublicKey, VerifyError> {
    let key = AuditKey::read(data)?.ok_or_else(|| VerifyError::Missing(AuditKey::path(data)))?;
    Ok(key.public())
}
