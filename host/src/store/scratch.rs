//! A folder for what is half done.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use uuid::Uuid;

use super::private_file;

const PREFIX: &str = ".scratch-";
/// What is half done for longer than this is left over from a program that was killed.
const HALF_DONE: Duration = Duration::from_secs(24 * 3600);

/// A folder of its own (mode 0700), removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct ScratchFolder(PathBuf);

impl ScratchFolder {
    /// A new one within a folder, on whose file system it is. Old ones there are removed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn within(folder: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if Self::is_one(&entry.file_name())
                && entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > HALF_DONE)
            {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let scratch = folder.join(format!("{PREFIX}{}", Uuid::new_v4().simple()));
        private_file::create_folder(&scratch)?;
        Ok(Self(scratch))
    }

    /// Whether a folder's entry is a scratch folder, by its name.
    #[must_use]
    pub fn is_one(name: &std::ffi::OsStr) -> bool {
        name.to_str().is_some_and(|name| name.starts_with(PREFIX))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // What cannot be removed only takes room, and is tried again by the next.
        let _ = fs::remove_dir_all(&self.0);
    }
}
