//! Asking each kind of source for one metric.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;

use super::terms::{Input, Metric, Output, SourceName};
use crate::agent::{Agent, send_v3, unknown_metric};
use crate::cloud::Cloud;
use crate::names::word;
use crate::series::Table;

/// The newest API that the Agent has.
pub fn agent_context(agent: &Agent<'_>, context: &str, input: &Input) -> Result<Output, CallError> {
    let mut request = agent
        .get("/api/v3/data")
        .query("scope_contexts", context)
        .query("after", input.after)
        .query("before", input.before)
        .query("points", input.points)
        .query("time_group", word(input.group))
        .query("group_by", word(input.group_by.unwrap_or_default()))
        .query("aggregation", word(input.aggregation.unwrap_or_default()))
        .query("format", "json2")
        .query_list("options", &["jsonwrap", "minify", "unaligned"]);
    if !input.dimensions.is_empty() {
        request = request.query("dimensions", input.dimensions.join("|"));
    }
    match send_v3(request)? {
        Some(answer) => answer.json::<Wrapped>()?.output(SourceName::AgentV3, context),
        None => agent_v1(agent, &Metric::Context(context), input),
    }
}

#[derive(Deserialize)]
struct WrappedV1 {
    result: Table,
    /// One per column; only in answers to a context.
    chart_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Described {
    title: Option<String>,
    units: Option<String>,
}

/// API v1, which every Agent has: for charts, and for contexts on old Agents.
pub fn agent_v1(agent: &Agent<'_>, metric: &Metric<'_>, input: &Input) -> Result<Output, CallError> {
    if input.group_by.is_some() || input.aggregation.is_some() {
        return Err(CallError::invalid_input(
            "`group_by` and `aggregation` work only for a `context` on Netdata 2 or Cloud: leave them out",
        ));
    }
    let kind = match metric {
        Metric::Context(_) => "context",
        Metric::Chart(_) => "chart",
    };
    let mut data = agent
        .get("/api/v1/data")
        .query(kind, metric.name())
        .query("after", input.after)
        .query("before", input.before)
        .query("points", input.points)
        .query("group", word(input.group))
        .query("format", "json")
        .query_list("options", &["jsonwrap", "unaligned"]);
    if !input.dimensions.is_empty() {
        data = data.query("dimensions", input.dimensions.join("|"));
    }
    // v1 data does not say its unit; the description does. It may be missing without harm.
    let describe = agent.get(&format!("/api/v1/{kind}")).query(kind, metric.name());
    let [data, described] = agent.send_all([data, describe]);
    let described: Option<Described> = described.and_then(|answer| answer.json()).ok();
    let (title, units) = described.map_or((None, None), |known| (known.title, known.units));

    let answer: WrappedV1 = data?.json()?;
    let dimensions = columns(answer.result.dimensions(), answer.chart_ids.as_deref().unwrap_or_default());
    if dimensions.is_empty() {
        return Err(unknown_metric(metric.name()));
    }
    let points = answer.result.points()?;
    Ok(Output { source: SourceName::AgentV1, metric: metric.name().to_owned(), title, units, dimensions, points })
}

/// Where a context has several charts, the same dimension appears once per chart: tell them apart.
fn columns(labels: &[String], charts: &[String]) -> Vec<String> {
    let several = charts.windows(2).any(|pair| pair[0] != pair[1]);
    if !several || charts.len() != labels.len() {
        return labels.to_vec();
    }
    labels.iter().zip(charts).map(|(label, chart)| format!("{chart}/{label}")).collect()
}

/// A room in Netdata Cloud.
pub fn cloud(cloud: &Cloud<'_>, context: &str, input: &Input) -> Result<Output, CallError> {
    let any = ["*"];
    let dimensions: Vec<&str> =
        if input.dimensions.is_empty() { any.to_vec() } else { input.dimensions.iter().map(String::as_str).collect() };
    let body = json!({
        "scope": { "contexts": [context] }, // without it the answer describes the whole room, in megabytes
        "selectors": {
            "nodes": any, "contexts": any, "instances": any, "dimensions": dimensions, "labels": any, "alerts": any,
        },
        "window": { "after": input.after, "before": input.before, "points": input.points },
        "aggregations": {
            "metrics": [{ "group_by": [input.group_by.unwrap_or_default()], "aggregation": input.aggregation.unwrap_or_default() }],
            "time": { "time_group": input.group },
        },
        "format": "json2",
        "options": ["jsonwrap", "minify", "unaligned"],
        "timeout": cloud.timeout_ms(),
    });
    cloud.post("v3", "data", &body).send()?.json::<Wrapped>()?.output(SourceName::Cloud, context)
}

/// The answer of v3 and Cloud with `jsonwrap`.
#[derive(Deserialize)]
struct Wrapped {
    result: Table,
    #[serde(default)]
    view: View,
}

#[derive(Default, Deserialize)]
struct View {
    title: Option<String>,
    /// A string, or an array where units differ.
    #[serde(default)]
    units: Value,
}

impl Wrapped {
    fn output(self, source: SourceName, context: &str) -> Result<Output, CallError> {
        let dimensions = self.result.dimensions().to_vec();
        if dimensions.is_empty() {
            return Err(unknown_metric(context));
        }
        let units = match &self.view.units {
            Value::String(unit) => Some(unit.clone()),
            Value::Array(units) => Some(units.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
            _ => None,
        };
        let (metric, title) = (context.to_owned(), self.view.title);
        let points = self.result.points()?;
        Ok(Output { source, metric, title, units: units.filter(|units| !units.is_empty()), dimensions, points })
    }
}
