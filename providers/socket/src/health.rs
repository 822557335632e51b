//! Whether Socket answers, accepts our key and has quota left.

use bulkhead_sdk::prelude::*;

use crate::api::Api;
use crate::refusal::Need;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// What is left, not what was used.
    quota: u64,
    max_quota: u64,
    next_window_refresh: Option<String>,
}

/// Asks for the quota, which needs a valid key and costs nothing.
pub fn check(cx: &Context) -> Health {
    match probe(cx) {
        Ok(quota) if quota.remaining == 0 => {
            let when = quota.resets_at.map_or_else(String::new, |when| format!(" until {when}"));
            Health::degraded(format!("the quota of Socket's API key is used up{when}: wait, or ask Socket for more"))
        }
        Ok(_) => Health::ok(),
        // It is there but busy or limiting us: some calls will work.
        Err(error) if matches!(error.code, ErrorCode::UpstreamRateLimited | ErrorCode::UpstreamTimeout) => {
            Health::degraded(error.message)
        }
        Err(error) => Health::down(error.message),
    }
}

fn probe(cx: &Context) -> Result<Quota, CallError> {
    let answer: Answer = Api::of(cx)?.get("quota", Need::TOKEN).send()?.json()?;
    let quota = Quota {
        limit: Some(answer.max_quota),
        remaining: answer.quota,
        resets_at: answer.next_window_refresh.filter(|when| !when.is_empty()),
        window: "api".to_owned(),
    };
    cx.report_quota(&quota);
    Ok(quota)
}
