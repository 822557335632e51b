//! When a provider's requests to an upstream that fails are no longer sent.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::bounded;

/// When a provider's requests to an upstream fail immediately instead of being sent (circuit breaker), for each scheme, host
/// and port apart. What counts is that there is no connection, no answer in time, or a status of 500 and above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Failures in a row that open it: 1 to 100; 5 when left out.
    #[schemars(range(min = 1, max = 100))]
    pub failures: BreakerFailures,
    /// The share of failures within the window that opens it, in percent: 1 to 100; 50 when left out.
    #[schemars(range(min = 1, max = 100))]
    pub rate_percent: BreakerPercent,
    /// So many requests within the window, at least, before that share means something: 2 to 64; 20 when left out.
    #[schemars(range(min = 2, max = 64))]
    pub rate_requests: BreakerRequests,
    /// How far back the share looks, in seconds: 1 to 600; 30 when left out.
    #[schemars(range(min = 1, max = 600))]
    pub window_s: BreakerWindow,
    /// How long it is open before one request tries whether the upstream is back, in seconds: 1 to 600; 10 when left out.
    #[schemars(range(min = 1, max = 600))]
    pub open_s: BreakerPause,
}

impl BreakerSettings {
    /// How far back the share of failures looks.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.window_s.get().into())
    }

    /// How long it is open before a request tries again.
    #[must_use]
    pub fn pause(&self) -> Duration {
        Duration::from_secs(self.open_s.get().into())
    }
}

bounded!(/// Failures in a row that open a circuit breaker.
    BreakerFailures, 1..=100, 5, "failures");
bounded!(/// The share of failures that opens a circuit breaker, in percent.
    BreakerPercent, 1..=100, 50, "percent");
bounded!(/// Requests that the share of failures is taken of, at least.
    BreakerRequests, 2..=64, 20, "requests");
bounded!(/// How far back the share of failures looks, in seconds.
    BreakerWindow, 1..=600, 30, "seconds");
bounded!(/// How long a circuit breaker is open before it tries again, in seconds.
    BreakerPause, 1..=600, 10, "seconds");
