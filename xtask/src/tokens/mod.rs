//! `cargo xtask tokens`: finds credentials that somebody wrote into a file. They belong into the vault.

mod files;
mod kinds;
mod literal;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// What a line says, with a reason behind it, that holds a sample: the line itself or the one above it.
const MARKER: &str = "token-rule: sample";
/// The shortest reason, in characters.
const REASON_MIN: usize = 8;

/// Something that looks like a credential.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: PathBuf,
    line: usize,
    kind: &'static str,
    /// How it begins, where that is the same for all of its kind, and how long it is.
    begins: &'static str,
    length: usize,
}

impl fmt::Display for Finding {
    /// Never with the credential itself: what CI prints, many can read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, kind, begins, length } = self;
        write!(f, "{}:{line}: {kind} ({begins}…, {length} characters)", file.display())
    }
}

/// Scans the files below `paths`, or all of the repository.
pub fn check(workspace: &Workspace, paths: &[String]) -> Result<()> {
    let roots = if paths.is_empty() { vec![workspace.root.clone()] } else { paths.iter().map(PathBuf::from).collect() };
    let mut count = 0;
    let mut found = Vec::new();
    for root in roots {
        for file in files::below(&root)? {
            count += 1;
            found.extend(files::text(&file)?.map(|text| scan(&file, &text)).unwrap_or_default());
        }
    }
    for finding in &found {
        eprintln!("{finding}");
    }
    if found.is_empty() {
        eprintln!("{count} files hold no credentials");
        return Ok(());
    }
    bail!(
        "{} credentials are in files. Withdraw each where it was issued, since it is in the history now, and put the next \
         one into the vault: `bulkhead secrets set NAME`. If it is a sample that opens nothing, say so on its line or the \
         one above: `{MARKER}, WHY`",
        found.len()
    )
}

fn scan(file: &Path, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut sample_above = false;
    for (index, line) in text.lines().enumerate() {
        let sample = is_sample(line);
        if !sample && !sample_above {
            found.extend(kinds::find(line).into_iter().map(|hit| Finding {
                file: file.to_owned(),
                line: index + 1,
                kind: hit.kind,
                begins: hit.begins,
                length: hit.length,
            }));
        }
        sample_above = sample;
    }
    found
}

fn is_sample(line: &str) -> bool {
    let reason = line.split_once(MARKER).map(|(_, reason)| reason.trim_start_matches([',', ':', ' ', '(']));
    reason.is_some_and(|reason| reason.trim().chars().count() >= REASON_MIN)
}
