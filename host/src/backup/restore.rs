//! Restores a backup, and has the audit trail say so.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use age::{Decryptor, x25519::Identity};
use flate2::bufread::GzDecoder;
use tar::{Archive, Entry};

use super::{
    contents::{DATABASE, FILES, MANIFEST},
    error::BackupError,
    manifest::Manifest,
};
use crate::{
    audit::{self, AuditKey, Event},
    identity::{self, LocalKeys},
    store::{location::Location, private_file, scratch::ScratchFolder, sqlite},
    vault::{self, LocalVault},
};

/// The largest manifest, and the largest file but for the database, in bytes.
const SMALL: u64 = 4 * 1024 * 1024;

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// Files of the folder `archive` that belong to the database and are not there.
    pub missing_archives: Vec<String>,
}

/// The identities in a file as `age-keygen` writes it: one in a line, comments begin with `#`.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn identities(file: &Path) -> Result<Vec<Identity>, BackupError> {
    let absent = || io::Error::new(io::ErrorKind::NotFound, "there is no such file");
    let bytes = private_file::read(file).and_then(|bytes| bytes.ok_or_else(absent));
    let text = String::from_utf8(bytes.map_err(BackupError::of(file))?).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found: Option<Vec<_>> = lines.map(|line| line.parse().ok()).collect();
    found.filter(|found| !found.is_empty()).ok_or_else(|| BackupError::NoIdentity(file.to_owned()))
}

/// Restores a backup into a data folder in which nothing is yet but archives, and a database file that is not there yet. The trail then has a signed
/// statement of the gap, and the row that `act` makes. Blocking.
///
/// # Errors
/// When it cannot be decrypted, is no backup, or something is in the way or cannot be written.
pub fn restore(
    backup: &Path,
    identities: &[Identity],
    data: &Path,
    database: &Location,
    act: impl FnOnce(&Manifest) -> Event,
) -> Result<Restored, BackupError> {
    is_free(data, database)?;
    let scratch = ScratchFolder::within(data).map_err(BackupError::of(data))?;
    let file = BufReader::new(File::open(backup).map_err(BackupError::of(backup))?);
    let decrypted = Decryptor::new_buffered(file)?.decrypt(identities.iter().map(|identity| identity as _))?;
    let (manifest, names) = unpack(BufReader::new(decrypted), scratch.path())?;
    is_usable(&names, scratch.path())?;
    place(&names, scratch.path(), data, database)?;
    if !matches!((manifest.has_database, database), (false, Location::File(_))) {
        audit::state_restored(data, database, manifest.made_at, act(&manifest)).map_err(BackupError::NotStated)?;
    }
    let is_missing = |archive: &&String| match database {
        Location::File(file) => !audit::archive_path(file, archive).is_some_and(|path| path.exists()),
        Location::Postgres(_) => false,
    };
    let missing_archives = manifest.archives.iter().filter(is_missing).cloned().collect();
    Ok(Restored { manifest, missing_archives })
}

/// Whether there is nothing yet where it is to be put: in the data folder nothing but archives, which a backup does not hold.
fn is_free(data: &Path, database: &Location) -> Result<(), BackupError> {
    for entry in fs::read_dir(data).map_err(BackupError::of(data))? {
        let name = entry.map_err(BackupError::of(data))?.file_name();
        if name != audit::ARCHIVES && !ScratchFolder::is_one(&name) {
            return Err(BackupError::InTheWay(data.join(name)));
        }
    }
    match database {
        Location::File(file) if fs::symlink_metadata(file).is_ok() => Err(BackupError::InTheWay(file.clone())),
        Location::File(_) | Location::Postgres(_) => Ok(()),
    }
}

/// Whether a hub could go on with what was unpacked: before anything of it is in its place.
fn is_usable(names: &BTreeSet<&str>, folder: &Path) -> Result<(), BackupError> {
    let broken = |name: &str, why: String| BackupError::Content(format!("`{name}` in it cannot be used: {why}"));
    if names.contains(identity::KEY_FILE) {
        LocalKeys::open(folder).map_err(|_| broken(identity::KEY_FILE, "it is no key".to_owned()))?;
    }
    if names.contains(vault::VAULT_FILE) {
        let read = LocalVault::open(folder).and_then(|vault| vault.read());
        read.map_err(|error| broken(vault::VAULT_FILE, error.to_string()))?;
    }
    let key = AuditKey::read(folder).map_err(|error| broken(audit::KEY_FILE, error.to_string()))?;
    if names.contains(DATABASE) {
        if key.is_none() {
            return Err(BackupError::Content(format!(
                "it lacks `{}`, which its database is signed with",
                audit::KEY_FILE
            )));
        }
        sqlite::open_alone(&folder.join(DATABASE)).map_err(|error| broken(DATABASE, error.to_string()))?;
    }
    Ok(())
}

/// Unpacks what is known by name, and nothing else, whatever the archive says of places, links and rights.
fn unpack(content: impl io::BufRead, to: &Path) -> Result<(Manifest, BTreeSet<&'static str>), BackupError> {
    let broken = |error: io::Error| BackupError::Content(format!("it cannot be read to its end ({error})"));
    let mut tar = Archive::new(GzDecoder::new(content));
    let mut entries = tar.entries().map_err(broken)?;
    let first = entries.next().ok_or_else(|| BackupError::Content("it is empty".to_owned()))?.map_err(broken)?;
    if known(&first)? != MANIFEST {
        return Err(BackupError::Content(format!("it does not begin with `{MANIFEST}`")));
    }
    let mut text = Vec::new();
    first.take(SMALL).read_to_end(&mut text).map_err(broken)?;
    let manifest = Manifest::read(&text)?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(broken)?;
        let name = known(&entry)?;
        if name == MANIFEST || !names.insert(name) {
            return Err(BackupError::Content(format!("`{name}` is in it twice")));
        }
        if name != DATABASE && entry.size() > SMALL {
            return Err(BackupError::Content(format!("`{name}` is larger than the hub's ever is")));
        }
        write(entry, &to.join(name)).map_err(broken)?;
    }
    if manifest.has_database != names.contains(DATABASE) {
        return Err(BackupError::Content("it does not hold what its manifest says".to_owned()));
    }
    Ok((manifest, names))
}

/// The name of a file that a backup has.
fn known<R: Read>(entry: &Entry<'_, R>) -> Result<&'static str, BackupError> {
    let path = entry.path_bytes();
    let mut names = FILES.into_iter().chain([DATABASE, MANIFEST]);
    names.find(|name| entry.header().entry_type().is_file() && name.as_bytes() == &*path).ok_or_else(|| {
        let name = crate::text::plain::name(&String::from_utf8_lossy(&path));
        BackupError::Content(format!("it holds `{name}`, which is no file of a hub's"))
    })
}

fn write(mut from: impl Read, to: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut from, &mut file)?;
    file.sync_all()
}

/// Puts everything in its place, the database last: without it no hub would take the rest for its own.
fn place(names: &BTreeSet<&str>, from: &Path, data: &Path, database: &Location) -> Result<(), BackupError> {
    let place_of = |name: &str| match database {
        Location::File(file) if name == DATABASE => file.clone(),
        _ => data.join(name),
    };
    let mut order: Vec<_> = names.iter().collect();
    order.sort_by_key(|name| **name == DATABASE);
    for name in order {
        let place: PathBuf = place_of(name);
        move_to(&from.join(name), &place).map_err(BackupError::of(place))?;
    }
    Ok(())
}

/// Another file system may be where the database belongs.
fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => write(File::open(from)?, to),
        moved => moved,
    }
}
