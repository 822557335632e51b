//! What a call leaves behind beside its answer.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    health::{CircuitOpen, Turned},
    outbound::ByteMeter,
};

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
    requests: u32,
    sent: u64,
    /// What counts the bytes that come back.
    received: Option<Arc<ByteMeter>>,
    refused: Option<CircuitOpen>,
    turned: Vec<Turned>,
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

    /// How many requests went to upstreams.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.lock().requests
    }

    /// How many bytes those were, and what came back until now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let inner = self.lock();
        inner.sent.saturating_add(inner.received.as_ref().map_or(0, |meter| meter.taken()))
    }

    /// A request of so many bytes goes to a host; `received` counts what comes back to any request of the call.
    pub(super) fn called(&self, host: String, bytes: u64, received: Arc<ByteMeter>) {
        let mut inner = self.lock();
        inner.hosts.insert(host);
        (inner.requests, inner.sent) = (inner.requests.saturating_add(1), inner.sent.saturating_add(bytes));
        inner.received = Some(received);
    }

    /// A request that was not sent because its upstream keeps failing; the first, if there were several.
    #[must_use]
    pub fn circuit_open(&self) -> Option<CircuitOpen> {
        self.lock().refused.clone()
    }

    /// Takes what its requests have made of circuit breakers.
    #[must_use]
    pub fn take_turned(&self) -> Vec<Turned> {
        std::mem::take(&mut self.lock().turned)
    }

    /// A circuit breaker has turned.
    pub(super) fn turned(&self, turned: Turned) {
        self.lock().turned.push(turned);
    }

    /// A request is not sent.
    pub(super) fn refused(&self, open: CircuitOpen) {
        self.lock().refused.get_or_insert(open);
    }

    pub(super) fn emitted(&self, event: Emitted) {
        self.lock().events.push(event);
    }

    fn lock(&self) -> MutexGuard<'_, TracesInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
