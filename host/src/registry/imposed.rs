//! What admins have done to providers, as this hub knows it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::load::section_id;
use crate::{
    config::ProviderConfig,
    names::ProviderName,
    store::overrides::{Override, Overriding},
};

/// An override that has ended, because the config's section of its provider is another one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The provider.
    pub provider: String,
    /// What an admin had done to it: `disabled` or `rolled_back`.
    pub kind: &'static str,
}

/// An override, and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) of: Override,
    /// The config's section when this hub heard of it. Hubs that share a database may have different configs, and one's
    /// emergency stop is not over because another's config has always been another.
    section: String,
}

/// Every override that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imposed(Vec<Held>);

impl Imposed {
    /// Those that were there before the hub began: they hold for the section that they were made for.
    pub(super) fn from_before(all: Vec<Override>) -> Self {
        Self(all.into_iter().map(|of| Held { section: of.section.clone(), of }).collect())
    }

    /// All that there are now, given those of before: one that is new depends on the config in use.
    pub(super) fn now(&self, all: Vec<Override>, configs: &BTreeMap<ProviderName, ProviderConfig>) -> Self {
        let held = |of: Override| match self.0.iter().find(|held| held.of.is(&of)) {
            Some(held) => held.clone(),
            None => Held { section: configs.get(&of.provider).map_or_else(|| of.section.clone(), section_id), of },
        };
        Self(all.into_iter().map(held).collect())
    }

    /// Those that a config ends, because it wants something else of their provider.
    pub(super) fn ended_by(&self, configs: &BTreeMap<ProviderName, ProviderConfig>) -> Vec<Held> {
        let is_ended = |held: &&Held| configs.get(&held.of.provider).map(section_id).as_ref() != Some(&held.section);
        self.0.iter().filter(is_ended).cloned().collect()
    }

    /// The others.
    pub(super) fn without(&self, ended: &[Held]) -> Self {
        Self(self.0.iter().filter(|held| !ended.contains(held)).cloned().collect())
    }

    /// Whether these are all that hold.
    pub(super) fn are(&self, all: &[Override]) -> bool {
        self.0.len() == all.len() && self.0.iter().all(|held| all.iter().any(|of| held.of.is(of)))
    }

    /// What was done to a provider.
    pub fn of(&self, provider: &str) -> impl Iterator<Item = &Override> {
        self.0.iter().map(|held| &held.of).filter(move |of| of.provider.as_str() == provider)
    }

    /// Whether an admin has taken a provider out of service.
    #[must_use]
    pub fn disables(&self, provider: &str) -> bool {
        self.of(provider).any(|of| of.what == Overriding::Disabled)
    }

    /// The digest of the component that serves in the place of the config's.
    #[must_use]
    pub fn component(&self, provider: &str) -> Option<&str> {
        self.of(provider).find_map(|of| match &of.what {
            Overriding::RolledBack { component } => Some(component.as_str()),
            Overriding::Disabled => None,
        })
    }
}
