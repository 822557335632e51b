//! How much of a body the audit trail keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::words;

words! {
    /// What is kept of an input or an output. That there was a call, whose, when and how it ended is always kept.
    #[derive(Default, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Kept: "extent" {
        /// Nothing.
        None = "none",
        /// A salted digest: whoever reads the trail learns nothing of the body.
        Digest = "digest",
        /// The body itself.
        #[default]
        Full = "full",
    }
}
