//! Where checkpoints of the audit trail go.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// A place for checkpoints, each of which is a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointSink {
    /// The standard output of `bulkhead serve`. Sessions over stdio, whose output is the client's, leave it out.
    Stdout,
    /// A file that lines are added to, made if it is not there; relative to this file's folder.
    File(PathBuf),
}

impl std::fmt::Display for CheckpointSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(file) => write!(f, "the file {}", file.display()),
        }
    }
}
