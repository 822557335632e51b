//! `metrics.query`.

mod fetch;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Number;
use bulkhead_sdk::time::rfc3339;

use crate::names;
use crate::source::Source;

/// What `metrics.query` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The kind of metric, such as "system.cpu", "system.load" or "disk.space"; covers all its instances.
    pub context: Option<String>,
    /// One instance of a metric, such as "disk_space._" or "statsd_app.requests_gauge". Only with an Agent, not with
    /// Netdata Cloud.
    pub chart: Option<String>,
    /// Only these dimensions, such as ["user", "system"]. All if left out.
    #[serde(default)]
    pub dimensions: Vec<String>,
    /// Start of the window: negative is seconds before `before`, such as -3600 for an hour; otherwise Unix seconds.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = -94_608_000))]
    pub after: i64,
    /// End of the window: 0 is now, negative is seconds before now; otherwise Unix seconds.
    #[serde(default)]
    #[schemars(range(min = -94_608_000))]
    pub before: i64,
    /// At most this many points; the window is divided evenly among them. Few points keep the answer short.
    #[serde(default = "sixty")]
    #[schemars(range(min = 1, max = 500))]
    pub points: u32,
    /// How the samples within one point become one value: "max" finds peaks.
    #[serde(default)]
    pub group: Group,
    /// What each column of the answer is: one per dimension, instance or node, or everything as one ("selected"). Needs
    /// Netdata 2 or Cloud and a `context`; leave it out otherwise.
    pub group_by: Option<GroupBy>,
    /// How several series become one column: "sum" for a total, "average" to compare. Needs Netdata 2 or Cloud and a
    /// `context`; "average" if left out.
    pub aggregation: Option<Aggregation>,
}

fn ten_minutes() -> i64 {
    -600
}

fn sixty() -> u32 {
    60
}

/// Aggregation over time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    #[default]
    Average,
    Min,
    Max,
    Sum,
    Median,
    Stddev,
    IncrementalSum,
    Percentile95,
    Percentile99,
}

/// What a column stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    #[default]
    Dimension,
    Instance,
    Node,
    Selected,
}

/// Aggregation over series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    #[default]
    Average,
    Sum,
    Min,
    Max,
}

/// Which API answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceName {
    AgentV1,
    AgentV3,
    Cloud,
}

/// What `metrics.query` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Which API answered.
    pub source: SourceName,
    /// The context or chart that was asked for.
    pub metric: String,
    /// The metric's title, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The unit of every value, where known, such as "percentage" or "KiB/s".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// The columns, in the order of `values`.
    pub dimensions: Vec<String>,
    /// The rows, oldest first.
    pub points: Vec<Point>,
}

/// One row.
#[derive(Serialize, JsonSchema)]
pub struct Point {
    /// The end of the interval, RFC 3339 in UTC.
    pub time: String,
    /// One value per dimension; null where nothing was collected.
    pub values: Vec<Option<Number>>,
}

/// The metric that a query is for.
pub enum Metric<'a> {
    /// A kind of metric.
    Context(&'a str),
    /// One instance.
    Chart(&'a str),
}

impl Metric<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Context(name) | Self::Chart(name) => name,
        }
    }
}

/// Answers `metrics.query`.
pub fn query(cx: &Context, input: Input) -> Result<Output, CallError> {
    let metric = metric(&input)?;
    check_window(&input, cx.now_ms())?;
    match (Source::of(cx)?, &metric) {
        (Source::Agent(agent), Metric::Context(name)) => fetch::agent_context(&agent, name, &input),
        (Source::Agent(agent), Metric::Chart(_)) => fetch::agent_v1(&agent, &metric, &input),
        (Source::Cloud(cloud), Metric::Context(name)) => fetch::cloud(&cloud, name, &input),
        (Source::Cloud(_), Metric::Chart(_)) => Err(CallError::invalid_input(
            "`chart` does not work with Netdata Cloud: give `context`, and `group_by` \"instance\" to tell instances apart",
        )),
    }
}

fn metric(input: &Input) -> Result<Metric<'_>, CallError> {
    let metric = match (&input.context, &input.chart) {
        (Some(context), None) => {
            names::exact("context", context)?;
            Metric::Context(context)
        }
        (None, Some(chart)) => {
            names::exact("chart", chart)?;
            Metric::Chart(chart)
        }
        _ => {
            return Err(CallError::invalid_input(
                "give exactly one of `context` and `chart`; contexts.list shows contexts",
            ));
        }
    };
    for dimension in &input.dimensions {
        if dimension.is_empty() || dimension.contains([',', '|', '*', '!']) {
            return Err(CallError::invalid_input("`dimensions` must be exact names, each as its own element"));
        }
    }
    Ok(metric)
}

/// Netdata reads numbers up to three years of seconds as relative, even positive ones.
const RELATIVE: i64 = 94_608_000;

fn check_window(input: &Input, now_ms: u64) -> Result<(), CallError> {
    for (field, value) in [("after", input.after), ("before", input.before)] {
        if (1..=RELATIVE).contains(&value) {
            return Err(CallError::invalid_input(format!(
                "`{field}` is {value}, neither Unix seconds nor negative: write -{value} for {value} seconds back"
            )));
        }
    }
    let now = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    let before = if input.before <= 0 { now + input.before } else { input.before };
    let after = if input.after <= 0 { before + input.after } else { input.after };
    if after >= before {
        return Err(CallError::invalid_input("the window is empty: `after` must be earlier than `before`"));
    }
    if after > now {
        return Err(CallError::invalid_input(format!("`after` is in the future: it is {} now", rfc3339(now_ms))));
    }
    Ok(())
}
