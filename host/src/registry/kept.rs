//! The component that serves and the one before it, kept for each provider, so that an admin can roll back to what the config's
//! folder no longer has. They are in a folder of the hub's own, each under its digest, against which it is held when it is read.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::load::{self, ComponentFile};
use crate::{names::ProviderName, store::private_file};

/// What the file of the component that serves begins with, and that of the one before it.
const CURRENT: &str = "current-";
const PREVIOUS: &str = "previous-";
const ENDING: &str = ".wasm";

/// A folder of components. Blocking.
#[derive(Debug, Clone)]
pub(super) struct Kept(PathBuf);

impl Kept {
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Notes that a component serves, which `read` reads; the one that did before it becomes the one before.
    pub(super) fn note(
        &self,
        provider: &ProviderName,
        digest: &str,
        read: impl FnOnce() -> Option<ComponentFile>,
    ) -> io::Result<()> {
        let folder = self.0.join(provider.as_str());
        private_file::create_folder(&folder)?;
        let named = |which: &str| folder.join(format!("{which}{digest}{ENDING}"));
        let current = named(CURRENT);
        if current.exists() {
            return Ok(());
        }
        if named(PREVIOUS).exists() {
            // It was rolled back to: what served in between is not to be rolled back to.
            remove(&folder, CURRENT)?;
            return fs::rename(named(PREVIOUS), current);
        }
        // It may have become another one already, which is noted in its turn.
        let Some(file) = read().filter(|file| file.digest() == digest) else { return Ok(()) };
        if let Some(before) = find(&folder, CURRENT)? {
            remove(&folder, PREVIOUS)?;
            fs::rename(
                folder.join(format!("{CURRENT}{before}{ENDING}")),
                folder.join(format!("{PREVIOUS}{before}{ENDING}")),
            )?;
        }
        private_file::replace(&current, file.bytes())
    }

    /// The digest of the component that served before another one; `None` if none is kept.
    pub(super) fn before(&self, provider: &ProviderName, digest: &str) -> io::Result<Option<String>> {
        let folder = self.0.join(provider.as_str());
        match find(&folder, PREVIOUS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(found?.filter(|found| found != digest)),
        }
    }

    /// A component by its digest, if it is kept.
    pub(super) fn read(&self, provider: &ProviderName, digest: &str) -> Option<ComponentFile> {
        let folder = self.0.join(provider.as_str());
        let read = |which: &str| load::read(&folder, Path::new(&format!("{which}{digest}{ENDING}"))).ok();
        [CURRENT, PREVIOUS].into_iter().find_map(read).filter(|file| file.digest() == digest)
    }
}

/// The digest of the one file in a folder whose name begins so.
fn find(folder: &Path, which: &str) -> io::Result<Option<String>> {
    let mut found = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digest = name.to_str().and_then(|name| name.strip_prefix(which)?.strip_suffix(ENDING));
        found = digest.map(str::to_owned).or(found);
    }
    Ok(found)
}

fn remove(folder: &Path, which: &str) -> io::Result<()> {
    match find(folder, which)? {
        Some(digest) => fs::remove_file(folder.join(format!("{which}{digest}{ENDING}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_serves_and_the_one_before_it_are_kept_and_no_other() {
        let folder = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        fs::create_dir_all(&folder).expect("a folder");
        let kept = Kept::in_folder(folder.join("kept"));
        let provider: ProviderName = "hello".parse().expect("a name");
        let component = |text: &str| {
            fs::write(folder.join("c.wasm"), text).expect("written");
            load::read(&folder, Path::new("c.wasm")).expect("read")
        };
        let note = |text: &str| {
            let digest = component(text).digest().to_owned();
            kept.note(&provider, &digest, || Some(component(text))).expect("noted");
            digest
        };
        assert_eq!(kept.before(&provider, "").expect("read"), None);
        let [one, two] = ["one", "two"].map(note);
        assert_eq!(kept.before(&provider, &two).expect("read"), Some(one.clone()));
        let three = note("three");
        assert_eq!(
            (kept.before(&provider, &three).expect("read"), kept.read(&provider, &one).is_none()),
            (Some(two.clone()), true)
        );
        // Rolled back: what served in between is gone.
        assert_eq!(note("two"), two);
        assert!(kept.read(&provider, &three).is_none() && kept.before(&provider, &two).expect("read").is_none());
        // What somebody has changed is not what was kept.
        let path = folder.join("kept/hello").join(format!("{CURRENT}{two}{ENDING}"));
        fs::write(path, "other").expect("written");
        assert!(kept.read(&provider, &two).is_none());
        fs::remove_dir_all(&folder).expect("cleaned");
    }
}
