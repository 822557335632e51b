//! What a reload came to: which providers changed, and what is wrong with which.

use serde::Serialize;

use super::{
    entry::{Entry, State, problem_of, same},
    imposed::Ended,
    snapshot::Snapshot,
};
use crate::names::ProviderName;

/// A provider that runs something new, or no longer runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The provider.
    pub provider: String,
    /// How far it is now.
    pub state: State,
    /// The id of the revision that serves now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// A provider with something wrong. An old revision of it may still serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// The provider.
    pub provider: String,
    /// What, with what to do about it.
    pub problem: String,
}

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Providers that run something new, or no longer run.
    pub changed: Vec<Changed>,
    /// Providers with something wrong.
    pub problems: Vec<Wrong>,
    /// Providers that are not loaded yet, if it was not waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loading: Vec<String>,
    /// What admins had done, and that the config has ended by another section.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides_ended: Vec<Ended>,
    /// Those of `problems` that were not there before.
    #[serde(skip)]
    pub new_problems: Vec<Wrong>,
}

/// A provider as a row tells of it, after something was done to it.
#[must_use]
pub fn changed(snapshot: &Snapshot, provider: &ProviderName) -> Option<Changed> {
    snapshot.entry(provider.as_str()).map(|entry| Changed::to(provider, entry))
}

impl Changed {
    fn to(provider: &ProviderName, entry: &Entry) -> Self {
        let revision = match entry {
            Entry::Ready { revision, .. } => Some(revision.id.clone()),
            _ => None,
        };
        Self { provider: provider.to_string(), state: State::of(entry), revision }
    }
}

impl Reloaded {
    /// From one snapshot to another.
    pub(super) fn between(old: &Snapshot, new: &Snapshot) -> Self {
        let mut reloaded = Self::default();
        for (name, entry) in &new.entries {
            let before = old.entries.get(name);
            if !same(before, entry) {
                reloaded.changed.push(Changed::to(name, entry));
            }
            if let Some(problem) = problem_of(entry) {
                let wrong = Wrong { provider: name.to_string(), problem: problem.to_string() };
                if before.and_then(problem_of).is_none_or(|before| !problem.is_same(before)) {
                    reloaded.new_problems.push(wrong.clone());
                }
                reloaded.problems.push(wrong);
            }
        }
        let gone = old.entries.keys().filter(|name| !new.entries.contains_key(*name));
        reloaded.changed.extend(gone.map(|name| Changed {
            provider: name.to_string(),
            state: State::Removed,
            revision: None,
        }));
        reloaded
    }

    /// Whether anything is different from before.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.changed.is_empty() || !self.new_problems.is_empty() || !self.overrides_ended.is_empty()
    }

    pub(super) fn log(&self) {
        if !self.changed.is_empty() {
            let changed: Vec<_> = self.changed.iter().map(|changed| changed.provider.as_str()).collect();
            tracing::info!(providers = changed.join(", "), "providers changed");
        }
        for Wrong { provider, problem } in &self.new_problems {
            tracing::error!(provider, problem, "a provider could not be loaded as configured");
        }
    }
}
