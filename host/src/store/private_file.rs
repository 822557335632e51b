//! Files that only the hub's user may read: keys and the vault.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use uuid::Uuid;

/// Key files and vaults are small; anything larger is not ours. Bytes.
const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// Makes the data folder (mode 0700) if it is missing.
///
/// # Errors
/// When it cannot be made.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
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
/// When it cannot be read, is larger than 4 MiB, or is readable by others than its owner.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other("other users may read it: run `chmod 600` on it"));
    }
    bounded(file).map(Some)
}

/// Reads a file that need not be private.
///
/// # Errors
/// When it cannot be read or is larger than 4 MiB.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    bounded(fs::File::open(path)?)
}

fn bounded(file: fs::File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > SIZE_MAX { Err(io::Error::other("it is larger than 4 MiB")) } else { Ok(content) }
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
        fs::remove_dir_all(&folder).expect("cleaned");
    }
}
