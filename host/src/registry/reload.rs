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
    current::{Registry, Wanted},
    entry::{DisabledBy, Entry, problem_of, same},
    error::LoadError,
    imposed::Imposed,
    load::{self, ComponentFile, WayOut},
    outcome::Reloaded,
    problem::Problem,
    revision::Revision,
    snapshot::{Configs, Snapshot},
};
use crate::{
    config::{self, CheckpointSink, ConfigError, ProviderConfig},
    names::ProviderName,
    telemetry::metrics,
};

/// Providers that are loaded at once. Compiling one takes all cores as it is, and up to 2 GiB.
const AT_ONCE: usize = 2;

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
    imposed: Arc<Imposed>,
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
        Ok(self.begin_with(Arc::new(wanted), false, None).await)
    }

    /// What the config wants now. A load that is under way is not affected.
    pub(super) async fn wanted(&self) -> Result<Wanted, ConfigError> {
        let read = async {
            let config = self.read_config().await?;
            let way_out = self.way_out(&config).await?;
            let checkpoints = config.audit.checkpoints.into_iter().map(|sink| self.placed(sink)).collect();
            Ok(Wanted { providers: Arc::new(config.providers), way_out, checkpoints, events: config.events })
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
        wanted: Arc<Wanted>,
        eager: bool,
        since: Option<Arc<Snapshot>>,
    ) -> Reload {
        let one_at_a_time = Arc::clone(&self.reloading).lock_owned().await;
        let old = self.snapshot();
        let since = since.unwrap_or_else(|| Arc::clone(&old));
        self.use_wanted(&wanted);
        self.way_out.store(Arc::new(wanted.way_out.clone()));
        let (configs, way_out, imposed) = (Arc::clone(&wanted.providers), wanted.way_out.clone(), self.imposed());
        let is_on = |name: &ProviderName, wanted: &ProviderConfig| wanted.enabled && !imposed.disables(name.as_str());
        let each = configs.iter().map(|(name, wanted)| (name.clone(), wanted.clone()));
        let (mut on, off): (Vec<_>, Vec<_>) = each.partition(|(name, wanted)| is_on(name, wanted));
        let mut entries = old.entries.clone();
        entries.retain(|name, _| on.iter().any(|(wanted, _)| wanted == name));
        for (name, wanted) in &on {
            let entry = entries.entry(name.clone()).or_insert(Entry::Loading { withdrawn: false });
            let withdrawn = matches!(entry, Entry::Ready { revision, .. } if wanted.withdraws_from(&revision.config));
            if withdrawn || matches!(entry, Entry::Disabled(_)) {
                *entry = Entry::Loading { withdrawn };
            }
        }
        // Who is out meanwhile waits for nobody who goes on serving.
        on.sort_by_key(|(name, _)| matches!(entries.get(name), Some(Entry::Ready { .. })));
        let by = |wanted: &ProviderConfig| if wanted.enabled { DisabledBy::Admin } else { DisabledBy::Config };
        entries.extend(off.into_iter().map(|(name, wanted)| (name, Entry::Disabled(by(&wanted)))));
        self.publish(Snapshot::new(Arc::clone(&configs), entries.clone()));
        let registry = Arc::clone(self);
        Reload { registry, _one_at_a_time: one_at_a_time, since, old, configs, entries, on, way_out, imposed, eager }
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

    /// The component that the config names, unless an admin has rolled back to another one.
    async fn component(
        &self,
        name: &ProviderName,
        wanted: &ProviderConfig,
        rolled_back: Option<&str>,
    ) -> Result<ComponentFile, LoadError> {
        let (folder, component) = (self.folder(), wanted.component.clone());
        let (kept, name, rolled_back) = (self.kept(), name.clone(), rolled_back.map(str::to_owned));
        let read = tokio::task::spawn_blocking(move || match rolled_back {
            None => load::read(&folder, &component),
            Some(digest) => {
                let found = kept.and_then(|kept| kept.read(&name, &digest));
                found.ok_or(LoadError::NotKept(digest))
            }
        });
        read.await.map_err(|error| LoadError::Interrupted(error.to_string()))?
    }

    /// Keeps the component that a revision runs, to roll back to when another one serves.
    async fn keep(&self, revision: &Revision) {
        let Some(kept) = self.kept() else { return };
        let (folder, path) = (self.folder(), revision.config.component.clone());
        let (name, digest) = (revision.name.clone(), revision.component.clone());
        let noted =
            tokio::task::spawn_blocking(move || kept.note(&name, &digest, || load::read(&folder, &path).ok())).await;
        if let Ok(Err(error)) = noted {
            let provider = revision.name.as_str();
            tracing::warn!(provider, %error, "its component is not kept, so it cannot be rolled back to");
        }
    }

    /// What becomes of a provider: the serving revision if nothing has changed, or if the new one cannot be loaded and the
    /// config withdraws nothing from the old one. Says when one that does not serve `begins` to
    /// load something that was not tried before, and whether that is because something was withdrawn.
    async fn entry_for(
        &self,
        (name, wanted, rolled_back): (&ProviderName, &ProviderConfig, Option<&str>),
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
            Some(Entry::Disabled(_)) | None => (None, false),
        };
        let problem = before.and_then(problem_of);
        let without = |problem: Problem| match serving {
            Some(revision) => Entry::Ready { revision: Arc::clone(revision), problem: Some(problem) },
            None if withdrawn => Entry::Failed(problem.out_of_service()),
            None => Entry::Failed(problem),
        };
        let file = match self.component(name, wanted, rolled_back).await {
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
        let Self { registry, _one_at_a_time, since, old, configs, entries, on, way_out, imposed, eager } = self;
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
            let of = (&name, &wanted, imposed.component(name.as_str()));
            let entry = registry.entry_for(of, &way_out, old.entries.get(&name), eager, begins).await;
            let ready = match &entry {
                Entry::Ready { revision, .. } => Some(Arc::clone(revision)),
                _ => None,
            };
            put(&name, entry);
            if let Some(revision) = ready {
                tracing::debug!(provider = %name, revision = revision.id, component = revision.component, "ready");
                registry.keep(&revision).await;
            }
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
