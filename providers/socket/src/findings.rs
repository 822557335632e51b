//! `findings.list`.

mod finding;
mod upstream;

use bulkhead_sdk::paging::{self, Bounds, Page};
use bulkhead_sdk::prelude::*;

use crate::org::Org;
use crate::refusal::Need;
use finding::Finding;
use upstream::Alert;

/// What `findings.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// Only these severities: ["critical", "high"]. All if left out.
    #[serde(default)]
    severity: Vec<Level>,
    /// Which findings: "open" are those to deal with, "cleared" are over.
    #[serde(default)]
    status: Status,
    /// Only these categories: ["vulnerability", "supplyChainRisk"]. All if left out.
    #[serde(default)]
    category: Vec<Category>,
    /// Only in this repository, by its slug, such as "web-app"; repos.list gives them.
    #[schemars(length(min = 1, max = 200))]
    repo: Option<String>,
    /// Only on this branch, such as "main".
    #[schemars(length(min = 1, max = 250))]
    branch: Option<String>,
    /// Only of packages with exactly this name, such as "lodash", without namespace and version.
    #[schemars(length(min = 1, max = 250))]
    package: Option<String>,
    /// At most this many, give or take Socket's own page size.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// The `next_cursor` of the page before, with the same filters; leave it out for the first.
    cursor: Option<String>,
}

fn fifty() -> u32 {
    50
}

/// The severities that Socket filters by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Critical,
    High,
    Medium,
    Low,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Which findings a caller wants.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Open,
    Cleared,
    All,
}

/// Socket's categories.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Category {
    SupplyChainRisk,
    Vulnerability,
    License,
    Maintenance,
    Quality,
}

impl Category {
    fn word(self) -> &'static str {
        match self {
            Self::SupplyChainRisk => "supplyChainRisk",
            Self::Vulnerability => "vulnerability",
            Self::License => "license",
            Self::Maintenance => "maintenance",
            Self::Quality => "quality",
        }
    }
}

/// What `findings.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// In Socket's order. May be empty although there are more pages.
    findings: Vec<Finding>,
    /// How many of those listed here, by severity.
    counts: SeverityCounts,
    /// Give it as `cursor`, with the same filters, to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    items: Vec<Alert>,
    end_cursor: Option<String>,
}

/// Answers `findings.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let org = Org::of(cx)?;
    let filters = filters(&input);
    let bounds = Bounds::items(usize::try_from(input.limit).unwrap_or(usize::MAX));
    let pages = paging::collect(input.cursor, bounds, |cursor, wanted| {
        let request = org.get("alerts", Need::scope("alerts:list")).query("per_page", wanted);
        let request = filters.iter().fold(request, |request, (key, value)| request.query(key, value));
        let request = match cursor {
            Some(cursor) => request.query("startAfterCursor", cursor),
            None => request,
        };
        let answer: Answer = request.send()?.json()?;
        Ok(Page { items: answer.items, next: answer.end_cursor })
    })?;
    let findings: Vec<_> = pages.items.into_iter().map(Alert::finding).collect();
    let counts = findings.iter().map(|finding| finding.severity).collect();
    Ok(Output { findings, counts, next_cursor: pages.next_cursor })
}

/// Socket takes lists with commas.
fn filters(input: &Input) -> Vec<(&'static str, String)> {
    let severities: Vec<_> = input.severity.iter().map(|level| level.word()).collect();
    let categories: Vec<_> = input.category.iter().map(|category| category.word()).collect();
    let status = match input.status {
        Status::Open => "open",
        Status::Cleared => "cleared",
        Status::All => "",
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let all = [
        ("filters.alertSeverity", severities.join(",")),
        ("filters.alertStatus", status.to_owned()),
        ("filters.alertCategory", categories.join(",")),
        ("filters.repoSlug", text(&input.repo)),
        ("filters.branch", text(&input.branch)),
        ("filters.artifactName", text(&input.package)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}
