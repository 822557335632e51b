//! What an admin asks of the hub, and what it answers.

use std::sync::Arc;

use crate::{
    names::{OperationKind, ProviderName},
    registry::{Reloaded, Snapshot},
};

/// What an admin asks of the hub.
#[derive(Debug)]
pub enum AdminOperation {
    /// How each provider is, and what it is granted.
    Providers,
    /// Read the config and every component anew.
    Reload,
    /// Do something to one provider.
    Override {
        /// Which, as the caller named it.
        provider: String,
        /// What.
        act: ProviderAct,
    },
}

/// What an admin does to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderAct {
    /// Take it out of service.
    Disable,
    /// Lift that.
    Enable,
    /// Have the component serve that served before.
    RollBack,
}

/// What it answers.
#[derive(Debug)]
pub enum AdminOutput {
    /// All providers at one moment.
    Providers(Arc<Snapshot>),
    /// What a reload came to.
    Reloaded(Reloaded),
    /// All providers at one moment, of which something was done to one.
    Overridden(ProviderName, Arc<Snapshot>),
}

impl AdminOperation {
    /// What the audit trail names it.
    pub(super) fn kind(&self) -> OperationKind {
        match self {
            Self::Providers => OperationKind::ListProviders,
            Self::Reload => OperationKind::Reload,
            Self::Override { act: ProviderAct::Disable, .. } => OperationKind::DisableProvider,
            Self::Override { act: ProviderAct::Enable, .. } => OperationKind::EnableProvider,
            Self::Override { act: ProviderAct::RollBack, .. } => OperationKind::RollBackProvider,
        }
    }
}
