//! Which files are scanned: what git knows of, or else everything that was not built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Folders that hold nothing that anybody wrote.
const BUILT: [&str; 5] = [".git", "target", "node_modules", ".venv", "data"];
/// Longer files are data, in bytes.
const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// Every file below `root`, which may also be one.
pub(super) fn below(root: &Path) -> Result<Vec<PathBuf>> {
    if root.is_file() {
        return Ok(vec![root.to_owned()]);
    }
    match tracked(root) {
        Some(files) => Ok(files),
        None => walk(root),
    }
}

/// What git tracks or would track; `None` outside a repository.
fn tracked(root: &Path) -> Option<Vec<PathBuf>> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    // What was removed and is not yet committed is still named.
    let files = names.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name));
    Some(files.filter(|file| file.is_file()).collect())
}

fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if !path.is_dir() {
                files.push(path);
            } else if !path.file_name().is_some_and(|name| BUILT.iter().any(|built| name == *built)) {
                folders.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a file; `None` if it is none, or too long to be written by hand.
pub(super) fn text(file: &Path) -> Result<Option<String>> {
    let unreadable = || format!("{} cannot be read", file.display());
    if fs::metadata(file).with_context(unreadable)?.len() > SIZE_MAX {
        return Ok(None);
    }
    let bytes = fs::read(file).with_context(unreadable)?;
    Ok(if bytes.contains(&0) { None } else { Some(String::from_utf8_lossy(&bytes).into_owned()) })
}
