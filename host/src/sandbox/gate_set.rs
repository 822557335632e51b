//! What stands open for one call.

use std::sync::Arc;

use super::traces::Traces;
use crate::{
    health::{Breakers, Sender},
    names::ProviderName,
    outbound::{Acting, Gate},
    vault::CallSecrets,
};

/// The three gates, open for one call of one provider.
#[derive(Debug)]
pub struct GateSet {
    /// Whose call it is.
    pub provider: ProviderName,
    /// The provider's way out.
    pub outbound: Arc<Gate>,
    /// Whether its upstreams are sent anything.
    pub breakers: Arc<Breakers>,
    /// On whose behalf.
    pub sender: Sender,
    /// What the call may do out there.
    pub acting: Acting,
    /// The call's secrets.
    pub secrets: Arc<CallSecrets>,
    /// What the call leaves behind.
    pub traces: Traces,
    /// For log lines.
    pub correlation_id: String,
}
