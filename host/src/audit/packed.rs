//! Archives: parts of the trail that were moved out of the database. Each is a database of the same tables, compressed, in the
//! folder `archive` beside it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, NaiveDateTime, Utc};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use uuid::Uuid;

use super::{body::Digest, statement::Archived};
use crate::store::private_file;

/// The folder of archives, beside the database.
pub const FOLDER: &str = "archive";
const ENDING: &str = ".db.gz";
/// What is half done for longer than this is left over.
const HALF_DONE: Duration = Duration::from_secs(3600);
const TIME: &str = "%Y%m%dT%H%M%S%3fZ";

/// An archive, by its file's name, which says of what time it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Archive {
    /// What is later was not moved into it.
    pub(super) until: DateTime<Utc>,
    pub(super) from: DateTime<Utc>,
    /// Its own among those of one time: databases side by side have one folder.
    tag: u32,
}

impl Archive {
    /// A new one.
    pub(super) fn new(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { until, from, tag: Uuid::new_v4().as_fields().0 }
    }

    /// As the file is called.
    pub(super) fn name(&self) -> String {
        format!("{}-{}-{:08x}{ENDING}", self.from.format(TIME), self.until.format(TIME), self.tag)
    }

    /// From a file's name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(ENDING)?.split('-');
        let mut time = || Some(NaiveDateTime::parse_from_str(parts.next()?, TIME).ok()?.and_utc());
        let (from, until) = (time()?, time()?);
        let archive = Self { from, until, tag: u32::from_str_radix(parts.next()?, 16).ok()? };
        // Written otherwise it would be another file.
        (archive.name() == name).then_some(archive)
    }

    /// Where it is.
    pub(super) fn path(&self, database: &Path) -> PathBuf {
        folder(database).join(self.name())
    }
}

/// Where the archives of a database are.
pub(super) fn folder(database: &Path) -> PathBuf {
    database.parent().unwrap_or(Path::new(".")).join(FOLDER)
}

/// Where an archive of a database belongs; `None` if that is no archive's name.
#[must_use]
pub fn path(database: &Path, name: &str) -> Option<PathBuf> {
    Archive::named(name).map(|archive| archive.path(database))
}

/// Packs a database into an archive, which is there whole or not at all, and which nobody can write to.
pub(super) fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let fresh = to.with_extension(format!("new-{}", Uuid::new_v4().simple()));
    let packed = write_packed(from, &fresh).and_then(|()| fs::rename(&fresh, to));
    if packed.is_err() {
        // What is half is nothing.
        let _ = fs::remove_file(&fresh);
    }
    packed?;
    File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn write_packed(from: &Path, to: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut packed = GzEncoder::new(io::BufWriter::new(file), Compression::default());
    io::copy(&mut File::open(from)?, &mut packed)?;
    let file = packed.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    file.sync_all()
}

/// Removes what commands that were killed have left half done.
pub(super) fn tidy(database: &Path) -> io::Result<()> {
    let files = match fs::read_dir(folder(database)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let file = file?;
        let name = file.file_name();
        let is_half = name.to_str().is_some_and(|name| name.starts_with('.') || name.contains(".new-"));
        // One that is younger may be somebody's who reads just now.
        let is_old = file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > HALF_DONE);
        if is_half && is_old {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// The SHA-256 of an archive as it is packed.
pub(super) fn digest(archive: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut buffer) = (File::open(archive)?, Context::new(&SHA256), [0; 8 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => hash.update(&buffer[..length]),
        }
    }
    // SHA-256 has 32 bytes.
    Ok(hash.finish().as_ref().try_into().unwrap_or_default())
}

/// A file of its own that ends with this: what an archive holds, or is to hold.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Without a file yet, beside the archives of a database, where there is room for them.
    pub(super) fn new(database: &Path) -> io::Result<Self> {
        let folder = folder(database);
        private_file::create_folder(&folder)?;
        Ok(Self(folder.join(format!(".{}.db", Uuid::new_v4().simple()))))
    }

    /// What an archive holds that is the file which was stated. Takes as much room as the rows took.
    pub(super) fn of(archived: &Archived, database: &Path) -> io::Result<Self> {
        let other = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let archive = Archive::named(&archived.file).ok_or_else(|| other("its name is none of an archive's"))?;
        if digest(&archive.path(database))? != archived.sha256 {
            return Err(other("it is not the file that it was: it was changed, or replaced"));
        }
        Self::unpack(&archive.path(database), database)
    }

    /// What an archive holds, whoever has written it. Takes as much room as the rows took.
    pub(super) fn unpack(archive: &Path, database: &Path) -> io::Result<Self> {
        let scratch = Self::new(database)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch.0)?;
        io::copy(&mut GzDecoder::new(io::BufReader::new(File::open(archive)?)), &mut file)?;
        file.flush()?;
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is nobody's any more; what cannot be removed only takes room.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_called_by_its_time_and_gives_back_what_was_packed() {
        let folder = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        let database = folder.join("ops.db");
        let scratch = Scratch::new(&database).expect("a folder");
        let content = b"all that there was".repeat(10_000);
        fs::write(scratch.path(), &content).expect("written");
        let time = |text: &str| text.parse().expect("a time");
        let archive = Archive::new(time("2026-10-01T00:00:00Z"), time("2026-10-31T10:00:00.123Z"));
        assert_eq!(Archive::named(&archive.name()), Some(archive.clone()));
        pack(scratch.path(), &archive.path(&database)).expect("packed");
        let unpacked = Scratch::unpack(&archive.path(&database), &database).expect("unpacked");
        assert_eq!(fs::read(unpacked.path()).expect("read"), content);
        assert_ne!(digest(&archive.path(&database)).expect("read"), digest(unpacked.path()).expect("read"));
        let sha256 = digest(&archive.path(&database)).expect("read");
        let stated = |sha256| Archived { chains: Vec::new(), file: archive.name(), sha256 };
        drop(Scratch::of(&stated(sha256), &database).expect("the one that was stated"));
        assert!(Scratch::of(&stated([0; 32]), &database).is_err());
        drop((scratch, unpacked));
        assert_eq!(fs::read_dir(folder.join(FOLDER)).expect("there").count(), 1, "nothing else is left");
        for other in ["ops.db", "20261001T000000000Z.db.gz", "a-b.db.gz", "20261001T000000000Z-20261031T100000123Z.db"]
        {
            assert_eq!(Archive::named(other), None, "{other}");
        }
        fs::remove_dir_all(&folder).expect("removed");
    }
}
