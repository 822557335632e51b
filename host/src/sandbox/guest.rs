//! The host's state beside one running instance.

use std::sync::Arc;

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    budget::Budget, fair_semaphore::FairPermit, gate_set::GateSet, memory::MemoryLimits, pace::Pace, wasi::Wasi,
    way_out::WayOut,
};
use crate::config::SandboxLimits;

/// The most requests of one `send-all` that are under way at once.
pub(super) const FAN_OUT: usize = 8;
/// The longest event, in bytes of data.
pub(super) const EVENT_BYTES_MAX: usize = 64 * 1024;
/// The longest log line, in characters.
pub(super) const LOG_LINE_MAX: usize = 2048;

/// What a run holds under the concurrency limits, given back when dropped.
#[derive(Debug)]
pub(super) enum Permits {
    /// A caller's: among the provider's calls, and among all.
    OfACaller { _own: FairPermit, _all: FairPermit },
    /// One of those that are kept for the hub itself.
    OfTheHub { _permit: OwnedSemaphorePermit },
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
    /// Given back when nothing of the guest is left.
    _permits: Permits,
}

impl Guest {
    pub(super) fn new(gates: Option<GateSet>, limits: SandboxLimits, deadline: Instant, permits: Permits) -> Self {
        let budget = Arc::new(Budget::new(limits));
        let way_out = gates.map(|gates| WayOut { gates: Arc::new(gates), budget: Arc::clone(&budget), deadline });
        let memory = MemoryLimits::new(limits, Arc::clone(&budget));
        Self { way_out, memory, budget, pace: Arc::default(), wasi: None, _permits: permits }
    }

    /// Its side of WASI, made now if this is the first that it asks of it.
    pub(super) fn wasi(&mut self) -> &mut Wasi {
        self.wasi.get_or_insert_with(|| Box::new(Wasi::new(self.way_out.as_ref())))
    }
}
