//! When Sentry asks to slow down, on a 429 or beside a 200.

use std::time::Duration;

use bulkhead_sdk::prelude::*;

/// What a 429 without any time means.
const UNSAID: Duration = Duration::from_mins(1);

/// How long Sentry will take no more errors, if it says so. `X-Sentry-Rate-Limits` wins over `Retry-After`, and
/// other kinds of data do not concern us.
pub fn wait(response: &Response) -> Option<Duration> {
    let limits = response.headers("x-sentry-rate-limits").flat_map(|header| header.split(','));
    let limited = || (response.status() == 429).then(|| response.retry_after().unwrap_or(UNSAID));
    limits.filter_map(for_errors).max().or_else(limited)
}

/// One limit: `seconds:category;category:scope:…`, where no category means all.
fn for_errors(limit: &str) -> Option<Duration> {
    let mut parts = limit.trim().split(':');
    let wait = parts.next().filter(|wait| !wait.is_empty())?;
    let categories = parts.next().unwrap_or_default();
    let concerns_us = categories.is_empty() || categories.split(';').any(|word| matches!(word, "error" | "default"));
    concerns_us.then(|| seconds(wait).unwrap_or(UNSAID)).filter(|wait| !wait.is_zero())
}

/// Whole or not; a date, nonsense or a year is none.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse::<f64>().ok().filter(|seconds| (0.0..31_536_000.0).contains(seconds))?;
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_limits_on_errors_count() {
        for (limit, expected) in [
            ("60:error:key", Some(60)),
            ("2700:default;error:organization", Some(2700)),
            ("60::organization", Some(60)),
            ("60", Some(60)),
            (" 60:transaction;error", Some(60)),
            ("86400:transaction;span:organization", None),
            ("soon:error:key", Some(60)),
            ("inf:error:key", Some(60)),
            ("0:error:key", None),
            ("", None),
        ] {
            assert_eq!(for_errors(limit), expected.map(Duration::from_secs), "{limit}");
        }
    }
}
