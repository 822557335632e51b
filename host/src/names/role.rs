//! What callers may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::words;

words! {
    // A new one is added here, in its order, and nowhere else: quotas by role are a map.
    /// What a caller may do. Each role may do all that the ones before it may.
    #[derive(PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
    #[serde(rename_all = "snake_case")]
    #[value(rename_all = "snake_case")]
    pub enum Role: "role" {
        /// Reads findings and health.
        OpsViewer = "ops_viewer",
        /// Also scans, annotates, tags and captures.
        OpsOperator = "ops_operator",
        /// Also creates issues and comments and sets policy.
        OpsAdmin = "ops_admin",
    }
}
