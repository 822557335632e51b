//! What an admin asks of the hub, and what it answers.

use std::sync::Arc;

use crate::{
    names::OperationKind,
    registry::{Reloaded, Snapshot},
};

/// What an admin asks of the hub.
#[derive(Debug)]
pub enum AdminOperation {
    /// How each provider is, and what it is granted.
    Providers,
    /// Read the config and every component anew.
    Reload,
}

/// What it answers.
#[derive(Debug)]
pub enum AdminOutput {
    /// All providers at one moment.
    Providers(Arc<Snapshot>),
    /// What a reload came to.
    Reloaded(Reloaded),
}

impl AdminOperation {
    /// What the audit trail names it.
    pub(super) fn kind(&self) -> OperationKind {
        match self {
            Self::Providers => OperationKind::ListProviders,
            Self::Reload => OperationKind::Reload,
        }
    }
}
