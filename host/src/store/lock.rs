//! A lock between processes: a file that one of them at a time has locked. It is let go when its holder ends, however.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How often a lock that is taken is tried again.
const AGAIN: Duration = Duration::from_millis(5);

/// A lock that is held until this is dropped. Its file stays: removing it would let a second holder in by a second file.
#[derive(Debug)]
pub struct FileLock {
    _locked: File,
}

impl FileLock {
    /// Takes the lock at `path`, made with mode 0600 if there is none. Blocking, for `timeout` at most.
    ///
    /// # Errors
    /// When somebody else holds it for that long ([`io::ErrorKind::TimedOut`]), or the file cannot be made.
    pub fn acquire(path: &Path, timeout: Duration) -> io::Result<Self> {
        let started = Instant::now();
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            match file.try_lock() {
                // A lock on a file that somebody has removed meanwhile excludes nobody.
                Ok(()) if is_at(&file, path)? => return Ok(Self { _locked: file }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if started.elapsed() >= timeout {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            thread::sleep(AGAIN);
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_also_when_the_file_is_removed() {
        let folder = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("lock");
        let held = FileLock::acquire(&path, Duration::ZERO).expect("free");
        let refused = FileLock::acquire(&path, Duration::from_millis(20)).expect_err("taken");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        drop(held);
        drop(FileLock::acquire(&path, Duration::ZERO).expect("free again"));

        let waiting = {
            let held = FileLock::acquire(&path, Duration::ZERO).expect("free");
            let path = path.clone();
            let waiting = thread::spawn(move || FileLock::acquire(&path, Duration::from_secs(10)));
            thread::sleep(AGAIN * 4);
            fs::remove_file(folder.join("lock")).expect("removed");
            drop(held);
            waiting
        };
        let _held = waiting.join().expect("a thread").expect("free");
        assert!(FileLock::acquire(&path, Duration::ZERO).is_err(), "whoever waited has the file that is there");
        fs::remove_dir_all(&folder).expect("cleaned");
    }
}
