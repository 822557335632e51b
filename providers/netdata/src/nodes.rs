//! `nodes.list`.

mod fetch;
mod node;

use bulkhead_sdk::prelude::*;

use node::Node;

use crate::names::matches;
use crate::pages::{any, hundred, page};
use crate::source::Source;

/// What `nodes.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// Only names that match, where * stands for any text: "web-*" or "*.example.com". All if left out.
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

/// What `nodes.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// In alphabetical order.
    nodes: Vec<Node>,
    /// How many match in all.
    total: usize,
    /// Give it as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Answers `nodes.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let all = match Source::of(cx)? {
        Source::Agent(agent) => fetch::agent(&agent, &input.filter)?,
        Source::Cloud(cloud) => fetch::cloud(&cloud)?,
    };
    // Only v3 filters, and it looks at ids too; filtering every answer makes them all mean the same.
    let matching = all.into_iter().filter(|(_, node)| matches(&input.filter, &node.name)).collect();
    let page = page(matching, input.limit, input.cursor.as_deref());
    let nodes = page.items.into_iter().map(|(_, node)| node).collect();
    Ok(Output { nodes, total: page.total, next_cursor: page.next_cursor })
}
