//! `vulns.query`: the advisories that concern one package or commit.

use bulkhead_sdk::paging::{self, Bounds, Page};
use bulkhead_sdk::prelude::*;

use crate::advisory::{Advisory, Scope};
use crate::api::Api;
use crate::cursor::{Cursor, Place};
use crate::rating;
use crate::subject::Query;
use crate::wire;

/// What the tool takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    #[serde(flatten)]
    query: Query,
    /// How many advisories to return at most, 1 to 100, such as 20.
    #[serde(default = "usual_limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
}

fn usual_limit() -> usize {
    20
}

/// What the tool returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The advisories, the worst first; empty if none is known.
    vulns: Vec<Advisory>,
    /// There are more: call again with this as `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Returns the advisories that concern one package or commit.
pub fn run(cx: &Context, input: Input) -> Result<Output, CallError> {
    let api = Api::of(cx)?;
    let subject = input.query.subject()?;
    let scope = Scope { wanted: &|package| subject.is(package), affected: 5, references: 3, details: false };
    let bounds = Bounds::items(input.limit.clamp(1, 100));
    let pages = paging::collect(input.query.cursor, bounds, |cursor, wanted| {
        let cursor = Cursor::read(cursor.unwrap_or_default())?;
        let found: wire::Found = api.ask("query", &subject.question(cursor.page.as_deref()))?;
        let (vulns, next) = cut(found, cursor, wanted);
        let items = vulns.into_iter().map(|vulnerability| Advisory::new(vulnerability, &scope)).collect();
        Ok(Page { items, next: next.map(|next| next.write()) })
    })?;
    Ok(Output { vulns: pages.items, next_cursor: pages.next_cursor })
}

/// The part of a page that the cursor and the limit leave, in order, and where the list goes on.
fn cut(found: wire::Found, cursor: Cursor, wanted: usize) -> (Vec<wire::Vulnerability>, Option<Cursor>) {
    let place = |one: &wire::Vulnerability| Place::new(rating::severity(one), &one.id);
    let mut vulns = found.vulns;
    vulns.retain(|one| cursor.after.as_ref().is_none_or(|after| place(one) > *after));
    vulns.sort_by_cached_key(place);
    let next = if vulns.len() > wanted {
        vulns.truncate(wanted);
        Some(Cursor { page: cursor.page, after: vulns.last().map(place) })
    } else {
        Cursor::next_page(found.next_page_token)
    };
    (vulns, next)
}
