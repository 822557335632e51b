//! How far a provider of the config is.

use std::sync::Arc;

use serde::Serialize;

use super::{problem::Problem, revision::Revision};
use crate::names::words;

words! {
    /// How far a provider is.
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum State: "state of a provider" {
        /// It can be called.
        Ready = "ready",
        /// It is not ready yet.
        Loading = "loading",
        /// It is out of service because somebody wants that.
        Disabled = "disabled",
        /// It could not be loaded.
        Failed = "failed",
        /// The config no longer has it.
        Removed = "removed",
    }
}

impl State {
    /// That of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Ready { .. } => Self::Ready,
            Entry::Loading { .. } => Self::Loading,
            Entry::Disabled(_) => Self::Disabled,
            Entry::Failed(_) => Self::Failed,
        }
    }
}

/// Who wants a provider out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledBy {
    /// The config.
    Config,
    /// An admin, until the config's section of it is changed.
    Admin,
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
    /// It is not ready yet.
    Loading {
        /// Whether a revision served before that had to go, because the config withdraws something from it.
        withdrawn: bool,
    },
    /// It is out of service because somebody wants that.
    Disabled(DisabledBy),
    /// It could not be loaded.
    Failed(Problem),
}

/// Why a provider is not as the config wants it.
pub(super) fn problem_of(entry: &Entry) -> Option<&Problem> {
    match entry {
        Entry::Failed(problem) | Entry::Ready { problem: Some(problem), .. } => Some(problem),
        Entry::Ready { problem: None, .. } | Entry::Loading { .. } | Entry::Disabled(_) => None,
    }
}

/// Whether callers would notice no difference.
pub(super) fn same(before: Option<&Entry>, after: &Entry) -> bool {
    match (before, after) {
        (Some(Entry::Ready { revision: before, .. }), Entry::Ready { revision: after, .. }) => {
            Arc::ptr_eq(before, after)
        }
        (Some(Entry::Disabled(before)), Entry::Disabled(after)) => before == after,
        (Some(Entry::Loading { .. }), Entry::Loading { .. }) | (Some(Entry::Failed(_)), Entry::Failed(_)) => true,
        _ => false,
    }
}
