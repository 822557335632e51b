//! All providers at one moment, as calls see them.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    entry::Entry,
    index::{Index, Lost, Stand},
    revision::Revision,
    standing::{Standing, Standings},
};
use crate::{
    config::ProviderConfig,
    names::{Owner, ProviderName},
};

/// What the config wants of each provider.
pub(super) type Configs = Arc<BTreeMap<ProviderName, ProviderConfig>>;

/// All providers at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// What decides whose a name is, whatever state its provider is in.
    pub(super) configs: Configs,
    pub(super) entries: BTreeMap<ProviderName, Entry>,
    pub(super) index: Index,
    standings: Standings,
    /// Why the newest config is not in use.
    pub config_problem: Option<String>,
}

impl Snapshot {
    pub(super) fn new(configs: Configs, entries: BTreeMap<ProviderName, Entry>) -> Self {
        let stands = configs.iter().map(|(name, config)| {
            let offer = match entries.get(name) {
                Some(Entry::Ready { revision, .. }) => Some(Arc::clone(&revision.offer)),
                _ => None,
            };
            (name, Stand { config, offer })
        });
        let index = Index::of(stands);
        Self { configs, entries, index, standings: Standings::default(), config_problem: None }
    }

    /// The same as what comes after another one.
    pub(super) fn after(self, before: &Self) -> Self {
        let standings = Standings::after(&before.standings, &before.entries, &self.entries);
        Self { standings, ..self }
    }

    /// Whose each name is.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The provider of that name.
    #[must_use]
    pub fn entry(&self, provider: &str) -> Option<&Entry> {
        self.entries.get(provider)
    }

    /// Since when a provider is as it is.
    #[must_use]
    pub fn standing(&self, provider: &str) -> Option<&Standing> {
        self.standings.of(provider)
    }

    /// What the config in use wants of a provider.
    #[must_use]
    pub fn config(&self, provider: &str) -> Option<&ProviderConfig> {
        self.configs.get(provider)
    }

    /// Every provider, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&ProviderName, &Entry)> {
        self.entries.iter()
    }

    /// Every provider that can be called, by name.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Revision>> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Ready { revision, .. } => Some(revision),
            _ => None,
        })
    }

    /// The revision of a provider that can be called.
    #[must_use]
    pub fn revision(&self, provider: &ProviderName) -> Option<&Arc<Revision>> {
        match self.entries.get(provider) {
            Some(Entry::Ready { revision, .. }) => Some(revision),
            _ => None,
        }
    }

    /// Splits a wire name in either form into provider and tool.
    #[must_use]
    pub fn resolve(&self, wire_name: &str) -> (Owner, String) {
        owned(self.index.tool(wire_name), wire_name)
    }

    /// Whether a provider is still being loaded for the first time.
    pub(super) fn is_loading(&self) -> bool {
        self.entries.values().any(|entry| matches!(entry, Entry::Loading { .. }))
    }

    /// When something that could not be loaded is to be tried again.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let problems = self.entries.values().filter_map(|entry| match entry {
            Entry::Failed(problem) | Entry::Ready { problem: Some(problem), .. } => problem.again_at(),
            _ => None,
        });
        problems.min()
    }

    /// Splits a prompt's wire name; a bare name means the one provider that can have it.
    #[must_use]
    pub fn resolve_prompt(&self, name: &str) -> (Owner, String) {
        owned(self.index.prompt(name), name)
    }

    /// The provider of a resource, and the URI that it knows it by.
    #[must_use]
    pub fn resolve_resource(&self, uri: &str) -> (Owner, String) {
        owned(self.index.resource(uri).map(|(provider, uri)| (provider.to_string(), uri.to_string())), uri)
    }
}

/// Whose what was `asked` for is, and what its owner calls it.
fn owned(found: Result<(String, String), Lost>, asked: &str) -> (Owner, String) {
    match found {
        Ok((provider, item)) => (Owner::Provider(provider), item),
        Err(_) => (Owner::Nobody, asked.to_owned()),
    }
}
