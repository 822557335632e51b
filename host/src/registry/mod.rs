//! Which providers there are: a snapshot that calls read without waiting and a reload replaces whole.

mod error;
mod load;
mod offer;
mod reload;
mod schema;
mod text;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch as watch_channel};

pub use error::LoadError;
pub use offer::{Offer, Prompt, Resource, Tool};
pub use reload::Reloaded;
pub use schema::{STEPS_MAX, Schema, TooManySteps};
pub use text::one_line;
pub use watch::{Seen, look, reload_on_hangup, watch};

use crate::{
    call::{ProviderName, ToolName, WireForm},
    config::ProviderConfig,
    outbound::{Gate, OwnAddress},
    sandbox::{Compiled, Sandbox},
    vault::Grants,
};

/// One version of one provider, ready to run. A call keeps the one it began with.
#[derive(Debug)]
pub struct Revision {
    /// The provider's name.
    pub name: ProviderName,
    /// SHA-256 of the component, hex.
    pub id: String,
    /// What it is granted.
    pub config: ProviderConfig,
    /// `config.settings` as JSON text, for the call context.
    pub settings: String,
    /// What it offers, as far as the config exposes it.
    pub offer: Offer,
    /// The component.
    pub compiled: Compiled,
    /// Its way out.
    pub outbound: Arc<Gate>,
    /// What identifies that which its way out has in common with all others: certificate authorities, DNS servers.
    way_out_id: String,
    /// Its secrets.
    pub grants: Arc<Grants>,
}

/// A provider of the config.
#[derive(Debug, Clone)]
pub enum Entry {
    /// It can be called. `problem` tells why a newer version of it was not taken.
    Ready {
        /// What runs.
        revision: Arc<Revision>,
        /// Why a newer version is not running.
        problem: Option<String>,
    },
    /// The config takes it out of service.
    Disabled,
    /// It could not be loaded.
    Failed(String),
}

/// All providers at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    entries: BTreeMap<ProviderName, Entry>,
    /// Flat wire names of tools and prompts.
    flat: HashMap<String, (ProviderName, String)>,
    /// Why the newest config is not in use.
    pub config_problem: Option<String>,
}

impl Snapshot {
    fn new(entries: BTreeMap<ProviderName, Entry>) -> Self {
        let mut flat = HashMap::new();
        for (name, entry) in &entries {
            let Entry::Ready { revision, .. } = entry else { continue };
            for item in revision.offer.item_names() {
                flat.insert(WireForm::Flat.name(name, item), (name.clone(), item.to_owned()));
            }
        }
        Self { entries, flat, config_problem: None }
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

    /// Splits a wire name in either form into provider and tool (or prompt). A name that means nothing here is split all
    /// the same, so that the refusal can say what was asked for.
    #[must_use]
    pub fn resolve(&self, wire_name: &str) -> (String, String) {
        if let Some((provider, item)) = self.flat.get(wire_name) {
            return (provider.to_string(), item.clone());
        }
        let (provider, item) = wire_name.split_once('.').unwrap_or(("", wire_name));
        (provider.to_owned(), item.to_owned())
    }

    /// Splits a prompt's wire name; a bare name means the first provider that has such a prompt.
    #[must_use]
    pub fn resolve_prompt(&self, wire_name: &str) -> (String, String) {
        let has = |revision: &&Arc<Revision>| revision.offer.prompts.iter().any(|prompt| prompt.name == wire_name);
        match self.ready().find(has) {
            Some(revision) => (revision.name.to_string(), wire_name.to_owned()),
            None => self.resolve(wire_name),
        }
    }

    /// Finds the provider of a resource: the one that the URI names (`hello-go+hello://greeting`), else the first that
    /// has it.
    #[must_use]
    pub fn resolve_resource(&self, uri: &str) -> (String, String) {
        if let Some((provider, rest)) = uri.split_once('+')
            && self.entries.contains_key(provider)
        {
            return (provider.to_owned(), rest.to_owned());
        }
        let owner = self.ready().find(|revision| revision.offer.has_resource(uri));
        (owner.map_or_else(String::new, |revision| revision.name.to_string()), uri.to_owned())
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
    reloading: Mutex<()>,
    changes: watch_channel::Sender<u64>,
}

impl Registry {
    /// An empty registry; [`Self::reload`] fills it.
    #[must_use]
    pub fn new(sources: Sources, sandbox: Arc<Sandbox>) -> Self {
        let (changes, _) = watch_channel::channel(0);
        Self { sources, sandbox, current: ArcSwap::default(), reloading: Mutex::default(), changes }
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

    /// What runs the providers.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Revision {
    /// The tool of that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let name: ToolName = name.parse().ok()?;
        self.offer.tools.get(&name)
    }
}
