//! What is left of an upstream's own quota, told to the hub.

use serde::Serialize;

use crate::context::Context;
use crate::http::Response;
use crate::time::rfc3339;

/// The `CloudEvent` by which the hub learns of quotas.
pub const QUOTA_EVENT: &str = "bulkhead.quota";

/// Numbers above this are instants in seconds since the Unix epoch; below, seconds to wait. It is September 2001.
const SURELY_AN_INSTANT: u64 = 1_000_000_000;

/// What an upstream says is left. Report it with [`Context::report_quota`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// How much there is in one window, where the upstream says so.
    pub limit: Option<u64>,
    /// How much is left of it.
    pub remaining: u64,
    /// When the next window begins, RFC 3339 in UTC, where the upstream says so.
    pub resets_at: Option<String>,
    /// Which of the upstream's quotas this is, such as `api` or `hour`; the hub keeps the latest of each.
    pub window: String,
}

impl Quota {
    /// Reads `<prefix>-limit`, `<prefix>-remaining` and `<prefix>-reset`, with a prefix such as `x-ratelimit` or
    /// `x-sentry-rate-limit`. The reset may be an instant or a number of seconds. `None` without a number that remains.
    #[must_use]
    pub fn from_headers(response: &Response, prefix: &str, window: &str) -> Option<Self> {
        let number = |name: &str| -> Option<u64> {
            let value = response.header(&format!("{prefix}-{name}"))?.trim();
            value.split('.').next()?.parse().ok()
        };
        let resets_at = number("reset").and_then(|reset| {
            let from = if reset > SURELY_AN_INSTANT { 0 } else { response.received_ms() };
            Some(rfc3339(reset.checked_mul(1000)?.checked_add(from)?))
        });
        Some(Self { limit: number("limit"), remaining: number("remaining")?, resets_at, window: window.to_owned() })
    }
}

impl Context {
    /// Tells the hub what is left of an upstream's quota, by the event [`QUOTA_EVENT`]. Once per call is enough: report
    /// the last answer's. That it cannot be told fails no call and is only logged.
    pub fn report_quota(&self, quota: &Quota) {
        if let Err(why) = self.emit(QUOTA_EVENT, quota) {
            self.debug(format!("the quota `{}` could not be reported: {why}", quota.window));
        }
    }
}
