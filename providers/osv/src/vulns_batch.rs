//! `vulns.batch`: which advisories concern many packages or commits, by id only.

use bulkhead_sdk::prelude::*;

use crate::api::Api;
use crate::cursor::Cursor;
use crate::subject::{Query, Question, Subject};
use crate::wire;

/// Queries of one call.
const MAX_QUERIES: usize = 100;

/// What the tool takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// What to ask for, 1 to 100 queries, such as [{"purl": "pkg:npm/lodash@4.17.20"}, {"purl": "pkg:pypi/jinja2@2.4.1"}].
    #[schemars(length(min = 1, max = 100))]
    queries: Vec<Query>,
}

/// What the tool returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// One result per query, in the order of the queries.
    results: Vec<Known>,
}

/// What is known of one query.
#[derive(Serialize, JsonSchema)]
struct Known {
    /// The query that this answers, such as "pkg:npm/lodash@4.17.20" or "npm lodash 4.17.20".
    query: String,
    /// The advisories; empty if none is known.
    vulns: Vec<Named>,
    /// There are more: ask for this query again with this as its `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An advisory by its id.
#[derive(Serialize, JsonSchema)]
struct Named {
    /// The id; vuln.get returns the advisory.
    id: String,
    /// When it last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
}

/// What OSV.dev is asked.
#[derive(Serialize)]
struct Questions<'a> {
    queries: Vec<Question<'a>>,
}

/// Returns the ids of the advisories that concern each query.
pub fn run(cx: &Context, input: Input) -> Result<Output, CallError> {
    if input.queries.is_empty() || input.queries.len() > MAX_QUERIES {
        return Err(CallError::invalid_input(format!(
            "`queries` has {} entries: give 1 to {MAX_QUERIES}, and call again for the rest",
            input.queries.len()
        )));
    }
    let asked = input.queries.iter().enumerate().map(|(at, query)| read(at, query)).collect::<Result<Vec<_>, _>>()?;
    let queries = asked.iter().map(|(subject, cursor)| subject.question(cursor.page.as_deref())).collect();
    let batch: wire::Batch = Api::of(cx)?.ask("querybatch", &Questions { queries })?;
    if batch.results.len() != asked.len() {
        return Err(CallError::upstream_failed(format!(
            "OSV.dev gave {} results for {} queries, so which belongs to which is not known: try again, or ask one by one \
             with vulns.query",
            batch.results.len(),
            asked.len()
        )));
    }
    let results = asked.iter().zip(batch.results).map(|((subject, _), result)| known(subject, result)).collect();
    Ok(Output { results })
}

/// Reads one query; an error names it.
fn read(at: usize, query: &Query) -> Result<(Subject, Cursor), CallError> {
    let named = |error: CallError| CallError::invalid_input(format!("`queries[{at}]`: {}", error.message));
    let cursor = Cursor::read(query.cursor.as_deref().unwrap_or_default()).map_err(named)?;
    Ok((query.subject().map_err(named)?, cursor))
}

fn known(subject: &Subject, result: wire::BatchResult) -> Known {
    Known {
        query: subject.label(),
        vulns: result.vulns.into_iter().map(|one| Named { id: one.id, modified: one.modified }).collect(),
        next_cursor: Cursor::next_page(result.next_page_token).map(|next| next.write()),
    }
}
