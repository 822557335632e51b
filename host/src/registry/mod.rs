//! Which providers there are: a snapshot that calls read without waiting and a reload replaces whole.

mod error;
mod index;
mod load;
mod mirrored;
mod offer;
mod problem;
mod reload;
mod resource;
mod schema;
mod watch;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Mutex, watch as watch_channel},
    time::timeout,
};

pub use error::LoadError;
pub use index::{Index, Listed, Lost};
pub use mirrored::Mirrored;
pub use offer::{Offer, Prompt, Tool};
pub use problem::Problem;
pub use reload::{Reload, Reloaded};
pub use resource::Resource;
pub use schema::{STEPS_MAX, Schema, TooManySteps, word};
pub use watch::{Seen, look, watch};

use index::Stand;

use crate::{
    config::ProviderConfig,
    names::{ProviderName, ResourceUri, ToolName},
    outbound::{Gate, OwnAddress},
    sandbox::{Compiled, Sandbox},
    vault::Grants,
};

/// One version of one provider, ready to run. A call keeps the one it began with.
#[derive(Debug)]
pub struct Revision {
    /// The provider's name.
    pub name: ProviderName,
    /// Identifies the revision: SHA-256, hex, over its component, its config and what all ways out have in common. Whatever
    /// is remembered of a provider under another id does not hold for this one.
    pub id: String,
    /// SHA-256 of the component, hex.
    pub component: String,
    /// What it is granted.
    pub config: ProviderConfig,
    /// `config.settings` as JSON text, for the call context.
    pub settings: String,
    /// What it offers, as far as the config exposes it.
    pub offer: Arc<Offer>,
    /// The component.
    pub compiled: Compiled,
    /// Its way out.
    pub outbound: Arc<Gate>,
    /// Its secrets.
    pub grants: Arc<Grants>,
    /// Held by the one health check that runs.
    pub checking: Mutex<()>,
}

/// A provider of the config.
#[derive(Debug, Clone)]
pub enum Entry {
    /// It can be called. `problem` tells why a newer version of it was not taken.
    Ready {
        /// What runs.
        revision: Arc<Revision>,
        /// Why a newer version is not running.
        problem: Option<Problem>,
    },
    /// It is new, and not ready yet.
    Loading,
    /// The config takes it out of service.
    Disabled,
    /// It could not be loaded.
    Failed(Problem),
}

/// What the config wants of each provider.
type Configs = Arc<BTreeMap<ProviderName, ProviderConfig>>;

/// All providers at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// What decides whose a name is, whatever state its provider is in.
    configs: Configs,
    entries: BTreeMap<ProviderName, Entry>,
    index: Index,
    /// Why the newest config is not in use.
    pub config_problem: Option<String>,
}

impl Snapshot {
    fn new(configs: Configs, entries: BTreeMap<ProviderName, Entry>) -> Self {
        let stands = configs.iter().map(|(name, config)| {
            let offer = match entries.get(name) {
                Some(Entry::Ready { revision, .. }) => Some(Arc::clone(&revision.offer)),
                _ => None,
            };
            (name, Stand { config, offer })
        });
        let index = Index::of(stands);
        Self { configs, entries, index, config_problem: None }
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

    /// Splits a wire name in either form into provider and tool; no provider if it names none.
    #[must_use]
    pub fn resolve(&self, wire_name: &str) -> (String, String) {
        self.index.tool(wire_name).unwrap_or_else(|_| (String::new(), wire_name.to_owned()))
    }

    /// Whether a provider is still being loaded for the first time.
    fn is_loading(&self) -> bool {
        self.entries.values().any(|entry| matches!(entry, Entry::Loading))
    }

    /// When something that could not be loaded is to be tried again.
    fn next_try(&self) -> Option<Instant> {
        let problems = self.entries.values().filter_map(|entry| match entry {
            Entry::Failed(problem) | Entry::Ready { problem: Some(problem), .. } => problem.again_at(),
            _ => None,
        });
        problems.min()
    }

    /// Splits a prompt's wire name; a bare name means the one provider that can have it. No provider if it means none.
    #[must_use]
    pub fn resolve_prompt(&self, name: &str) -> (String, String) {
        self.index.prompt(name).unwrap_or_else(|_| (String::new(), name.to_owned()))
    }

    /// The provider of a resource, and the URI that it knows it by. No provider if the URI means none.
    #[must_use]
    pub fn resolve_resource(&self, uri: &str) -> (String, String) {
        match self.index.resource(uri) {
            Ok((provider, uri)) => (provider.to_string(), uri.to_string()),
            Err(_) => (String::new(), uri.to_owned()),
        }
    }
}

/// Where the registry gets everything from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `provider-config.yaml`. Components are relative to its folder.
    pub config: PathBuf,
    /// Where the hub itself answers: no provider may go there.
    pub own_address: OwnAddress,
}

/// The registry: the current snapshot and the way to a new one.
#[derive(Debug)]
pub struct Registry {
    sources: Sources,
    sandbox: Arc<Sandbox>,
    current: ArcSwap<Snapshot>,
    /// Held by the one reload that is under way.
    reloading: Arc<Mutex<()>>,
    changes: watch_channel::Sender<u64>,
}

impl Registry {
    /// An empty registry; [`Self::reload`] fills it.
    #[must_use]
    pub fn new(sources: Sources, sandbox: Arc<Sandbox>) -> Self {
        let (changes, _) = watch_channel::channel(0);
        Self { sources, sandbox, current: ArcSwap::default(), reloading: Arc::default(), changes }
    }

    /// All providers at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Changes whenever a new snapshot is in use.
    #[must_use]
    pub fn changes(&self) -> watch_channel::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until no provider is [`Entry::Loading`] any more, but only as long as others become ready or fail: at most
    /// `patience` from one to the next.
    pub async fn loaded(&self, patience: Duration) {
        let mut changes = self.changes();
        while self.snapshot().is_loading() {
            if timeout(patience, changes.changed()).await.is_err() {
                return;
            }
        }
    }

    /// What runs the providers.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Revision {
    /// The URI in normal form, if it is one of a resource or fits a template.
    #[must_use]
    pub fn resource(&self, uri: &str) -> Option<ResourceUri> {
        ResourceUri::parse(uri).ok().filter(|uri| self.offer.resource(uri).is_some())
    }

    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let name: ToolName = name.parse().ok()?;
        self.offer.tools.get(&name)
    }
}
