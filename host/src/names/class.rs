//! What sort of thing a tool does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The class of a tool: what it counts against, whether an intent is recorded before it runs, and what it may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolClass {
    /// Looks: it sends GET, HEAD, and POST to what `queries` lists.
    Read,
    /// Makes the upstream work, or annotates.
    Scan,
    /// Creates or changes what others see.
    Write,
}

impl ToolClass {
    /// The class in a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Scan => "scan",
            Self::Write => "write",
        }
    }
}
