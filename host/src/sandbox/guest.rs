//! The host's state beside one running instance.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{budget::Budget, memory::MemoryLimits, pace::Pace, shares::Place, wasi::Wasi, way_out::WayOut};
use crate::{
    config::SandboxLimits,
    names::ProviderName,
    outbound::{Acting, Gate},
    vault::CallSecrets,
};

/// The most requests of one `send-all` that are under way at once.
pub(super) const FAN_OUT: usize = 8;
/// The longest event, in bytes of data.
pub(super) const EVENT_BYTES_MAX: usize = 64 * 1024;
/// The longest log line, in characters.
pub(super) const LOG_LINE_MAX: usize = 2048;

/// An event that a provider emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// `CloudEvents` type.
    pub event_type: String,
    /// JSON.
    pub data: String,
}

/// What a call leaves behind, readable also when the call was cut off.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    inner: Arc<Mutex<TracesInner>>,
}

#[derive(Debug, Default)]
struct TracesInner {
    hosts: BTreeSet<String>,
    events: Vec<Emitted>,
}

impl Traces {
    /// The upstream hosts that were called, comma-separated; `None` if none was.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        let inner = self.lock();
        (!inner.hosts.is_empty()).then(|| inner.hosts.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    }

    /// Takes the events that were emitted.
    #[must_use]
    pub fn take_events(&self) -> Vec<Emitted> {
        std::mem::take(&mut self.lock().events)
    }

    pub(super) fn called(&self, host: String) {
        self.lock().hosts.insert(host);
    }

    pub(super) fn emitted(&self, event: Emitted) {
        self.lock().events.push(event);
    }

    fn lock(&self) -> MutexGuard<'_, TracesInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The three gates, open for one call of one provider.
#[derive(Debug)]
pub struct GateSet {
    /// Whose call it is.
    pub provider: ProviderName,
    /// The provider's way out.
    pub outbound: Arc<Gate>,
    /// What the call may do out there.
    pub acting: Acting,
    /// The call's secrets.
    pub secrets: Arc<CallSecrets>,
    /// What the call leaves behind.
    pub traces: Traces,
    /// For log lines.
    pub correlation_id: String,
}

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
    pub(super) wasi: Option<Box<Wasi>>,
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
}
