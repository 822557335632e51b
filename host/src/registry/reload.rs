//! A reload builds a whole new snapshot aside and then swaps it in. A provider in which anything is wrong keeps its old
//! revision; a config in which anything is wrong changes nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Entry, Registry, Revision, Snapshot,
    error::LoadError,
    load::{self, Roots},
};
use crate::{
    call::ProviderName,
    config::{self, ConfigError, ProviderConfig},
};

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Providers that run something new, or no longer run.
    pub changed: Vec<String>,
    /// Providers with something wrong, and what. An old revision of theirs may still serve.
    pub problems: Vec<(String, String)>,
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
        let roots = match self.extra_roots(&config).await {
            Ok(roots) => roots,
            Err(error) => {
                self.note_config_problem(&old, &error);
                return Err(error);
            }
        };
        let mut entries = BTreeMap::new();
        let mut reloaded = Reloaded::default();
        for (name, wanted) in config.providers {
            let before = old.entries.get(&name);
            let entry = self.entry_for(&name, &wanted, &roots, before).await;
            if !same(before, &entry) {
                reloaded.changed.push(name.to_string());
            }
            if let Entry::Failed(problem) | Entry::Ready { problem: Some(problem), .. } = &entry {
                reloaded.problems.push((name.to_string(), problem.clone()));
            }
            entries.insert(name, entry);
        }
        let gone = old.entries.keys().filter(|name| !entries.contains_key(*name));
        reloaded.changed.extend(gone.map(ToString::to_string));
        self.publish(Snapshot::new(entries));
        log(&reloaded);
        Ok(reloaded)
    }

    async fn read_config(&self) -> Result<config::Config, ConfigError> {
        let path = self.sources.config.clone();
        let read = tokio::task::spawn_blocking(move || config::read(&path)).await;
        read.unwrap_or_else(|error| Err(ConfigError::File { file: "the config".to_owned(), reason: error.to_string() }))
    }

    async fn extra_roots(&self, config: &config::Config) -> Result<Roots, ConfigError> {
        let folder = self.folder();
        let file = config.outbound.extra_ca.clone();
        let read = tokio::task::spawn_blocking(move || load::extra_roots(&folder, file.as_ref())).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        read.map_err(|reason| ConfigError::Content {
            file: "the config".to_owned(),
            line: String::new(),
            path: "outbound.extra_ca: ".to_owned(),
            reason,
        })
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
        roots: &Roots,
        before: Option<&Entry>,
    ) -> Entry {
        if !wanted.enabled {
            return Entry::Disabled;
        }
        let serving = match before {
            Some(Entry::Ready { revision, .. }) => Some(revision),
            _ => None,
        };
        match (self.load(name, wanted, roots, serving).await, serving) {
            (Ok(revision), _) => Entry::Ready { revision, problem: None },
            (Err(error), Some(revision)) => {
                Entry::Ready { revision: Arc::clone(revision), problem: Some(error.to_string()) }
            }
            (Err(error), None) => Entry::Failed(error.to_string()),
        }
    }

    /// The revision for what is wanted: the serving one if nothing has changed.
    async fn load(
        &self,
        name: &ProviderName,
        wanted: &ProviderConfig,
        roots: &Roots,
        serving: Option<&Arc<Revision>>,
    ) -> Result<Arc<Revision>, LoadError> {
        let folder = self.folder();
        let component = wanted.component.clone();
        let file = tokio::task::spawn_blocking(move || load::read(&folder, &component))
            .await
            .map_err(|error| LoadError::Interrupted(error.to_string()))??;
        match serving {
            Some(revision) if revision.id == file.id && revision.config == *wanted && revision.roots_id == roots.id => {
                Ok(Arc::clone(revision))
            }
            _ => Ok(Arc::new(load::revision(&self.sandbox, name, wanted, file, roots.clone()).await?)),
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
