//! Which writers are alive: each holds a lock on a file of its own, so that another process knows whose unanswered
//! intents are interrupted operations and whose are still running.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

const FOLDER: &str = "writers";

/// A writer's lock. Removed when dropped; left behind by a crash.
#[derive(Debug)]
pub(super) struct Alive {
    path: PathBuf,
    _locked: File,
}

impl Alive {
    pub(super) fn announce(data: &Path, writer: Uuid) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        crate::store::private_file::create_folder(&folder)?;
        let path = folder.join(writer.to_string());
        let file = File::create(&path)?;
        file.lock()?;
        Ok(Self { path, _locked: file })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // A file that stays behind only costs the next start a look.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writers that ended without removing their file.
pub(super) fn dead(data: &Path) -> io::Result<Vec<Uuid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data.join(FOLDER))? {
        let path = entry?.path();
        let Some(writer) = path.file_name().and_then(|name| name.to_str()?.parse::<Uuid>().ok()) else { continue };
        let file = match File::open(&path) {
            // Its writer has just ended properly.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => found.push(writer),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(found)
}

/// Forgets a dead writer once its intents are answered.
pub(super) fn bury(data: &Path, writer: Uuid) -> io::Result<()> {
    fs::remove_file(data.join(FOLDER).join(writer.to_string()))
}
