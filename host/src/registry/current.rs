//! The snapshot in use, and what the next one is made from.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Mutex, watch as watch_channel};

use super::{
    awaited::{Awaited, Start},
    imposed::Imposed,
    kept::Kept,
    load::WayOut,
    snapshot::{Configs, Snapshot},
    standing::Loads,
};
use crate::{
    config::{CheckpointSink, EventsConfig},
    outbound::{DnsError, GateOptions, OwnAddress},
    sandbox::Sandbox,
};

/// Where the registry gets everything from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `provider-config.yaml`. Components are relative to its folder.
    pub config: PathBuf,
    /// Where the hub itself answers: no provider may go there.
    pub own_address: OwnAddress,
    /// Where components are kept to roll back to, if they are.
    pub kept: Option<PathBuf>,
}

/// What the config wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) providers: Configs,
    pub(super) way_out: WayOut,
    pub(super) checkpoints: Vec<CheckpointSink>,
    pub(super) events: EventsConfig,
}

/// The registry: the current snapshot and the way to a new one.
#[derive(Debug)]
pub struct Registry {
    pub(super) sources: Sources,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) current: ArcSwap<Snapshot>,
    /// Where checkpoints of the audit trail go, by the config in use.
    pub(super) checkpoints: ArcSwap<Vec<CheckpointSink>>,
    /// What every way out has in common, by the config in use.
    pub(super) way_out: ArcSwap<WayOut>,
    /// What becomes of events, by the config in use.
    pub(super) events: ArcSwap<EventsConfig>,
    /// Held by the one reload that is under way.
    pub(super) reloading: Arc<Mutex<()>>,
    pub(super) changes: watch_channel::Sender<u64>,
    pub(super) loads: Loads,
    pub(super) start: Start,
    imposed: ArcSwap<Imposed>,
    /// What the config in use wants.
    wanted: ArcSwapOption<Wanted>,
}

impl Registry {
    /// An empty registry; [`Self::reload`] fills it.
    #[must_use]
    pub fn new(sources: Sources, sandbox: Arc<Sandbox>) -> Self {
        let (changes, _) = watch_channel::channel(0);
        Self {
            sources,
            sandbox,
            current: ArcSwap::default(),
            checkpoints: ArcSwap::default(),
            way_out: ArcSwap::default(),
            events: ArcSwap::default(),
            reloading: Arc::default(),
            changes,
            loads: Loads::default(),
            start: Start::default(),
            imposed: ArcSwap::default(),
            wanted: ArcSwapOption::default(),
        }
    }

    /// All providers at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Where checkpoints of the audit trail go now, with whole paths.
    #[must_use]
    pub fn checkpoints(&self) -> Arc<Vec<CheckpointSink>> {
        self.checkpoints.load_full()
    }

    /// What the hub's own ways out have in common with those of providers now.
    ///
    /// # Errors
    /// When the DNS servers of the config cannot be used.
    pub fn gate_options(&self) -> Result<GateOptions, DnsError> {
        WayOut::clone(&self.way_out.load()).options()
    }

    /// What becomes of events now.
    #[must_use]
    pub fn events(&self) -> Arc<EventsConfig> {
        self.events.load_full()
    }

    /// Changes whenever a new snapshot is in use.
    #[must_use]
    pub fn changes(&self) -> watch_channel::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until no provider is [`Entry::Loading`](super::Entry::Loading) any more.
    pub async fn loaded(&self) {
        let mut changes = self.changes();
        // It changes as long as this registry is there.
        while self.snapshot().is_loading() && changes.changed().await.is_ok() {}
    }

    /// What admins have done to providers.
    #[must_use]
    pub fn imposed(&self) -> Arc<Imposed> {
        self.imposed.load_full()
    }

    pub(super) fn impose(&self, imposed: Imposed) {
        self.imposed.store(Arc::new(imposed));
    }

    /// What the config in use wants; nothing before the first is.
    pub(super) fn wanted_now(&self) -> Option<Arc<Wanted>> {
        self.wanted.load_full()
    }

    pub(super) fn use_wanted(&self, wanted: &Arc<Wanted>) {
        self.checkpoints.store(Arc::new(wanted.checkpoints.clone()));
        self.events.store(Arc::new(wanted.events.clone()));
        self.wanted.store(Some(Arc::clone(wanted)));
    }

    /// What every provider's way out has in common, by the config in use.
    pub(super) fn way_out_in_use(&self) -> Option<WayOut> {
        self.wanted_now().map(|wanted| wanted.way_out.clone())
    }

    /// Where components are kept.
    pub(super) fn kept(&self) -> Option<Kept> {
        self.sources.kept.clone().map(Kept::in_folder)
    }

    pub(super) fn sandbox_of(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// How long the load of a provider that is under way has taken so far.
    #[must_use]
    pub fn loading_for(&self, provider: &str) -> Option<Duration> {
        self.loads.so_far(provider)
    }

    /// What is still to come before calls should: of the start, or of what served before a config took something away from it.
    #[must_use]
    pub fn awaited(&self) -> Option<Awaited> {
        self.start.awaited(&self.snapshot())
    }

    /// What runs the providers.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}
