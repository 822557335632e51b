//! Files that several processes add lines to. A line is there whole or not at all.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Adds a line to a file, durably; the file is made (mode 0600) if it is not there.
///
/// # Errors
/// When it cannot be opened or written, or is no regular file. Then the file is as it was.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    // Opening a FIFO would wait for a reader.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).append(true).create(true).mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file: put one there"));
    }
    file.lock()?;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    // What a power cut has left half written does not spoil the next line.
    let begin = if last == [b'\n'] { "" } else { "\n" };
    let written = file.write_all(format!("{begin}{line}\n").as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // Nothing can be done if that fails too.
        let _ = file.set_len(length);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use uuid::Uuid;

    use super::*;

    #[test]
    fn lines_of_many_are_whole_and_a_half_one_spoils_none() {
        let folder = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("lines");
        fs::write(&file, "half").expect("written");
        let line = "x".repeat(10_000);
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| (0..5).for_each(|_| append_line(&file, &line).expect("appended")));
            }
        });
        let text = fs::read_to_string(&file).expect("read");
        assert!(text.ends_with('\n') && text.starts_with("half\n"));
        assert_eq!(text.lines().skip(1).filter(|found| **found == *line).count(), 40);
        assert!(append_line(&folder, "a").is_err(), "a folder");
        let fifo = folder.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("made");
        assert!(append_line(&fifo, "a").is_err(), "nobody reads it");
        fs::remove_dir_all(folder).expect("removed");
    }
}
