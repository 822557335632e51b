//! Who calls.

use std::time::SystemTime;

use uuid::Uuid;

use crate::names::{Role, ToolRole};

/// An authenticated caller. Only [`super::Identity::verify`] makes one from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's `sub`.
    pub user: Uuid,
    /// The token's `app_metadata.ops_role`; `None` when it is missing or unknown, and then nothing is allowed.
    pub role: Option<Role>,
    /// The token's `app_metadata.team`, for cost attribution.
    pub team: Option<String>,
    /// The token's `exp`: what goes on beyond a call ends then.
    pub valid_until: SystemTime,
}

impl Caller {
    /// What the caller may do of tools; `None` if that is nothing.
    #[must_use]
    pub fn tool_role(&self) -> Option<ToolRole> {
        self.role.and_then(Role::of_tools)
    }
}
