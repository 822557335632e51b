//! A reload makes new revisions aside and swaps each in when it is ready. A provider in which anything is wrong keeps its
//! old revision; a config in which anything is wrong changes nothing. Who is disabled or removed is out at once, however
//! long others take to load.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt as _, stream};

use super::{
    Entry, Registry, Revision, Snapshot,
    error::LoadError,
    load::{self, WayOut},
    text::one_line,
};
use crate::{
    call::ProviderName,
    config::{self, ConfigError, ProviderConfig},
};

/// Providers that are loaded at once. Compiling one takes all cores as it is, and up to 2 GiB.
const AT_ONCE: usize = 2;
/// The longest problem that is told, in characters. Parts of it may be the component's own words.
const PROBLEM_MAX: usize = 4000;

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Providers that run something new, or no longer run.
    pub changed: Vec<String>,
    /// Providers with something wrong, and what. An old revision of theirs may still serve.
    pub problems: Vec<(String, String)>,
}

impl Reloaded {
    fn between(old: &BTreeMap<ProviderName, Entry>, new: &BTreeMap<ProviderName, Entry>) -> Self {
        let mut reloaded = Self::default();
        for (name, entry) in new {
            if !same(old.get(name), entry) {
                reloaded.changed.push(name.to_string());
            }
            if let Entry::Failed(problem) | Entry::Ready { problem: Some(problem), .. } = entry {
                reloaded.problems.push((name.to_string(), problem.clone()));
            }
        }
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        reloaded.changed.extend(gone.map(ToString::to_string));
        reloaded
    }
}

impl Registry {
    /// Reads the config and every component anew.
    ///
    /// # Errors
    /// When the config itself cannot be used. What was serving goes on serving.
    pub async fn reload(&self) -> Result<Reloaded, ConfigError> {
        let _one_at_a_time = self.reloading.lock().await;
        let old = self.snapshot();
        let config = match self.read_config().await {
            Ok(config) => config,
            Err(error) => {
                self.note_config_problem(&old, &error);
                return Err(error);
            }
        };
        let way_out = match self.way_out(&config).await {
            Ok(way_out) => way_out,
            Err(error) => {
                self.note_config_problem(&old, &error);
                return Err(error);
            }
        };
        let (off, on): (Vec<_>, Vec<_>) = config.providers.into_iter().partition(|(_, wanted)| !wanted.enabled);
        let mut entries = old.entries.clone();
        entries.retain(|name, _| on.iter().any(|(wanted, _)| wanted == name));
        entries.extend(off.into_iter().map(|(name, _)| (name, Entry::Disabled)));
        self.publish(Snapshot::new(entries.clone()));
        let mut loading = stream::iter(on)
            .map(async |(name, wanted)| {
                let entry = self.entry_for(&name, &wanted, &way_out, old.entries.get(&name)).await;
                (name, entry)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((name, entry)) = loading.next().await {
            let changed = !same(old.entries.get(&name), &entry);
            entries.insert(name, entry);
            if changed {
                self.publish(Snapshot::new(entries.clone()));
            }
        }
        let reloaded = Reloaded::between(&old.entries, &entries);
        self.publish(Snapshot::new(entries));
        log(&reloaded);
        Ok(reloaded)
    }

    async fn read_config(&self) -> Result<config::Config, ConfigError> {
        let path = self.sources.config.clone();
        let read = tokio::task::spawn_blocking(move || config::read(&path)).await;
        read.unwrap_or_else(|error| Err(ConfigError::File { file: "the config".to_owned(), reason: error.to_string() }))
    }

    async fn way_out(&self, config: &config::Config) -> Result<WayOut, ConfigError> {
        let folder = self.folder();
        let file = config.outbound.extra_ca.clone();
        let read = tokio::task::spawn_blocking(move || load::extra_roots(&folder, file.as_ref())).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        let roots = read.map_err(|reason| ConfigError::Content {
            file: "the config".to_owned(),
            line: String::new(),
            path: "outbound.extra_ca: ".to_owned(),
            reason,
        })?;
        let dns_servers = config.outbound.dns_servers.clone();
        Ok(WayOut { roots, dns_servers, own_address: self.sources.own_address.clone() })
    }

    fn folder(&self) -> PathBuf {
        self.sources.config.parent().unwrap_or(Path::new(".")).to_owned()
    }

    /// Says why the newest config is not in use, and keeps everything else.
    fn note_config_problem(&self, old: &Snapshot, error: &ConfigError) {
        tracing::error!(%error, "the config is not usable; what was serving goes on");
        let mut snapshot = Snapshot::new(old.entries.clone());
        snapshot.config_problem = Some(error.to_string());
        self.publish(snapshot);
    }

    fn publish(&self, snapshot: Snapshot) {
        self.current.store(Arc::new(snapshot));
        self.changes.send_modify(|count| *count += 1);
    }

    async fn entry_for(
        &self,
        name: &ProviderName,
        wanted: &ProviderConfig,
        way_out: &WayOut,
        before: Option<&Entry>,
    ) -> Entry {
        let serving = match before {
            Some(Entry::Ready { revision, .. }) => Some(revision),
            _ => None,
        };
        let problem = match self.load(name, wanted, way_out, serving).await {
            Ok(revision) => return Entry::Ready { revision, problem: None },
            Err(error) => one_line(&error.to_string(), PROBLEM_MAX),
        };
        match serving {
            Some(revision) => Entry::Ready { revision: Arc::clone(revision), problem: Some(problem) },
            None => Entry::Failed(problem),
        }
    }

    /// The revision for what is wanted: the serving one if nothing has changed.
    async fn load(
        &self,
        name: &ProviderName,
        wanted: &ProviderConfig,
        way_out: &WayOut,
        serving: Option<&Arc<Revision>>,
    ) -> Result<Arc<Revision>, LoadError> {
        let folder = self.folder();
        let component = wanted.component.clone();
        let file = tokio::task::spawn_blocking(move || load::read(&folder, &component))
            .await
            .map_err(|error| LoadError::Interrupted(error.to_string()))??;
        match serving {
            Some(revision)
                if revision.id == file.id && revision.config == *wanted && revision.way_out_id == way_out.id() =>
            {
                Ok(Arc::clone(revision))
            }
            _ => Ok(Arc::new(load::revision(&self.sandbox, name, wanted, file, way_out.clone()).await?)),
        }
    }
}

fn same(before: Option<&Entry>, after: &Entry) -> bool {
    match (before, after) {
        (Some(Entry::Ready { revision: before, .. }), Entry::Ready { revision: after, .. }) => {
            Arc::ptr_eq(before, after)
        }
        (Some(Entry::Disabled), Entry::Disabled) | (Some(Entry::Failed(_)), Entry::Failed(_)) => true,
        _ => false,
    }
}

fn log(reloaded: &Reloaded) {
    if !reloaded.changed.is_empty() {
        tracing::info!(providers = reloaded.changed.join(", "), "providers changed");
    }
    for (provider, problem) in &reloaded.problems {
        tracing::error!(provider, problem, "a provider could not be loaded as configured");
    }
}
