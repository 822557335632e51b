//! What sort of thing a tool does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::words;

words! {
    /// The class of a tool: what it counts against, whether an intent is recorded before it runs, and what it may send.
    #[derive(PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum ToolClass: "class" {
        /// Looks: it sends GET, HEAD, and POST to what `queries` lists.
        Read = "read",
        /// Makes the upstream work, or annotates.
        Scan = "scan",
        /// Creates or changes what others see.
        Write = "write",
    }
}
