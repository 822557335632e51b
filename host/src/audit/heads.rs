//! Where the trail stands now, for whoever wants to keep that elsewhere.

use std::path::Path;

use uuid::Uuid;

use super::{
    certificate,
    checkpoint::Document,
    key::AuditKey,
    ledger::{postgres, sqlite},
    verify::{VerifyError, must_exist},
    vouched::vouched_for,
};
use crate::store::{location::Location, postgres::Session, sqlite::open_read_only};

/// A signed checkpoint of the database as it is, in one line. It says nothing of whether that was tampered with before.
///
/// # Errors
/// When the database or the key in `data` cannot be read.
pub fn checkpoint(data: &Path, database: &Location) -> Result<String, VerifyError> {
    must_exist(database)?;
    let key = AuditKey::read(data)?.ok_or_else(|| VerifyError::Missing(AuditKey::path(data)))?;
    // Nobody has this id: so all chains are others'.
    let nobody = Uuid::nil();
    let untied = match database {
        Location::File(file) => sqlite::untied(&open_read_only(file)?, nobody)?,
        Location::Postgres(settings) => postgres::untied(&mut Session::open_to_read(settings.clone())?, nobody)?,
    };
    let keys = certificate::with_predecessors(key.public(), &certificate::read(data)?);
    let untied = vouched_for(&keys, untied);
    Ok(Document::sign(&key, untied.into_iter().map(|untied| untied.tie).collect()).line())
}
