//! What a backup says of itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use crate::text::plain;

/// The format that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The longest version of a program, in characters.
const HUB_MAX: usize = 32;
/// The most archives of one trail: one a month, for longer than anybody keeps any.
const ARCHIVES_MAX: usize = 4096;

/// What a backup says of itself, as its first file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The version of the program that made it.
    pub hub: String,
    /// Everything that was recorded until then is in it; of what came later, perhaps a part.
    pub made_at: DateTime<Utc>,
    /// Whether the database is in it. PostgreSQL has backups of its own.
    pub has_database: bool,
    /// Files of the folder `archive` that belong to the database, and are not in it.
    pub archives: Vec<String>,
}

impl Manifest {
    pub(super) fn new(made_at: DateTime<Utc>, has_database: bool, archives: Vec<String>) -> Self {
        Self { format: FORMAT, hub: env!("CARGO_PKG_VERSION").to_owned(), made_at, has_database, archives }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        let unread = |error: serde_json::Error| BackupError::Content(format!("its manifest cannot be read ({error})"));
        // Before the rest, which another format may have otherwise.
        let Format { format } = serde_json::from_slice(bytes).map_err(unread)?;
        if format > FORMAT {
            return Err(BackupError::Newer { found: format, known: FORMAT });
        }
        // Whoever has the public key can write one: what is shown of it cannot look like the program's own words.
        let mut manifest: Self = serde_json::from_slice(bytes).map_err(unread)?;
        plain::in_place(&mut manifest.hub, HUB_MAX);
        if manifest.archives.len() > ARCHIVES_MAX {
            return Err(BackupError::Content(format!("it names more than {ARCHIVES_MAX} archives")));
        }
        for archive in &mut manifest.archives {
            plain::in_place(archive, plain::NAME_MAX);
        }
        Ok(manifest)
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_a_newer_program_is_told_apart_from_none() {
        let manifest = Manifest::new(Utc::now(), true, vec!["a.db.gz".to_owned()]);
        let bytes = serde_json::to_vec(&manifest).expect("written");
        assert_eq!(Manifest::read(&bytes).expect("read"), manifest);
        assert!(matches!(Manifest::read(br#"{"format":2,"other":1}"#), Err(BackupError::Newer { found: 2, known: 1 })));
        assert!(matches!(Manifest::read(br#"{"format":1}"#), Err(BackupError::Content(_))));
        assert!(matches!(Manifest::read(b"[]"), Err(BackupError::Content(_))));
        let hostile =
            Manifest { hub: "1\u{1b}[2J\nrestored".to_owned(), archives: vec!["a\u{7}\nb".to_owned()], ..manifest };
        let shown = Manifest::read(&serde_json::to_vec(&hostile).expect("written")).expect("read");
        assert!(!shown.hub.contains(plain::is_hidden) && !shown.archives[0].contains(plain::is_hidden), "{shown:?}");
        let many = Manifest { archives: vec!["a".to_owned(); ARCHIVES_MAX + 1], ..hostile };
        assert!(Manifest::read(&serde_json::to_vec(&many).expect("written")).is_err());
    }
}
