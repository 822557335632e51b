//! Times as protocols and sentences tell them.

use std::time::Duration;

/// A duration in whole seconds, rounded up: what `Retry-After` wants.
#[must_use]
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
