//! What a call leaves behind beside its answer.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
