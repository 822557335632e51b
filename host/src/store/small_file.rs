//! Reads files that somebody else writes. None of them can make the hub wait, nor fill its memory: whatever is not a file,
//! or is too large, is an error at once.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Opens a file for reading. Follows symbolic links.
///
/// # Errors
/// When it cannot be opened, or is a folder, a FIFO, a device or a socket.
pub fn open(path: &Path) -> io::Result<File> {
    // Looked at first, because opening a device may already do something.
    must_be_a_file(fs::metadata(path)?.file_type())?;
    // It may have become something else since: opening a FIFO would wait for a writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    must_be_a_file(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// As [`open`], and when it is larger.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bounded(open(path)?, most)
}

/// Reads what is left of a file, at most `most` bytes.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {} MiB", most / (1024 * 1024))));
    }
    Ok(content)
}

fn must_be_a_file(kind: fs::FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {what}: put a regular file there")))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, sync::mpsc, thread, time::Duration};

    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_no_file_or_too_large_is_an_error_at_once() {
        let folder = std::env::temp_dir().join(Uuid::new_v4().to_string());
        fs::create_dir(&folder).expect("a folder");
        let at = |name: &str| folder.join(name);
        fs::write(at("small"), "text").expect("written");
        fs::write(at("large"), vec![b'x'; (1 << 20) + 1]).expect("written");
        let _socket = UnixListener::bind(at("socket")).expect("a socket");
        std::os::unix::fs::symlink(at("socket"), at("link")).expect("a link");
        let read = |path: &Path| -> Result<Vec<u8>, String> {
            let (done, answer) = mpsc::channel();
            let path = path.to_owned();
            // In a thread, so that a read that waits fails the test instead of holding it up.
            thread::spawn(move || done.send(read(&path, 1 << 20).map_err(|error| error.to_string())));
            answer.recv_timeout(Duration::from_secs(5)).expect("an answer at once")
        };
        assert_eq!(read(&at("small")), Ok(b"text".to_vec()));
        for (path, what) in [
            (at("large"), "larger than 1 MiB"),
            (at("link"), "a socket"),
            (at("socket"), "a socket"),
            (folder.clone(), "a folder"),
            ("/dev/zero".into(), "a device"),
            (at("missing"), "No such file"),
        ] {
            let error = read(&path).expect_err(what);
            assert!(error.contains(what), "{}: {error}", path.display());
        }
        fs::remove_dir_all(&folder).expect("cleaned");
    }
}
