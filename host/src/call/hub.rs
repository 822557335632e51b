//! The hub: the one thing that every surface calls.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::CallError;
use crate::{
    audit::{Audit, Refusal},
    events::Events,
    health::HealthBoard,
    identity::{Caller, Identity},
    limits::{ConcurrencyLimit, Limiter, Often, Permit},
    names::ToolRole,
    registry::{Registry, Reloads},
    vault::Vault,
};

/// The role that reading resources, rendering prompts and looking at health needs.
pub(super) const READ_ROLE: ToolRole = ToolRole::OpsViewer;

/// What the hub is made of.
#[derive(Debug)]
pub struct HubParts {
    /// Which providers there are.
    pub registry: Arc<Registry>,
    /// How it is asked to reload.
    pub reloads: Reloads,
    /// Who calls.
    pub identity: Identity,
    /// How often they may.
    pub limiter: Limiter,
    /// How much they may have under way at once.
    pub concurrency: ConcurrencyLimit,
    /// Where secrets are.
    pub vault: Arc<Vault>,
    /// What happened.
    pub audit: Audit,
    /// What is told to others.
    pub events: Events,
    /// How the providers are.
    pub health: HealthBoard,
    /// When the hub ends.
    pub end: CancellationToken,
}

/// The hub: the one thing that every surface calls.
#[derive(Debug)]
pub struct Hub {
    pub(super) parts: HubParts,
    /// Every call that is under way.
    pub(super) calls: TaskTracker,
    /// Who is refused, and asks for checks, how often.
    pub(super) often: Often,
}

impl Hub {
    /// A hub of these parts.
    #[must_use]
    pub fn new(parts: HubParts) -> Arc<Self> {
        Arc::new(Self { parts, calls: TaskTracker::new(), often: Often::default() })
    }

    /// Which providers there are.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.parts.registry
    }

    /// How the providers are.
    #[must_use]
    pub fn health(&self) -> &HealthBoard {
        &self.parts.health
    }

    /// Why nothing can be recorded; `None` while it is healthy.
    #[must_use]
    pub fn recording_problem(&self) -> Option<Refusal> {
        self.parts.audit.refusal()
    }

    /// Why a checkpoint of the audit trail could not be given away; `None` while all goes well.
    #[must_use]
    pub fn checkpoint_problem(&self) -> Option<String> {
        self.parts.audit.checkpoint_problem()
    }

    /// What is told to others.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// When the hub ends. What is answered for as long as a client stays ends with it.
    #[must_use]
    pub fn end(&self) -> &CancellationToken {
        &self.parts.end
    }

    /// Who callers are verified by.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// A permit under the caller's concurrency limit: before anything large of it is read, and until it has its answer.
    ///
    /// # Errors
    /// When it has as many under way as it may. Make the call all the same, so that the refusal is recorded.
    pub fn acquire(&self, caller: &Caller) -> Result<Permit, CallError> {
        Ok(self.parts.concurrency.acquire(caller.user, caller.tool_role().is_some())?)
    }
}
