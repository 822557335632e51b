//! What `metrics.query` takes and gives.

use bulkhead_sdk::prelude::*;

use crate::series::Point;

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

/// The metric that a query is for.
pub enum Metric<'a> {
    /// A kind of metric.
    Context(&'a str),
    /// One instance.
    Chart(&'a str),
}

impl Metric<'_> {
    /// Its name, whichever it is.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Context(name) | Self::Chart(name) => name,
        }
    }
}
