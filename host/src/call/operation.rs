//! What is asked of the hub.

use std::sync::Arc;

use super::{AdminOperation, CallError, Input, Replay, RequestFault, hub::READ_ROLE, trail::TrailOperation};
use crate::{
    identity::Caller,
    limits::Permit,
    names::{CorrelationId, OperationKind, Owner, Surface, ToolRole},
    registry::Report,
};

/// On whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An authenticated caller.
    Caller(Arc<Caller>),
    /// The hub itself, which checks health and reloads when files change.
    Hub,
}

impl Principal {
    /// The caller, unless it is the hub itself.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Hub => None,
        }
    }
}

/// What is asked, and of whom.
#[derive(Debug)]
pub enum Operation {
    /// Something of a provider.
    OfProvider {
        /// Of which.
        owner: Owner,
        /// What.
        asked: ProviderOperation,
    },
    /// Something of the hub itself.
    OfHub(HubOperation),
}

/// What is asked of a provider.
#[derive(Debug)]
pub enum ProviderOperation {
    /// Call a tool.
    CallTool {
        /// The tool's name as the caller gave it.
        tool: String,
        /// Its input.
        input: Input,
        /// The failed call that it issues again.
        replays: Option<Result<Replay, RequestFault>>,
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

/// What is asked of the hub itself.
#[derive(Debug)]
pub enum HubOperation {
    /// Get the OpenAPI document.
    OpenApi,
    /// List tools, resources or prompts over MCP; or what is wrong with how that is asked.
    McpList(Result<(), RequestFault>),
    /// Read the audit trail.
    Trail(TrailOperation),
    /// What admins do.
    Admin(AdminOperation),
    /// The hub has seen that files have changed, and has reloaded: what came of it.
    Reloaded(Report),
}

impl Operation {
    /// What the audit trail names it.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::OfProvider { asked: ProviderOperation::CallTool { .. }, .. } => OperationKind::CallTool,
            Self::OfProvider { asked: ProviderOperation::ReadResource { .. }, .. } => OperationKind::ReadResource,
            Self::OfProvider { asked: ProviderOperation::GetPrompt { .. }, .. } => OperationKind::GetPrompt,
            Self::OfProvider { asked: ProviderOperation::CheckHealth, .. } => OperationKind::CheckHealth,
            Self::OfHub(HubOperation::OpenApi) => OperationKind::OpenApi,
            Self::OfHub(HubOperation::McpList(_)) => OperationKind::McpList,
            Self::OfHub(HubOperation::Trail(asked)) => asked.kind(),
            Self::OfHub(HubOperation::Admin(asked)) => asked.kind(),
            Self::OfHub(HubOperation::Reloaded(_)) => OperationKind::Reload,
        }
    }

    /// Who may have it. Of a provider some tools ask for more, which is only told to those who may have any.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::OfProvider { .. } => Access::Tools(READ_ROLE),
            Self::OfHub(asked) => asked.access(),
        }
    }

    /// Whether it only reads the audit trail, which is possible also while nothing can be added to it.
    pub(super) fn reads_the_trail(&self) -> bool {
        matches!(self, Self::OfHub(HubOperation::Trail(_)))
    }
}

impl HubOperation {
    /// Who may have it.
    fn access(&self) -> Access {
        match self {
            // Who has no role is told that there is nothing for it...
            Self::OpenApi | Self::McpList(Ok(())) => Access::Authenticated,
            // ... but its role comes before the form of what it sent.
            Self::McpList(Err(_)) => Access::Tools(READ_ROLE),
            Self::Trail(_) => Access::AnyRole,
            Self::Admin(_) | Self::Reloaded(_) => Access::Tools(ToolRole::OpsAdmin),
        }
    }
}

/// Who may have an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever is authenticated.
    Authenticated,
    /// Who has a role, whichever.
    AnyRole,
    /// Who may do as much of tools as this role.
    Tools(ToolRole),
}

impl Access {
    /// Lets a caller through that may have it.
    pub(super) fn require(self, caller: &Caller) -> Result<(), CallError> {
        let needed = match self {
            Self::Authenticated => return Ok(()),
            Self::AnyRole if caller.role.is_some() => return Ok(()),
            Self::AnyRole => READ_ROLE.into(),
            Self::Tools(needed) if caller.tool_role() >= Some(needed) => return Ok(()),
            Self::Tools(needed) => needed.into(),
        };
        Err(CallError::Forbidden { needed, has: caller.role })
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
    /// What is asked, and of whom.
    pub operation: Operation,
}
