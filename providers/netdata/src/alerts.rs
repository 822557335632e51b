//! `alerts.list`.

mod alert;
mod fetch;

use bulkhead_sdk::prelude::*;

use alert::{Alert, Filter};

use crate::source::Source;

/// What `alerts.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// Which alerts: "raised" is warning and critical together, "all" includes those that are clear.
    #[serde(default)]
    status: Filter,
    /// At most this many, the most severe first.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
}

fn hundred() -> u32 {
    100
}

/// What `alerts.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Critical first, then warning, then the others; by name within.
    alerts: Vec<Alert>,
    /// How many match in all; more than are listed if `limit` cut them off.
    total: usize,
}

/// Answers `alerts.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let fetched = match Source::of(cx)? {
        Source::Agent(agent) => fetch::agent(&agent, input.status)?,
        Source::Cloud(cloud) => fetch::cloud(&cloud, input.status)?,
    };
    // v1 cannot filter by status; filtering every answer makes them all mean the same.
    let mut alerts: Vec<_> = fetched.into_iter().filter(|alert| input.status.wants(alert.status)).collect();
    alerts.sort_by(|a, b| (a.status, &a.name, &a.chart, &a.node).cmp(&(b.status, &b.name, &b.chart, &b.node)));
    let total = alerts.len();
    alerts.truncate(usize::try_from(input.limit).unwrap_or(usize::MAX));
    Ok(Output { alerts, total })
}
