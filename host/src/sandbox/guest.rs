//! The host's state beside one running instance.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::memory::MemoryLimit;
use crate::{call::ProviderName, outbound::Gate, vault::CallSecrets};

/// The most outbound requests of one call.
pub(super) const REQUESTS_MAX: u32 = 64;
/// The most requests of one `send-all` that are under way at once.
pub(super) const FAN_OUT: usize = 8;
/// The most events of one call.
pub(super) const EVENTS_MAX: usize = 32;
/// The longest event, in bytes of data.
pub(super) const EVENT_BYTES_MAX: usize = 64 * 1024;
/// The most log lines of one call.
pub(super) const LOG_LINES_MAX: u32 = 100;
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

    /// Keeps an event; says whether there was room.
    pub(super) fn emitted(&self, event: Emitted) -> bool {
        let mut inner = self.lock();
        if inner.events.len() >= EVENTS_MAX {
            return false;
        }
        inner.events.push(event);
        true
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
    /// The call's secrets.
    pub secrets: Arc<CallSecrets>,
    /// What the call leaves behind.
    pub traces: Traces,
    /// For log lines.
    pub correlation_id: String,
}

/// The store's data: the gates, or none while a provider describes itself.
pub(super) struct Guest {
    pub(super) gates: Option<GateSet>,
    pub(super) memory: MemoryLimit,
    pub(super) deadline: Instant,
    pub(super) requests_left: u32,
    pub(super) log_lines_left: u32,
}

impl Guest {
    pub(super) fn new(gates: Option<GateSet>, memory_bytes: usize, deadline: Instant) -> Self {
        Self {
            gates,
            memory: MemoryLimit::new(memory_bytes),
            deadline,
            requests_left: REQUESTS_MAX,
            log_lines_left: LOG_LINES_MAX,
        }
    }
}
