//! Since when a provider is as it is, and how long loading it takes.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use super::entry::{Entry, State, problem_of, same};
use crate::names::ProviderName;

/// Since when a provider is as it is, and what was wrong with it last.
#[derive(Debug, Clone)]
pub struct Standing {
    /// When it came to be as it is: since then the same revision serves, or none for the same reason.
    pub since: DateTime<Utc>,
    /// What was wrong with it last, and when that was found, whether or not it still is.
    pub last_problem: Option<(DateTime<Utc>, String)>,
}

/// That of every provider.
#[derive(Debug, Clone, Default)]
pub(super) struct Standings(BTreeMap<ProviderName, Standing>);

impl Standings {
    /// Those after `before`, when `old` has become `new`.
    pub(super) fn after(
        before: &Self,
        old: &BTreeMap<ProviderName, Entry>,
        new: &BTreeMap<ProviderName, Entry>,
    ) -> Self {
        let now = Utc::now();
        let standing = |(name, entry): (&ProviderName, &Entry)| {
            let earlier = before.0.get(name);
            let is_same = old.get(name).is_some_and(|old| State::of(old) == State::of(entry) && same(Some(old), entry));
            let since = earlier.filter(|_| is_same).map_or(now, |earlier| earlier.since);
            let mut last_problem = earlier.and_then(|earlier| earlier.last_problem.clone());
            if let Some(problem) = problem_of(entry).map(ToString::to_string)
                && last_problem.as_ref().is_none_or(|(_, last)| *last != problem)
            {
                last_problem = Some((now, problem));
            }
            (name.clone(), Standing { since, last_problem })
        };
        Self(new.iter().map(standing).collect())
    }

    pub(super) fn of(&self, provider: &str) -> Option<&Standing> {
        self.0.get(provider)
    }
}

/// Loads that are under way.
#[derive(Debug, Default)]
pub(super) struct Loads(Mutex<BTreeMap<ProviderName, Instant>>);

impl Loads {
    /// A load that is under way until what this gives is dropped.
    pub(super) fn begin(&self, provider: &ProviderName) -> UnderWay<'_> {
        self.all().insert(provider.clone(), Instant::now());
        UnderWay { loads: self, provider: provider.clone() }
    }

    /// How long a provider's load has taken so far, if one is under way.
    pub(super) fn so_far(&self, provider: &str) -> Option<Duration> {
        self.all().get(provider).map(Instant::elapsed)
    }

    /// Whose are under way.
    pub(super) fn providers(&self) -> Vec<String> {
        self.all().keys().map(ToString::to_string).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<ProviderName, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load that is under way.
pub(super) struct UnderWay<'a> {
    loads: &'a Loads,
    provider: ProviderName,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.loads.all().remove(&self.provider);
    }
}
