//! Makes a backup, also while hubs run.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use age::{Encryptor, x25519::Recipient};
use chrono::Utc;
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, Header};
use uuid::Uuid;

use super::{
    contents::{DATABASE, FILES, MANIFEST},
    error::BackupError,
    manifest::Manifest,
};
use crate::{
    audit,
    store::{location::Location, private_file, scratch::ScratchFolder, sqlite},
};

/// A backup that was made.
#[derive(Debug)]
pub struct Made {
    /// What it says of itself.
    pub manifest: Manifest,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// Makes a backup of the hub whose data folder and database these are, that whoever holds the identity of one of `recipients`
/// can read. The file is there whole or not at all. Blocking; takes as much room in the data folder as the database does.
///
/// # Errors
/// When something cannot be read, or the file is there already or cannot be written.
pub fn make(data: &Path, database: &Location, recipients: &[Recipient], to: &Path) -> Result<Made, BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let made_at = Utc::now();
    let scratch = ScratchFolder::within(data).map_err(BackupError::of(data))?;
    let copy = copied(database, &scratch)?;
    let archives = match &copy {
        Some(copy) => audit::archives(copy)?,
        None => Vec::new(),
    };
    let manifest = Manifest::new(made_at, copy.is_some(), archives);
    let fresh = to.with_extension(format!("new-{}", Uuid::new_v4().simple()));
    let written = Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as _))
        .map_err(BackupError::Encrypt)
        .and_then(|encryptor| {
            let written = write(encryptor, &fresh, &manifest, data, copy.as_deref());
            written.and_then(|()| fs::rename(&fresh, to)).map_err(BackupError::of(to))
        });
    if written.is_err() {
        // What is half is no backup.
        let _ = fs::remove_file(&fresh);
    }
    written?;
    let bytes = fs::metadata(to).map_err(BackupError::of(to))?.len();
    Ok(Made { manifest, bytes })
}

/// The database at one moment. That of a server is backed up there.
fn copied(database: &Location, scratch: &ScratchFolder) -> Result<Option<PathBuf>, BackupError> {
    let Location::File(file) = database else { return Ok(None) };
    let copy = scratch.path().join(DATABASE);
    audit::must_exist(database)?;
    private(&copy).map_err(BackupError::of(&copy))?;
    sqlite::copy_whole(file, &copy)?;
    Ok(Some(copy))
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(encryptor: Encryptor, to: &Path, manifest: &Manifest, data: &Path, copy: Option<&Path>) -> io::Result<()> {
    let encrypted = encryptor.wrap_output(BufWriter::new(private(to)?))?;
    let mut tar = Builder::new(GzEncoder::new(encrypted, Compression::default()));
    add(&mut tar, MANIFEST, &serde_json::to_vec(manifest)?)?;
    for name in FILES {
        if let Some(content) = private_file::read(&data.join(name))? {
            add(&mut tar, name, &content)?;
        }
    }
    if let Some(copy) = copy {
        let mut file = File::open(copy)?;
        let mut header = header(file.metadata()?.len());
        tar.append_data(&mut header, DATABASE, &mut file)?;
    }
    let file = tar.into_inner()?.finish()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn add(tar: &mut Builder<impl Write>, name: &str, content: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(content.len() as u64), name, content)
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header
}
