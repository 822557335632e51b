//! `issues.list`.

use bulkhead_sdk::prelude::*;

use super::{Issue, Raw};
use crate::api::{Api, Listing};
use crate::scope::Scope;

/// What `issues.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// A search in Sentry's own syntax: "is:unresolved level:error", "timeout release:checkout@2.14.0",
    /// "assigned:me firstSeen:-24h". If left out, "is:unresolved"; "" for all.
    query: Option<String>,
    /// Only this project, by slug or id: "checkout". If left out, the project of the settings, or else all; "-1" for all.
    #[schemars(length(min = 1))]
    project: Option<String>,
    /// Only this environment: "production".
    #[schemars(length(min = 1))]
    environment: Option<String>,
    /// Only issues with events in the last so many minutes, hours, days or weeks: "30m", "24h", "14d", "2w".
    #[schemars(extend("pattern" = "^[1-9][0-9]{0,4}[smhdw]$"))]
    period: Option<String>,
    /// Which come first: "date" those seen last, "new" those seen first most recently, "freq" the most events, "user"
    /// the most users, "trends" those that grow, "recommended" as Sentry thinks.
    #[serde(default)]
    sort: Sort,
    /// The `next_cursor` of the page before; leave it out for the first. Keep the other inputs as they were.
    #[schemars(length(min = 1))]
    cursor: Option<String>,
    /// At most this many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
}

fn page() -> u32 {
    25
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Date,
    New,
    Freq,
    User,
    Trends,
    Recommended,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::New => "new",
            Self::Freq => "freq",
            Self::User => "user",
            Self::Trends => "trends",
            Self::Recommended => "recommended",
        }
    }
}

/// What `issues.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// In the order asked for.
    issues: Vec<Issue>,
    /// Give it as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Answers `issues.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let api = Api::of(cx)?;
    let project = input.project.as_ref().or(api.project.as_ref());
    let listing =
        Listing { path: "issues", size: "limit", cursor: input.cursor, limit: input.limit, scope: Scope::ReadEvents };
    let pages = api.list::<Raw>(listing, |mut request| {
        let filters = [
            ("query", input.query.as_ref()),
            ("project", project),
            ("environment", input.environment.as_ref()),
            ("statsPeriod", input.period.as_ref()),
        ];
        for (key, value) in filters {
            if let Some(value) = value {
                request = request.query(key, value);
            }
        }
        request.query("sort", input.sort.word())
    })?;
    let issues = pages.items.into_iter().map(Issue::try_from).collect::<Result<_, _>>()?;
    Ok(Output { issues, next_cursor: pages.next_cursor })
}
