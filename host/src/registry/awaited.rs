//! What is still to come before calls should: at the start all that the config wants, later what served already.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{entry::Entry, snapshot::Snapshot};
use crate::names::ProviderName;

/// How long the start is waited for at most: one provider that takes long to compile keeps the others' callers away no longer.
const START: Duration = Duration::from_mins(1);

/// What is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// The config.
    Config,
    /// These providers.
    Providers(Vec<ProviderName>),
}

/// How far the start has come.
#[derive(Debug, Default)]
pub(super) struct Start {
    begun: OnceLock<Instant>,
    over: AtomicBool,
}

impl Start {
    /// This snapshot is in use from now on.
    pub(super) fn note(&self, snapshot: &Snapshot) {
        if snapshot.config_problem.is_none() {
            self.begun.get_or_init(Instant::now);
            if !snapshot.is_loading() {
                self.over.store(true, Relaxed);
            }
        }
    }

    /// What is still to come before calls should. A config that cannot be used, a provider that is broken, down or new is not
    /// waited for: the others serve.
    pub(super) fn awaited(&self, snapshot: &Snapshot) -> Option<Awaited> {
        let Some(begun) = self.begun.get() else { return Some(Awaited::Config) };
        let starts = !self.over.load(Relaxed) && begun.elapsed() < START;
        let awaited = snapshot.entries().filter(|(_, entry)| match entry {
            Entry::Loading { withdrawn } => starts || *withdrawn,
            Entry::Ready { .. } | Entry::Failed(_) | Entry::Disabled(_) => false,
        });
        let awaited: Vec<_> = awaited.map(|(name, _)| name.clone()).collect();
        (!awaited.is_empty()).then_some(Awaited::Providers(awaited))
    }
}
