//! One version of a provider.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, Semaphore};

use super::offer::{Offer, Tool};
use crate::{
    config::ProviderConfig,
    health::Breakers,
    names::{ProviderName, ResourceUri, ToolName},
    outbound::Gate,
    sandbox::Compiled,
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
    /// SHA-256 of what the config wants of it, hex.
    pub section: String,
    /// How long loading it took.
    pub took: Duration,
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
    /// Which of its upstreams keep failing.
    pub breakers: Arc<Breakers>,
    /// Its secrets.
    pub grants: Arc<Grants>,
    /// Taken by what searches and parses its large answers: at most as many at once as there are cores.
    pub searches: Arc<Semaphore>,
    /// Held by the one health check that runs.
    pub checking: Mutex<()>,
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
