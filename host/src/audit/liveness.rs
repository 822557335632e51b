//! Which writers are alive: each holds a lock on a file of its own, so that another process knows whose unanswered
//! intents are interrupted operations and whose are still running.
//!
//! A writer's lock is there before the writer is in the database, and is taken before its file has its name: a newborn
//! writer never looks dead. A live one makes its file again within a second if somebody removes it, so one whose file is
//! missing for several seconds is dead.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use uuid::Uuid;

use crate::store::{private_file, small_file};

const FOLDER: &str = "writers";
/// How often a live writer looks whether its file is there.
const BEAT: Duration = Duration::from_millis(300);

/// A writer's lock and the thread that keeps its file there. When this is dropped the file is removed; a crash leaves it
/// behind.
#[derive(Debug)]
pub(super) struct Alive {
    end: Option<mpsc::Sender<Rest>>,
    keeper: Option<thread::JoinHandle<()>>,
}

/// What becomes of the file at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Everything is answered: nobody needs to look.
    Removed,
    /// Something is not: whoever starts next looks at once.
    Left,
}

impl Alive {
    pub(super) fn announce(data: &Path, writer: Uuid) -> io::Result<Self> {
        private_file::own_folder(&data.join(FOLDER))?;
        let mut lock = Lock::take(data, writer)?;
        let (end, ended) = mpsc::channel();
        let keeper = thread::Builder::new().name("audit-alive".to_owned()).spawn(move || {
            let mut told = false;
            let rest = loop {
                match ended.recv_timeout(BEAT) {
                    Ok(rest) => break rest,
                    Err(RecvTimeoutError::Disconnected) => break Rest::Removed,
                    Err(RecvTimeoutError::Timeout) => match lock.renew() {
                        Ok(()) => told = false,
                        Err(error) if !told => {
                            tracing::error!(%error, "the hub's lock in `{FOLDER}` is gone and cannot be made again");
                            told = true;
                        }
                        Err(_) => {}
                    },
                }
            };
            if rest == Rest::Removed && lock.is_there() {
                // A file that stays behind only costs the next start a look.
                let _ = fs::remove_file(&lock.path);
            }
        })?;
        Ok(Self { end: Some(end), keeper: Some(keeper) })
    }

    /// Ends it, but leaves the file: something is not answered.
    pub(super) fn leave(mut self) {
        self.end(Rest::Left);
    }

    fn end(&mut self, rest: Rest) {
        // An error means that the keeper has ended.
        let _ = self.end.take().map(|end| end.send(rest));
        let _ = self.keeper.take().map(thread::JoinHandle::join);
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.end(Rest::Removed);
    }
}

/// A file that is locked, under its name.
#[derive(Debug)]
struct Lock {
    data: PathBuf,
    /// The data folder as it was at the start, by device and inode.
    home: (u64, u64),
    writer: Uuid,
    path: PathBuf,
    file: File,
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn is_at(file: &File, path: &Path) -> bool {
    let held = file.metadata().map(|held| identity(&held));
    matches!((fs::symlink_metadata(path), held), (Ok(there), Ok(held)) if identity(&there) == held)
}

impl Lock {
    fn take(data: &Path, writer: Uuid) -> io::Result<Self> {
        let path = data.join(FOLDER).join(writer.to_string());
        let file = locked_file(&path)?;
        Ok(Self { data: data.to_owned(), home: identity(&fs::metadata(data)?), writer, path, file })
    }

    fn is_there(&self) -> bool {
        is_at(&self.file, &self.path)
    }

    /// Makes the file again if it is not there. Not in another folder that has taken the data folder's place, nor where
    /// there is none: whoever puts it back would find the place taken.
    fn renew(&mut self) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        if !fs::metadata(&self.data).is_ok_and(|data| identity(&data) == self.home) {
            return Err(io::Error::other("the data folder was moved or replaced"));
        }
        private_file::own_folder(&self.data.join(FOLDER))?;
        self.file = locked_file(&self.path)?;
        tracing::warn!(writer = %self.writer, "the hub's lock in `{FOLDER}` was gone: it is there again");
        Ok(())
    }
}

/// A file that is locked before it has its name.
fn locked_file(path: &Path) -> io::Result<File> {
    let unnamed = path.with_extension("new");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&unnamed)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::from(io::ErrorKind::AlreadyExists),
        TryLockError::Error(error) => error,
    })?;
    fs::rename(&unnamed, path)?;
    Ok(file)
}

/// What can be seen of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Its lock is held, or nobody can tell: it lives.
    Life,
    /// Its lock is free: it is dead.
    Death,
    /// It has no file. It may be about to make it again.
    Nothing,
}

/// Looks for signs of a writer.
pub(super) fn look(data: &Path, writer: Uuid) -> Sign {
    let path = data.join(FOLDER).join(writer.to_string());
    let file = match small_file::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Sign::Nothing,
        Err(error) => {
            tracing::warn!(%error, %writer, "a lock in `{FOLDER}` cannot be read: its writer counts as alive");
            return Sign::Life;
        }
        Ok(file) => file,
    };
    // Shared, so that two who look at once do not take each other for the writer.
    match file.try_lock_shared() {
        // A file that is not the one under the name any more tells nothing: its writer may have made another.
        Ok(()) if is_at(&file, &path) => Sign::Death,
        Ok(()) => Sign::Nothing,
        Err(_) => Sign::Life,
    }
}

/// Writers that ended without removing their file.
pub(super) fn dead(data: &Path) -> io::Result<Vec<Uuid>> {
    of_sign(data, Sign::Death)
}

/// Whether a writer lives beside `own`. Nobody, if nothing can be seen.
pub(super) fn is_not_alone(data: &Path, own: Uuid) -> bool {
    of_sign(data, Sign::Life).is_ok_and(|alive| alive.iter().any(|writer| *writer != own))
}

fn of_sign(data: &Path, sign: Sign) -> io::Result<Vec<Uuid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data.join(FOLDER))? {
        let name = entry?.file_name();
        let Some(writer) = name.to_str().and_then(|name| name.parse::<Uuid>().ok()) else { continue };
        // The one spelling that writers use: another would be another file.
        if name == *writer.to_string() && look(data, writer) == sign {
            found.push(writer);
        }
    }
    Ok(found)
}

/// Forgets a dead writer once its intents are answered. Of several hubs that do, each finds it forgotten.
pub(super) fn bury(data: &Path, writer: Uuid) {
    match fs::remove_file(data.join(FOLDER).join(writer.to_string())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            // It costs each start a look.
            tracing::warn!(%error, %writer, "the lock of a dead writer cannot be removed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn data() -> PathBuf {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        fs::create_dir_all(&data).expect("a folder");
        data
    }

    fn within(limit: Duration, what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < limit, "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_writer_is_seen_from_its_birth_to_its_end() {
        let (data, writer) = (data(), Uuid::now_v7());
        assert_eq!(look(&data, writer), Sign::Nothing);
        let alive = Alive::announce(&data, writer).expect("announced");
        assert_eq!((look(&data, writer), dead(&data).expect("read")), (Sign::Life, Vec::new()));
        assert!(!is_not_alone(&data, writer) && is_not_alone(&data, Uuid::now_v7()));
        drop(alive);
        assert_eq!(look(&data, writer), Sign::Nothing);
        Alive::announce(&data, writer).expect("announced").leave();
        assert_eq!((look(&data, writer), dead(&data).expect("read")), (Sign::Death, vec![writer]));
        bury(&data, writer);
        bury(&data, writer);
        assert_eq!(look(&data, writer), Sign::Nothing);
        fs::remove_dir_all(data).expect("removed");
    }

    #[test]
    fn a_newborn_writer_never_looks_dead() {
        let data = data();
        private_file::own_folder(&data.join(FOLDER)).expect("made");
        thread::scope(|threads| {
            let births = threads.spawn(|| {
                for _ in 0..300 {
                    // Each dies at once without a word, and so is dead only afterwards.
                    let writer = Uuid::now_v7();
                    let lock = Lock::take(&data, writer).expect("taken");
                    assert_eq!(look(&data, writer), Sign::Life);
                    fs::remove_file(&lock.path).expect("removed");
                }
            });
            while !births.is_finished() {
                assert_eq!(dead(&data).expect("read"), Vec::<Uuid>::new());
            }
        });
        fs::remove_dir_all(data).expect("removed");
    }

    #[test]
    fn a_lock_that_vanishes_is_there_again_within_a_second() {
        let (data, writer) = (data(), Uuid::now_v7());
        let _alive = Alive::announce(&data, writer).expect("announced");
        let lives = || look(&data, writer) == Sign::Life;
        for what in [data.join(FOLDER).join(writer.to_string()), data.join(FOLDER)] {
            let removed = if what.is_dir() { fs::remove_dir_all(&what) } else { fs::remove_file(&what) };
            removed.expect("removed");
            within(Duration::from_secs(1), "it is there again", lives);
        }
        // Another's file under its name, which nobody has locked.
        let path = data.join(FOLDER).join(writer.to_string());
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "").expect("written");
        within(Duration::from_secs(1), "it is there again", lives);
        fs::remove_dir_all(data).expect("removed");
    }

    #[test]
    fn nothing_is_made_where_the_data_folder_was() {
        let (data, writer) = (data(), Uuid::now_v7());
        let _alive = Alive::announce(&data, writer).expect("announced");
        let away = data.with_extension("away");
        fs::rename(&data, &away).expect("moved");
        thread::sleep(BEAT * 3);
        assert!(!data.exists(), "whoever puts it back would find the place taken");
        fs::rename(&away, &data).expect("moved back");
        assert_eq!(look(&data, writer), Sign::Life);
        fs::remove_dir_all(data).expect("removed");
    }
}
