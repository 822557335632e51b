//! What callers may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::words;

words! {
    /// What a caller may do. Roles have no order of their own: those that may use tools have one, see [`ToolRole`].
    #[derive(Serialize, Deserialize, clap::ValueEnum)]
    #[serde(rename_all = "snake_case")]
    #[value(rename_all = "snake_case")]
    pub enum Role: "role" {
        /// Reads findings and health.
        OpsViewer = "ops_viewer",
        /// Also scans, annotates, tags and captures.
        OpsOperator = "ops_operator",
        /// Also creates issues and comments and sets policy, and reads the whole audit trail.
        OpsAdmin = "ops_admin",
        /// Reads the whole audit trail, and nothing else.
        OpsAuditor = "ops_auditor",
    }
}

words! {
    // A new one is added here, in its order, and in `Role`: quotas by role are a map.
    /// A role that may use tools. Each may do all that the ones before it may.
    #[derive(PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum ToolRole: "role that may use tools" {
        /// Reads findings and health.
        OpsViewer = "ops_viewer",
        /// Also scans, annotates, tags and captures.
        OpsOperator = "ops_operator",
        /// Also creates issues and comments and sets policy.
        OpsAdmin = "ops_admin",
    }
}

impl Role {
    /// What it may do of tools; `None` if that is nothing.
    #[must_use]
    pub const fn of_tools(self) -> Option<ToolRole> {
        match self {
            Self::OpsViewer => Some(ToolRole::OpsViewer),
            Self::OpsOperator => Some(ToolRole::OpsOperator),
            Self::OpsAdmin => Some(ToolRole::OpsAdmin),
            Self::OpsAuditor => None,
        }
    }

    /// Whether it reads rows of the audit trail that are other callers'.
    #[must_use]
    pub const fn reads_the_whole_trail(self) -> bool {
        match self {
            Self::OpsAdmin | Self::OpsAuditor => true,
            Self::OpsViewer | Self::OpsOperator => false,
        }
    }
}

impl From<ToolRole> for Role {
    fn from(role: ToolRole) -> Self {
        match role {
            ToolRole::OpsViewer => Self::OpsViewer,
            ToolRole::OpsOperator => Self::OpsOperator,
            ToolRole::OpsAdmin => Self::OpsAdmin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_of_tools_is_the_role_of_the_same_name_and_the_auditor_has_none() {
        for role in ToolRole::ALL {
            assert_eq!(Role::from(*role).of_tools(), Some(*role));
            assert_eq!(Role::from(*role).as_str(), role.as_str());
        }
        let outside: Vec<_> = Role::ALL.iter().filter(|role| role.of_tools().is_none()).collect();
        assert_eq!(outside, [&Role::OpsAuditor]);
    }
}
