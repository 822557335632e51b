//! `projects.list`.

use bulkhead_sdk::prelude::*;

use crate::api::{Api, Listing};
use crate::scope::Scope;

/// What `projects.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// Only projects whose name or slug contains this: "checkout".
    #[schemars(length(min = 1))]
    query: Option<String>,
    /// The `next_cursor` of the page before; leave it out for the first.
    #[schemars(length(min = 1))]
    cursor: Option<String>,
    /// At most this many.
    #[serde(default = "page")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
}

fn page() -> u32 {
    50
}

/// What `projects.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The projects that the token sees.
    projects: Vec<Project>,
    /// Give it as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One project.
#[derive(Serialize, JsonSchema)]
struct Project {
    /// The name to give to issues.list as `project`.
    slug: String,
    /// Its id, which stands at the end of its DSN.
    id: String,
    /// What people call it.
    name: String,
    /// Its language or framework, such as "python-django".
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The slugs of the teams that own it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    teams: Vec<String>,
    /// The environments that sent events; issues.list takes one as `environment`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environments: Vec<String>,
    /// The newest release, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_release: Option<String>,
    /// False if it never received an event.
    has_events: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    id: String,
    slug: String,
    name: String,
    platform: Option<String>,
    #[serde(default)]
    teams: Vec<Team>,
    #[serde(default)]
    environments: Vec<String>,
    latest_release: Option<Release>,
    first_event: Option<String>,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
}

#[derive(Deserialize)]
struct Release {
    version: String,
}

/// Answers `projects.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let api = Api::of(cx)?;
    let listing =
        Listing { path: "projects", size: "per_page", cursor: input.cursor, limit: input.limit, scope: Scope::ReadOrg };
    let pages = api.list::<Raw>(listing, |request| match &input.query {
        Some(query) => request.query("query", query),
        None => request,
    })?;
    Ok(Output { projects: pages.items.into_iter().map(Project::from).collect(), next_cursor: pages.next_cursor })
}

impl From<Raw> for Project {
    fn from(raw: Raw) -> Self {
        Self {
            slug: raw.slug,
            id: raw.id,
            name: raw.name,
            platform: raw.platform.filter(|platform| !platform.is_empty()),
            teams: raw.teams.into_iter().map(|team| team.slug).collect(),
            environments: raw.environments,
            latest_release: raw.latest_release.map(|release| release.version),
            has_events: raw.first_event.is_some(),
        }
    }
}
