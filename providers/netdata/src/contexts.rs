//! `contexts.list`.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;

use crate::agent::send_v3;
use crate::names::matches;
use crate::pages::{any, hundred, page};
use crate::source::Source;

/// What `contexts.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// Only names that match, where * stands for any text: "system.*" or "*cpu*". All if left out.
    #[serde(default = "any")]
    #[schemars(extend("pattern" = r"^[^\s|,!]+$"))]
    filter: String,
    /// At most this many.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
    /// The `next_cursor` of the page before; leave it out for the first.
    cursor: Option<String>,
}

/// What `contexts.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// In alphabetical order.
    contexts: Vec<Listed>,
    /// How many match in all.
    total: usize,
    /// Give it as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One kind of metric.
#[derive(Serialize, JsonSchema)]
pub struct Listed {
    /// The name to give to metrics.query as `context`.
    context: String,
    /// What it measures, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The unit, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<String>,
    /// False if it is no longer collected and only its past can be queried; absent where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<bool>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    contexts: BTreeMap<String, Known>,
}

/// The fields of all the APIs together; each gives some.
#[derive(Deserialize)]
struct Known {
    title: Option<String>,
    units: Option<String>,
    #[serde(alias = "collected")]
    live: Option<bool>,
}

/// Answers `contexts.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let all = fetch(cx, &input.filter)?.contexts;
    // v1 cannot filter, so all answers are filtered here; asking v3 and Cloud for less only keeps their answers small.
    let matching = all.into_iter().filter(|(name, _)| matches(&input.filter, name)).collect();
    let page = page(matching, input.limit, input.cursor.as_deref());
    let listed =
        |(context, known): (_, Known)| Listed { context, title: known.title, units: known.units, live: known.live };
    let contexts = page.items.into_iter().map(listed).collect();
    Ok(Output { contexts, total: page.total, next_cursor: page.next_cursor })
}

fn fetch(cx: &Context, filter: &str) -> Result<Answer, CallError> {
    match Source::of(cx)? {
        Source::Agent(agent) => {
            let request = agent
                .get("/api/v3/contexts")
                .query("scope_contexts", filter)
                .query_list("options", &["minify", "titles"]);
            match send_v3(request)? {
                Some(answer) => answer.json(),
                None => agent.get("/api/v1/contexts").send()?.json(),
            }
        }
        Source::Cloud(cloud) => {
            let any = ["*"];
            let body = json!({ "scope": { "contexts": [filter] }, "selectors": { "nodes": any, "contexts": any } });
            cloud.post("v3", "contexts", &body).send()?.json()
        }
    }
}
