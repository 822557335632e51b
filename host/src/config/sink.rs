//! Where checkpoints of the audit trail go.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::Endpoint;

/// A place for checkpoints, each of which is a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointSink {
    /// The standard output of `bulkhead serve`. Sessions over stdio, whose output is the client's, leave it out.
    Stdout,
    /// A file that lines are added to, made if it is not there; relative to this file's folder.
    File(PathBuf),
    /// A place on the web: each is the body of a POST, `application/json`, which any status from 200 to 299 takes.
    Https(Endpoint),
}

impl std::fmt::Display for CheckpointSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(file) => write!(f, "the file {}", file.display()),
            // What is behind the host may be a token of a kind.
            Self::Https(endpoint) => f.write_str(&endpoint.url.url().origin().ascii_serialization()),
        }
    }
}
