//! How the providers are: what the last check of each found, and when the next is due.

mod monitor;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

pub use monitor::watch;

use crate::call::ProviderName;

/// A check takes at most this long; one that does not end in time counts as degraded (G6).
pub const CHECK_TIME: Duration = Duration::from_secs(5);
/// How often a healthy provider is checked.
pub const RECHECK: Duration = Duration::from_secs(30);
/// How often one that is not healthy is checked, so that it is back soon after it is mended.
pub const RECHECK_DOWN: Duration = Duration::from_secs(5);
/// After this many such checks in a row it is checked as often as a healthy one: nobody is mending it just now.
const PATIENCE: u32 = 24;

/// How long a check answers further questions.
const FRESH: Duration = Duration::from_secs(1);

/// How a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It works.
    Ok,
    /// It works in part, slowly, or nobody has looked yet.
    Degraded,
    /// It does not work: calls to it fail fast.
    Down,
}

/// The answer of `GET /providers/{provider}/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The provider.
    pub provider: String,
    /// How it is.
    pub status: Status,
    /// How long the check took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// When it was last checked.
    #[serde(serialize_with = "rfc3339")]
    pub last_check: Option<DateTime<Utc>>,
    /// What is wrong, and the one thing that mends it.
    pub error: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn rfc3339<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)).serialize(serializer)
}

/// What the last checks found.
#[derive(Debug, Default)]
pub struct HealthBoard {
    checks: Mutex<HashMap<ProviderName, Check>>,
}

#[derive(Debug, Clone)]
struct Check {
    health: Health,
    at: Instant,
    revision: String,
    /// Checks in a row that did not find it well.
    misses: u32,
}

impl HealthBoard {
    /// Notes what a check of `revision` found.
    pub fn note(&self, provider: &ProviderName, revision: &str, health: Health) {
        let mut checks = self.lock();
        let before = checks.get(provider).filter(|check| check.revision == revision).map_or(0, |check| check.misses);
        let misses = if health.status == Status::Ok { 0 } else { before.saturating_add(1) };
        let check = Check { health, at: Instant::now(), revision: revision.to_owned(), misses };
        checks.insert(provider.clone(), check);
    }

    /// What the last check of a provider's `revision` found; `None` if there was none.
    #[must_use]
    pub fn last(&self, provider: &ProviderName, revision: &str) -> Option<Health> {
        self.lock().get(provider).filter(|check| check.revision == revision).map(|check| check.health.clone())
    }

    /// What a check of a provider's `revision` found just now, so that asking often does not mean checking often.
    #[must_use]
    pub fn fresh(&self, provider: &ProviderName, revision: &str) -> Option<Health> {
        let checks = self.lock();
        let check = checks.get(provider).filter(|check| check.revision == revision)?;
        (check.at.elapsed() < FRESH).then(|| check.health.clone())
    }

    /// Why a provider is down; `None` while it is not known to be.
    #[must_use]
    pub fn down(&self, provider: &ProviderName, revision: &str) -> Option<String> {
        let checks = self.lock();
        let check = checks.get(provider).filter(|check| check.revision == revision)?;
        (check.health.status == Status::Down).then(|| check.health.error.clone().unwrap_or_default())
    }

    /// Whether a check of a provider's `revision` is due.
    #[must_use]
    pub fn is_due(&self, provider: &ProviderName, revision: &str) -> bool {
        self.lock().get(provider).filter(|check| check.revision == revision).is_none_or(|check| {
            let every = if (1..PATIENCE).contains(&check.misses) { RECHECK_DOWN } else { RECHECK };
            check.at.elapsed() >= every
        })
    }

    /// Forgets providers that are gone.
    pub fn retain(&self, keep: impl Fn(&ProviderName) -> bool) {
        self.lock().retain(|provider, _| keep(provider));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderName, Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
