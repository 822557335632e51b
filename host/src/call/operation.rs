//! What is asked of the hub.

use std::sync::Arc;

use super::{CallError, Input};
use crate::{
    identity::Caller,
    limits::Permit,
    names::{CorrelationId, Surface},
};

/// On whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An authenticated caller.
    Caller(Arc<Caller>),
    /// The hub itself, which may only check health.
    Hub,
}

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
    /// Its permit under the caller's concurrency limit, from [`Hub::acquire`]; that there was none is told on the line.
    pub permit: Result<Permit, CallError>,
    /// Where it came in.
    pub surface: Surface,
    /// Ties everything about it together.
    pub correlation_id: CorrelationId,
    /// The provider's name as the caller gave it.
    pub provider: String,
    /// What is asked.
    pub operation: Operation,
}
