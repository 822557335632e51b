//! The machine's own table of names, `/etc/hosts` (hosts(5)).

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use super::host::HostName;

/// The most that is read of it, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The addresses that the table at `path` gives `name`; none if there is no such file. Blocking.
///
/// # Errors
/// When the file is there and cannot be read.
pub(super) fn look_up(path: &Path, name: &HostName) -> io::Result<Vec<IpAddr>> {
    let mut table = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_BYTES).read_to_end(&mut table)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(find(&String::from_utf8_lossy(&table), name))
}

/// Each line is an address and its names; `#` begins a comment. What does not fit is skipped, as everybody does.
pub(super) fn find(table: &str, name: &HostName) -> Vec<IpAddr> {
    let lines = table.lines().map(|line| line.split('#').next().unwrap_or_default());
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        let addr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name.as_str())).then_some(addr)
    };
    lines.filter_map(of_line).collect()
}
