//! One way through: every operation is a [`Call`] that walks one line and ends in an [`Answer`].

mod advice;
mod error;
pub mod json;
mod label;
mod line;
mod name;
mod nearest;
mod number;
pub mod plain;
mod record;
mod run;
mod uri;
mod way_in;

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use advice::{Advice, Retry};
pub(crate) use error::whole_seconds;
pub use error::{CallError, InputFault, Misaddress, ProviderFault, RequestFault, Violation};
pub use line::{Hub, HubParts};
pub use name::{NameError, ProviderName, ToolName, WireForm};
pub use nearest::{Kind, did_you_mean};
pub use uri::{ResourceUri, UriError, UriPattern};

use crate::{
    health::Health,
    identity::Caller,
    limits::Place,
    sandbox::{Content, PromptMessage, ResourceContent},
};

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

/// Where a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `POST /providers/…`.
    Rest,
    /// MCP over Streamable HTTP.
    Mcp,
    /// MCP over stdio.
    Stdio,
    /// The hub's own health monitor.
    Probe,
}

impl Surface {
    /// The surface's name in the audit trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Mcp => "mcp",
            Self::Stdio => "stdio",
            Self::Probe => "probe",
        }
    }
}

/// Ties log lines, events and answers together: 1 to 128 of `[A-Za-z0-9._:-]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The caller's id if it is a proper one, otherwise a fresh one.
    #[must_use]
    pub fn accept(given: Option<&str>) -> Self {
        let proper = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
        };
        Self(given.filter(proper).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// On whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An authenticated caller.
    Caller(Arc<Caller>),
    /// The hub itself, which may only check health.
    Hub,
}

/// A tool's input as it arrived; what is wrong with it is told when the line comes to validating it.
pub type Input = Result<Value, InputFault>;

/// What is asked of a provider.
#[derive(Debug)]
pub enum Operation {
    /// Call a tool.
    CallTool {
        /// The tool's name as the caller gave it.
        tool: String,
        /// Its input.
        input: Input,
    },
    /// Read a resource.
    ReadResource {
        /// The resource's URI within its provider.
        uri: String,
    },
    /// Render a prompt.
    GetPrompt {
        /// The prompt's name as the caller gave it.
        prompt: String,
        /// Names and values.
        arguments: Vec<(String, String)>,
    },
    /// Check the provider's health.
    CheckHealth,
}

impl Operation {
    /// Brings a tool's input into the one form in which it is recorded, validated and given to the provider.
    fn settle(&mut self) {
        if let Self::CallTool { input: Ok(input), .. } = self {
            json::settle(input);
        }
    }

    /// The operation's name in the audit trail.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CallTool { .. } => "call_tool",
            Self::ReadResource { .. } => "read_resource",
            Self::GetPrompt { .. } => "get_prompt",
            Self::CheckHealth => "check_health",
        }
    }
}

/// One operation, on its way through the line.
#[derive(Debug)]
pub struct Call {
    /// On whose behalf.
    pub principal: Principal,
    /// Its place among the caller's calls under way, from [`Hub::enter`]; that there was none is told on the line.
    pub place: Result<Place, CallError>,
    /// Where it came in.
    pub surface: Surface,
    /// Ties everything about it together.
    pub correlation_id: CorrelationId,
    /// The provider's name as the caller gave it.
    pub provider: String,
    /// What is asked.
    pub operation: Operation,
}

/// What a call came to. It is on record when anybody sees it.
#[derive(Debug)]
pub struct Answer {
    /// The call's id, that of its audit row.
    pub id: Uuid,
    /// What the provider gave, or why there is nothing.
    pub outcome: Result<Output, CallError>,
}

/// What a provider gave.
#[derive(Debug)]
pub enum Output {
    /// A tool's output.
    Tool {
        /// The JSON, valid against the tool's output schema.
        value: Value,
        /// Further content for MCP clients.
        content: Vec<Content>,
    },
    /// A resource's contents.
    Resource(Vec<ResourceContent>),
    /// A prompt's messages.
    Prompt(Vec<PromptMessage>),
    /// A provider's health.
    Health(Health),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_improper_correlation_id_is_replaced() {
        assert_eq!(CorrelationId::accept(Some("req-1.a:b_c")).as_str(), "req-1.a:b_c");
        for improper in [None, Some(""), Some("a b"), Some("a\nb"), Some("ä"), Some(&*"x".repeat(129))] {
            let fresh = CorrelationId::accept(improper);
            assert!(fresh.as_str().parse::<Uuid>().is_ok(), "{improper:?}");
        }
    }
}
