//! Where operations are recorded: a file or a server.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::postgres::Settings;

/// Where operations are recorded.
#[derive(Debug, Clone)]
pub enum Location {
    /// SQLite: this file.
    File(PathBuf),
    /// PostgreSQL.
    Postgres(Settings),
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// For log lines: never with a password.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Postgres(settings) => settings.fmt(formatter),
        }
    }
}
