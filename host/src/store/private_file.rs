//! Files that only the hub's user may read: keys and the vault.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use uuid::Uuid;

use super::small_file;

/// Key files and vaults are small; anything larger is not ours. Bytes.
const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// Makes the data folder (mode 0700) if it is missing.
///
/// # Errors
/// When it cannot be made.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the folder if it is missing, and one that others may enter its owner's alone (mode 0700), which the log tells.
///
/// # Errors
/// When it cannot be made or changed, or is a folder that everybody shares, such as `/tmp`.
pub fn own_folder(folder: &Path) -> io::Result<()> {
    create_folder(folder)?;
    let mode = fs::metadata(folder)?.mode();
    if mode & STICKY != 0 || folder.canonicalize()?.parent().is_none() {
        return Err(io::Error::other("it is not the hub's own: give the hub a folder that nothing else uses"));
    }
    own(folder, mode, 0o700)
}

/// Makes a file that others may read its owner's alone (mode 0600), which the log tells. Nothing where there is none.
///
/// # Errors
/// When it cannot be changed.
pub fn own_file(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => own(path, metadata.mode(), 0o600),
        Ok(_) => Err(io::Error::other(format!("{} is not a file", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The bit of folders in which everybody may make files.
const STICKY: u32 = 0o1000;

fn own(path: &Path, mode: u32, private: u32) -> io::Result<()> {
    if mode & 0o777 == mode & 0o700 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & private)).map_err(|error| {
        let told = format!("other users may read {} and that cannot be changed ({error})", path.display());
        io::Error::other(format!("{told}: run `chmod {private:o}` on it as its owner"))
    })?;
    let was = format!("{:03o}", mode & 0o777);
    tracing::warn!(path = %path.display(), was, "other users could read this: now its owner alone can");
    Ok(())
}

/// Reads `path`, or fills it with what `make` gives (mode 0600). Two processes that start at once end with one content.
///
/// # Errors
/// When the file cannot be read or written, or when others may read it.
pub fn read_or_create(path: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    if let Some(found) = read(path)? {
        return Ok(found);
    }
    let fresh = write_beside(path, &make()?)?;
    // `hard_link` fails if the name is taken, so the first of two writers wins and both read the same.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)),
    }
}

/// Reads `path`; `None` if there is no such file.
///
/// # Errors
/// When it cannot be read, is no regular file, is larger than 4 MiB, or is readable by others than its owner.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match small_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 != 0 {
        let name = path.file_name().unwrap_or_default().display();
        return Err(io::Error::other(format!("other users may read `{name}`: run `chmod 600` on it")));
    }
    small_file::bounded(file, SIZE_MAX).map(Some)
}

/// Replaces `path` in one step (mode 0600): readers see the old content or the new, never a part.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = write_beside(path, content)?;
    fs::rename(&fresh, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn write_beside(path: &Path, content: &[u8]) -> io::Result<std::path::PathBuf> {
    let fresh = path.with_extension(format!("new-{}", Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    // The mode above is masked by the umask; say it again.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_private_and_replaced_whole() {
        let folder = std::env::temp_dir().join(Uuid::new_v4().to_string());
        create_folder(&folder).expect("a folder");
        let path = folder.join("key");
        assert_eq!(read_or_create(&path, || Ok(b"one".to_vec())).expect("made"), b"one");
        assert_eq!(read_or_create(&path, || Ok(b"two".to_vec())).expect("read"), b"one");
        replace(&path, b"three").expect("replaced");
        assert_eq!(read(&path).expect("read"), Some(b"three".to_vec()));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).expect("folder").count(), 1, "no leftovers");

        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        assert!(read(&path).is_err(), "a key that others can read is refused");
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("chmod");
        own_folder(&folder).expect("owned");
        assert_eq!(fs::metadata(&folder).expect("there").mode() & 0o777, 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o1777)).expect("chmod");
        assert!(own_folder(&folder).is_err(), "what everybody shares is left as it is");
        assert!(own_folder(Path::new("/")).is_err());
        fs::remove_dir_all(&folder).expect("cleaned");
    }
}
