//! `alerts.list`.

mod fetch;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Number;

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

/// Which alerts a caller wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Filter {
    #[default]
    Raised,
    Warning,
    Critical,
    Clear,
    All,
}

impl Filter {
    /// The statuses asked for; none means all.
    fn statuses(self) -> &'static [Status] {
        match self {
            Self::Raised => &[Status::Critical, Status::Warning],
            Self::Warning => &[Status::Warning],
            Self::Critical => &[Status::Critical],
            Self::Clear => &[Status::Clear],
            Self::All => &[],
        }
    }

    fn wants(self, status: Status) -> bool {
        self == Self::All || self.statuses().contains(&status)
    }
}

/// The state of an alert, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Critical,
    Warning,
    Clear,
    Undefined, // not evaluated, or evaluated to nothing
}

impl Status {
    fn of(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "CRITICAL" => Self::Critical,
            "WARNING" => Self::Warning,
            "CLEAR" => Self::Clear,
            _ => Self::Undefined,
        }
    }
}

/// What `alerts.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Critical first, then warning, then the others; by name within.
    alerts: Vec<Alert>,
    /// How many match in all; more than are listed if `limit` cut them off.
    total: usize,
}

/// One alert.
#[derive(Serialize, JsonSchema)]
struct Alert {
    /// The alert's name, such as "ram_in_use".
    name: String,
    /// Its present state.
    status: Status,
    /// The present value; absent where nothing could be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Number>,
    /// The unit of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<String>,
    /// The chart that it watches; metrics.query takes it as `chart` with an Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    chart: Option<String>,
    /// The context that it watches; metrics.query takes it as `context`.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// The server.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<String>,
    /// Since when it is in this state, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The condition for warning, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_when: Option<String>,
    /// The condition for critical, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    critical_when: Option<String>,
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
