//! What callers may do.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a caller may do. Each role may do all that the ones before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Role {
    /// Reads findings and health.
    OpsViewer,
    /// Also scans, annotates, tags and captures.
    OpsOperator,
    /// Also creates issues and comments and sets policy.
    OpsAdmin,
}

impl Role {
    /// Every role, lowest first.
    pub const ALL: [Self; 3] = [Self::OpsViewer, Self::OpsOperator, Self::OpsAdmin];

    /// The role's name in tokens, config and audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpsViewer => "ops_viewer",
            Self::OpsOperator => "ops_operator",
            Self::OpsAdmin => "ops_admin",
        }
    }

    /// The role of that name; `None` for any other text.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
