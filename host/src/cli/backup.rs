//! `bulkhead backup` and `bulkhead restore`.

use std::process::ExitCode;

use age::secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::{
    options::{BackupOptions, Options, RestoreOptions},
    recorded::{Began, event, recorded},
};
use crate::{
    audit::{self, AuditKey},
    backup::{self, Identity, Made, Restored},
    names::OperationKind,
    store::{location::Location, private_file},
};

pub(super) fn make(options: &Options, asked: &BackupOptions) -> anyhow::Result<ExitCode> {
    if let Some(file) = &asked.new_identity {
        return new_identity(file);
    }
    let Some(to) = &asked.to else { return Ok(ExitCode::FAILURE) };
    let database = options.database()?;
    audit::must_exist(&database)?;
    let data = options.data.canonicalize()?;
    let recipients: Vec<_> = asked.recipients.iter().map(|key| Value::from(key.to_string())).collect();
    let told = Map::from_iter([
        ("to".to_owned(), Value::from(to.to_string_lossy())),
        ("recipients".to_owned(), recipients.into()),
    ]);
    let Made { manifest, bytes } =
        recorded(options, OperationKind::Backup, told, || Ok(backup::make(&data, &database, &asked.recipients, to)?))?;
    println!("{}: {bytes} bytes, all that was recorded until {}", to.display(), manifest.made_at.to_rfc3339());
    for archive in &manifest.archives {
        println!("not in it, keep it beside: archive/{archive}");
    }
    if !manifest.has_database {
        println!("the database is not in it: dump it now, with `pg_dump --schema ops` as its owner");
    }
    Ok(ExitCode::SUCCESS)
}

fn new_identity(file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let identity = Identity::generate();
    let public = identity.to_public();
    let text = format!("# public key: {public}\n{}\n", identity.to_string().expose_secret());
    let is_new = private_file::read_or_create(file, || Ok(text.clone().into_bytes()))? == text.as_bytes();
    anyhow::ensure!(is_new, "{} is there already: name another file", file.display());
    eprintln!("keep {} far from this machine: without it no backup can be read", file.display());
    println!("{public}");
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(options: &Options, asked: &RestoreOptions) -> anyhow::Result<ExitCode> {
    private_file::own_folder(&options.data)?;
    let (data, database) = (options.data.canonicalize()?, options.database()?);
    let (identities, began) = (backup::identities(&asked.identity)?, Began::now());
    let restored = backup::restore(&asked.backup, &identities, &data, &database, |manifest| {
        let told = [
            ("backup", Value::from(asked.backup.to_string_lossy())),
            ("made_at", manifest.made_at.to_rfc3339().into()),
        ];
        event(OperationKind::Restore, &began, Map::from_iter(told.map(|(name, value)| (name.to_owned(), value))), None)
    })?;
    let Restored { manifest, missing_archives } = restored;
    println!(
        "restored from {}, which bulkhead {} made on {}",
        asked.backup.display(),
        manifest.hub,
        manifest.made_at.to_rfc3339()
    );
    if let Some(key) = AuditKey::read(&data)? {
        println!("the audit trail is signed with {}: is that the key that you have kept elsewhere?", key.public());
    }
    for archive in &missing_archives {
        println!("missing: put the archive {archive} back into `archive` beside the database");
    }
    if let (false, Location::File(_)) = (manifest.has_database, &database) {
        println!(
            "the database was on a server: restore it there, then say so: the same command with its --database-url, in another empty data folder"
        );
    }
    println!("inputs and outputs that were purged after it are back: purge them again");
    println!("now run `bulkhead audit verify`, with --checkpoint FILE if you have checkpoints from elsewhere");
    Ok(ExitCode::SUCCESS)
}
