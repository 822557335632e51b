//! Who calls: verifies bearer tokens and turns them into a [`Caller`].
//!
//! Two sources of keys: a key pair of the hub's own in the data folder (the default), or an identity provider's JWKS.
//! There is no mode without authentication.

mod jwks;
mod key_set;
mod local;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod verify;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use jwks::{IdpSettings, JwksError, JwksSource};
pub use local::{LocalKeys, LocalKeysError, MintRequest};
pub use verify::{Identity, IdentityError};

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

/// An authenticated caller. Only [`Identity::verify`] makes one from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`.
    pub user: Uuid,
    /// The token's `app_metadata.ops_role`; `None` when it is missing or unknown, and then nothing is allowed.
    pub role: Option<Role>,
    /// The token's `app_metadata.team`, for cost attribution.
    pub team: Option<String>,
}
