//! The host's state beside one running instance.

use std::sync::Arc;

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    budget::Budget, gate_set::GateSet, memory::MemoryLimits, pace::Pace, shares::Place, wasi::Wasi, way_out::WayOut,
};
use crate::config::SandboxLimits;

/// The most requests of one `send-all` that are under way at once.
pub(super) const FAN_OUT: usize = 8;
/// The longest event, in bytes of data.
pub(super) const EVENT_BYTES_MAX: usize = 64 * 1024;
/// The longest log line, in characters.
pub(super) const LOG_LINE_MAX: usize = 2048;

/// What a run holds of what all runs share, free again when dropped.
#[derive(Debug)]
pub(super) enum Places {
    /// A caller's: among the provider's calls, and among all.
    OfACaller { _own: Place, _all: Place },
    /// One of those that are kept for the hub itself.
    OfTheHub { _place: OwnedSemaphorePermit },
}

/// The store's data.
pub(super) struct Guest {
    /// The gates; none while a provider describes itself.
    pub(super) way_out: Option<WayOut>,
    pub(super) budget: Arc<Budget>,
    pub(super) memory: MemoryLimits,
    pub(super) pace: Arc<Pace>,
    /// What WASI needs, made when a guest first asks for it: most never do.
    wasi: Option<Box<Wasi>>,
    /// Free again when nothing of the guest is left.
    _places: Places,
}

impl Guest {
    pub(super) fn new(gates: Option<GateSet>, limits: SandboxLimits, deadline: Instant, places: Places) -> Self {
        let budget = Arc::new(Budget::new(limits));
        let way_out = gates.map(|gates| WayOut { gates: Arc::new(gates), budget: Arc::clone(&budget), deadline });
        let memory = MemoryLimits::new(limits, Arc::clone(&budget));
        Self { way_out, memory, budget, pace: Arc::default(), wasi: None, _places: places }
    }

    /// Its side of WASI, made now if this is the first that it asks of it.
    pub(super) fn wasi(&mut self) -> &mut Wasi {
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(self.way_out.as_ref())))
    }
}
