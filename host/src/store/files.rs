//! The database's files: made for their owner alone, and still those that the connection has open.

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::private_file;

/// Which file of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The database itself.
    Main,
    /// What is committed and not yet in it (`-wal`).
    Wal,
    /// The index of that, which the connections share (`-shm`).
    Shm,
}

impl Part {
    const ALL: [Self; 3] = [Self::Main, Self::Wal, Self::Shm];

    fn suffix(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Wal => "-wal",
            Self::Shm => "-shm",
        }
    }
}

/// A file of the database is not where it was: what is written would go where nobody finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Which file.
    pub part: Part,
    /// Whether another is in its place.
    pub replaced: bool,
}

impl std::error::Error for Moved {}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.replaced { "was replaced by another" } else { "was moved or removed" };
        match self.part {
            Part::Main => write!(
                f,
                "the database file {how} while it is in use: put the right one back, or start the hub again to go on \
                 with what is there"
            ),
            part => write!(f, "the database's `{}` file {how} while it is in use", part.suffix()),
        }
    }
}

/// A file by what it is, whatever it is called: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// The files that a connection has open.
#[derive(Debug, Clone)]
pub struct DatabaseFiles {
    main: PathBuf,
    open: [Identity; 3],
    /// The database's size and time of change when it was last noted.
    noted: Option<Stamp>,
}

/// Size in bytes, seconds and nanoseconds of the last change.
type Stamp = (u64, i64, i64);

impl DatabaseFiles {
    /// Those of the database at `main`, which a connection opened after `prepared` was looked at and still has open. Never
    /// opens one of them: closing it again would end SQLite's locks on it (POSIX).
    pub(super) fn of(prepared: Prepared) -> io::Result<Self> {
        let look = |part| look(&prepared.main, part).map(|metadata| Identity::from(&metadata));
        let open = [look(Part::Main)?, look(Part::Wal)?, look(Part::Shm)?];
        if open[0] != prepared.identity {
            return Err(io::Error::other("it was replaced while it was being opened: try again"));
        }
        let mut files = Self { main: prepared.main, open, noted: None };
        files.note();
        Ok(files)
    }

    /// Notes how the database is, after a commit: what SQLite does with it from now on is done by somebody else.
    pub fn note(&mut self) {
        self.noted = self.stamp();
    }

    /// Whether somebody has written to the database since it was noted: another connection that moved what is committed from
    /// the `-wal` file into it, or somebody who has overwritten it in place.
    #[must_use]
    pub fn were_touched(&self) -> bool {
        self.stamp() != self.noted
    }

    /// The database's size, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stamp().map_or(0, |(size, ..)| size)
    }

    fn stamp(&self) -> Option<Stamp> {
        look(&self.main, Part::Main).ok().map(|metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    }

    /// The same database, to be opened again.
    pub(super) fn prepare_again(&self) -> io::Result<Prepared> {
        let prepared = prepare_existing(&self.main)?;
        let same = prepared.main == self.main && prepared.identity == self.open[0];
        if same { Ok(prepared) } else { Err(io::Error::other(Moved { part: Part::Main, replaced: true })) }
    }

    /// Where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.main
    }

    /// Whether each of the files is where it was. A link to it elsewhere does not count: the others would be looked for there.
    ///
    /// # Errors
    /// Which is not.
    pub fn unmoved(&self) -> Result<(), Moved> {
        for (part, open) in Part::ALL.into_iter().zip(&self.open) {
            match look(&self.main, part) {
                Ok(metadata) if Identity::from(&metadata) == *open => {}
                Ok(_) => return Err(Moved { part, replaced: true }),
                Err(_) => return Err(Moved { part, replaced: false }),
            }
        }
        Ok(())
    }
}

fn look(main: &Path, part: Part) -> io::Result<Metadata> {
    fs::symlink_metadata(beside(main, part.suffix()))
}

fn beside(main: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(main);
    name.push(suffix);
    name.into()
}

/// A database file that is there and private, not yet opened.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) main: PathBuf,
    identity: Identity,
}

/// Makes the file if it is missing, and it and those beside it readable by their owner alone.
pub(super) fn prepare(path: &Path) -> io::Result<Prepared> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {
            let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    prepare_existing(path)
}

/// The same for a file that must be there already.
pub(super) fn prepare_existing(path: &Path) -> io::Result<Prepared> {
    // SQLite names the other files after where the links lead.
    let main = path.canonicalize()?;
    let metadata = fs::symlink_metadata(&main)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        private_file::own_file(&beside(&main, suffix))?;
    }
    Ok(Prepared { main, identity: Identity::from(&metadata) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Open {
        folder: PathBuf,
        files: DatabaseFiles,
    }

    fn open() -> Open {
        let folder = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        fs::create_dir_all(folder.join("data")).expect("a folder");
        let main = folder.join("data/ops.db");
        for suffix in ["-wal", "-shm"] {
            fs::write(beside(&main, suffix), "").expect("written");
        }
        let files = DatabaseFiles::of(prepare(&main).expect("prepared")).expect("there");
        files.unmoved().expect("just opened");
        Open { folder, files }
    }

    #[test]
    fn a_file_that_is_gone_or_another_is_noticed_and_so_is_that_it_is_back() {
        for (part, suffix) in [(Part::Main, ""), (Part::Wal, "-wal"), (Part::Shm, "-shm")] {
            let Open { folder, files } = open();
            let (path, away) = (beside(files.path(), suffix), folder.join("away"));
            fs::rename(&path, &away).expect("moved");
            assert_eq!(files.unmoved(), Err(Moved { part, replaced: false }));
            fs::copy(&away, &path).expect("copied");
            assert_eq!(files.unmoved(), Err(Moved { part, replaced: true }));
            fs::remove_file(&path).expect("removed");
            symlink(&away, &path).expect("linked");
            assert_eq!(files.unmoved(), Err(Moved { part, replaced: true }));
            fs::rename(&away, &path).expect("moved back");
            assert_eq!(files.unmoved(), Ok(()));
            fs::remove_dir_all(folder).expect("cleaned");
        }
    }

    #[test]
    fn a_folder_in_the_place_of_theirs_is_noticed() {
        let Open { folder, files } = open();
        fs::rename(folder.join("data"), folder.join("away")).expect("moved");
        assert_eq!(files.unmoved(), Err(Moved { part: Part::Main, replaced: false }));
        fs::create_dir(folder.join("data")).expect("made");
        for suffix in ["", "-wal", "-shm"] {
            let from = beside(&folder.join("away/ops.db"), suffix);
            fs::copy(from, beside(files.path(), suffix)).expect("copied");
        }
        assert_eq!(files.unmoved(), Err(Moved { part: Part::Main, replaced: true }));
        fs::remove_dir_all(folder).expect("cleaned");
    }

    #[test]
    fn a_file_that_is_written_to_in_place_is_noticed() {
        let Open { folder, mut files } = open();
        assert!(!files.were_touched());
        fs::write(files.path(), "something else").expect("written");
        assert!(files.were_touched() && files.unmoved().is_ok());
        files.note();
        assert!(!files.were_touched());
        fs::remove_dir_all(folder).expect("cleaned");
    }

    #[test]
    fn files_that_others_can_read_become_private() {
        let Open { folder, files } = open();
        let modes = || {
            ["", "-wal", "-shm"].map(|suffix| fs::metadata(beside(files.path(), suffix)).expect("there").mode() & 0o777)
        };
        for suffix in ["", "-wal", "-shm"] {
            fs::set_permissions(beside(files.path(), suffix), fs::Permissions::from_mode(0o664)).expect("changed");
        }
        prepare(files.path()).expect("prepared");
        assert_eq!(modes(), [0o600; 3]);
        fs::remove_dir_all(folder).expect("cleaned");
    }
}
