//! A reload makes new revisions aside and swaps each in when it is ready. A provider in which anything is wrong keeps its
//! old revision, unless the config withdraws something from it; a config in which anything is wrong changes nothing. Who is
//! disabled, removed or granted less is out at once, however long others take to load.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, stream};
use tokio::sync::OwnedMutexGuard;

use super::{
    current::Registry,
    entry::{Entry, problem_of, same},
    error::LoadError,
    load::{self, ComponentFile, WayOut},
    outcome::Reloaded,
    problem::Problem,
    snapshot::{Configs, Snapshot},
};
use crate::{
    config::{self, CheckpointSink, ConfigError, EventsConfig, ProviderConfig},
    names::ProviderName,
    telemetry::metrics,
};

/// Providers that are loaded at once. Compiling one takes all cores as it is, and up to 2 GiB.
const AT_ONCE: usize = 2;

/// What the config wants.
pub(super) struct Wanted {
    providers: BTreeMap<ProviderName, ProviderConfig>,
    way_out: WayOut,
    checkpoints: Vec<CheckpointSink>,
    events: EventsConfig,
}

/// A reload that has begun: who is disabled or removed is out, who is new or granted less is [`Entry::Loading`]. Dropping it leaves it at what
/// it has come to.
pub struct Reload {
    registry: Arc<Registry>,
    _one_at_a_time: OwnedMutexGuard<()>,
    /// From when on it is told what has changed.
    since: Arc<Snapshot>,
    old: Arc<Snapshot>,
    configs: Configs,
    entries: BTreeMap<ProviderName, Entry>,
    on: Vec<(ProviderName, ProviderConfig)>,
    way_out: WayOut,
    eager: bool,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload").field("on", &self.on.len()).field("eager", &self.eager).finish_non_exhaustive()
    }
}

impl Registry {
    /// Reads the config and every component anew, and waits until all are loaded.
    ///
    /// # Errors
    /// When the config itself cannot be used. What was serving goes on serving.
    pub async fn reload(self: &Arc<Self>) -> Result<Reloaded, ConfigError> {
        Ok(self.begin().await?.finish().await)
    }

    /// Reads the config and begins to load what it wants.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub async fn begin(self: &Arc<Self>) -> Result<Reload, ConfigError> {
        let wanted = self.wanted().await?;
        Ok(self.begin_with(wanted, false, None).await)
    }

    /// What the config wants now. A load that is under way is not affected.
    pub(super) async fn wanted(&self) -> Result<Wanted, ConfigError> {
        let read = async {
            let config = self.read_config().await?;
            let way_out = self.way_out(&config).await?;
            let checkpoints = config.audit.checkpoints.into_iter().map(|sink| self.placed(sink)).collect();
            Ok(Wanted { providers: config.providers, way_out, checkpoints, events: config.events })
        };
        let read = read.await;
        if let Err(error) = &read {
            self.note_config_problem(error);
        }
        read
    }

    /// Begins to load, once no other reload is under way. Who is `eager` tries again now whatever has failed for a reason
    /// that may have passed. What it came to is told from `since` on, where a reload began that this one takes the place of.
    pub(super) async fn begin_with(
        self: &Arc<Self>,
        wanted: Wanted,
        eager: bool,
        since: Option<Arc<Snapshot>>,
    ) -> Reload {
        let one_at_a_time = Arc::clone(&self.reloading).lock_owned().await;
        let old = self.snapshot();
        let since = since.unwrap_or_else(|| Arc::clone(&old));
        let Wanted { providers, way_out, checkpoints, events } = wanted;
        self.checkpoints.store(Arc::new(checkpoints));
        self.way_out.store(Arc::new(way_out.clone()));
        self.events.store(Arc::new(events));
        let configs: Configs = Arc::new(providers.clone());
        let (off, mut on): (Vec<_>, Vec<_>) = providers.into_iter().partition(|(_, wanted)| !wanted.enabled);
        let mut entries = old.entries.clone();
        entries.retain(|name, _| on.iter().any(|(wanted, _)| wanted == name));
        for (name, wanted) in &on {
            let entry = entries.entry(name.clone()).or_insert(Entry::Loading { withdrawn: false });
            let withdrawn = matches!(entry, Entry::Ready { revision, .. } if wanted.withdraws_from(&revision.config));
            if withdrawn || matches!(entry, Entry::Disabled) {
                *entry = Entry::Loading { withdrawn };
            }
        }
        // Who is out meanwhile waits for nobody who goes on serving.
        on.sort_by_key(|(name, _)| matches!(entries.get(name), Some(Entry::Ready { .. })));
        entries.extend(off.into_iter().map(|(name, _)| (name, Entry::Disabled)));
        self.publish(Snapshot::new(Arc::clone(&configs), entries.clone()));
        let registry = Arc::clone(self);
        Reload { registry, _one_at_a_time: one_at_a_time, since, old, configs, entries, on, way_out, eager }
    }

    async fn read_config(&self) -> Result<config::Config, ConfigError> {
        let path = self.sources.config.clone();
        let read = tokio::task::spawn_blocking(move || config::read(&path)).await;
        read.unwrap_or_else(|error| Err(cut_off(&error)))
    }

    async fn way_out(&self, config: &config::Config) -> Result<WayOut, ConfigError> {
        let folder = self.folder();
        let file = config.outbound.extra_ca.clone();
        let read = tokio::task::spawn_blocking(move || load::extra_roots(&folder, file.as_ref())).await;
        let roots = read.unwrap_or_else(|error| Err(cut_off(&error)))?;
        let dns_servers = config.outbound.dns_servers.clone();
        Ok(WayOut { roots, dns_servers, own_address: self.sources.own_address.clone() })
    }

    /// A sink with its whole path.
    fn placed(&self, sink: CheckpointSink) -> CheckpointSink {
        match sink {
            CheckpointSink::File(file) => CheckpointSink::File(self.folder().join(file)),
            elsewhere @ (CheckpointSink::Stdout | CheckpointSink::Https(_)) => elsewhere,
        }
    }

    fn folder(&self) -> PathBuf {
        self.sources.config.parent().unwrap_or(Path::new(".")).to_owned()
    }

    /// Says why the newest config is not in use, and keeps everything else.
    fn note_config_problem(&self, error: &ConfigError) {
        let current = self.snapshot();
        let problem = Some(error.to_string());
        if current.config_problem == problem {
            return;
        }
        metrics::reloaded("refused");
        tracing::error!(%error, "the config is not usable; what was serving goes on");
        let mut snapshot = Snapshot::new(Arc::clone(&current.configs), current.entries.clone());
        snapshot.config_problem = problem;
        self.publish(snapshot);
    }

    fn publish(&self, snapshot: Snapshot) {
        self.start.note(&snapshot);
        self.current.store(Arc::new(snapshot.after(&self.snapshot())));
        self.changes.send_modify(|count| *count += 1);
    }

    async fn component(&self, wanted: &ProviderConfig) -> Result<ComponentFile, LoadError> {
        let (folder, component) = (self.folder(), wanted.component.clone());
        let read = tokio::task::spawn_blocking(move || load::read(&folder, &component)).await;
        read.map_err(|error| LoadError::Interrupted(error.to_string()))?
    }

    /// What becomes of a provider: the serving revision if nothing has changed, or if the new one cannot be loaded and the
    /// config withdraws nothing from the old one. Says when one that does not serve `begins` to
    /// load something that was not tried before, and whether that is because something was withdrawn.
    async fn entry_for(
        &self,
        (name, wanted): (&ProviderName, &ProviderConfig),
        way_out: &WayOut,
        before: Option<&Entry>,
        eager: bool,
        begins: impl FnOnce(bool),
    ) -> Entry {
        let (serving, withdrawn) = match before {
            Some(Entry::Ready { revision, .. }) if wanted.withdraws_from(&revision.config) => (None, true),
            Some(Entry::Ready { revision, .. }) => (Some(revision), false),
            Some(Entry::Failed(problem)) => (None, problem.is_out_of_service()),
            // A reload that a later change broke off has left it so.
            Some(Entry::Loading { withdrawn }) => (None, *withdrawn),
            Some(Entry::Disabled) | None => (None, false),
        };
        let problem = before.and_then(problem_of);
        let without = |problem: Problem| match serving {
            Some(revision) => Entry::Ready { revision: Arc::clone(revision), problem: Some(problem) },
            None if withdrawn => Entry::Failed(problem.out_of_service()),
            None => Entry::Failed(problem),
        };
        let file = match self.component(wanted).await {
            Ok(file) => file,
            Err(error) => return without(Problem::of(&error, None, problem)),
        };
        let id = file.revision_id(wanted, way_out);
        if let Some(revision) = serving.filter(|revision| revision.id == id) {
            return Entry::Ready { revision: Arc::clone(revision), problem: None };
        }
        if let Some(problem) = problem.filter(|problem| problem.stands(&id, eager)) {
            return without(problem.clone());
        }
        if serving.is_none() && problem.is_none_or(|problem| !problem.is_of(&id)) {
            begins(withdrawn);
        }
        let _under_way = self.loads.begin(name);
        match load::revision(&self.sandbox, name, wanted, file, way_out.clone()).await {
            Ok(revision) => Entry::Ready { revision: Arc::new(revision), problem: None },
            Err(error) => without(Problem::of(&error, Some(id), problem)),
        }
    }
}

impl Reload {
    /// What was in use when it began.
    pub(super) fn since(&self) -> Arc<Snapshot> {
        Arc::clone(&self.since)
    }

    /// Loads everything; each provider is in as soon as it is ready.
    pub async fn finish(self) -> Reloaded {
        let Self { registry, _one_at_a_time, since, old, configs, entries, on, way_out, eager } = self;
        let publish = |entries: &BTreeMap<ProviderName, Entry>| {
            let mut snapshot = Snapshot::new(Arc::clone(&configs), entries.clone());
            // That a newer config cannot be used may have been found out meanwhile.
            snapshot.config_problem.clone_from(&registry.snapshot().config_problem);
            registry.publish(snapshot);
        };
        let entries = Mutex::new(entries);
        let put = |name: &ProviderName, entry: Entry| {
            let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = !same(entries.get(name), &entry);
            entries.insert(name.clone(), entry);
            if changed {
                publish(&entries);
            }
        };
        let loading = stream::iter(on).for_each_concurrent(AT_ONCE, async |(name, wanted)| {
            let begins = |withdrawn| put(&name, Entry::Loading { withdrawn });
            let entry = registry.entry_for((&name, &wanted), &way_out, old.entries.get(&name), eager, begins).await;
            if let Entry::Ready { revision, .. } = &entry {
                tracing::debug!(provider = %name, revision = revision.id, component = revision.component, "ready");
            }
            put(&name, entry);
        });
        loading.await;
        let entries = entries.into_inner().unwrap_or_else(PoisonError::into_inner);
        publish(&entries);
        let reloaded = Reloaded::between(&since, &registry.snapshot());
        metrics::reloaded(if reloaded.problems.is_empty() { "ok" } else { "problems" });
        reloaded.log();
        reloaded
    }
}

fn cut_off(error: &tokio::task::JoinError) -> ConfigError {
    ConfigError::File { file: "the config".to_owned(), reason: error.to_string() }
}
