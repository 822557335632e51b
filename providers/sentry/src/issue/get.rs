//! `issue.get`.

use bulkhead_sdk::prelude::*;

use super::event::{self, Event, Release};
use super::{Issue, Raw as RawIssue, numeric_id};
use crate::about::{About, Target};
use crate::api::Api;
use crate::scope::Scope;

/// What `issue.get` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The issue's id from issues.list, "4509876543", or its short id, "CHECKOUT-3F".
    #[schemars(length(min = 1, max = 200))]
    issue_id: String,
    /// How many frames to show of each exception.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 50))]
    frames: u32,
}

fn five() -> u32 {
    5
}

/// What `issue.get` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    #[serde(flatten)]
    issue: Issue,
    /// The release that it came with, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_release: Option<String>,
    /// The newest release that has it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_release: Option<String>,
    /// Tickets in other systems and other links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    /// Its last occurrence; absent if Sentry keeps none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_event: Option<Event>,
}

/// A link on the issue's page.
#[derive(Serialize, JsonSchema)]
struct Link {
    /// Such as "PROJECT-123".
    name: String,
    /// Where it leads.
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(flatten)]
    issue: RawIssue,
    first_release: Option<Release>,
    last_release: Option<Release>,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    display_name: String,
    url: String,
}

/// Answers `issue.get`.
pub fn get(cx: &Context, input: Input) -> Result<Output, CallError> {
    let api = Api::of(cx)?;
    let id = numeric_id(&api, &input.issue_id)?;
    let about = About { scope: Scope::ReadEvents, target: Target::Issue(input.issue_id) };
    let issue = api
        .request(Method::Get, &["issues", &id], about.clone())?
        .query("collapse", "stats")
        .query("collapse", "tags")
        .retry();
    let event = api.request(Method::Get, &["issues", &id, "events", "latest"], about)?.retry();
    let [issue, event] = api.both([issue, event]);

    let raw: Raw = issue?.json()?;
    let latest_event = match event {
        Ok(event) => {
            let max_frames = usize::try_from(input.frames).unwrap_or(usize::MAX);
            Some(event.json::<event::Raw>()?.shorten(max_frames)?)
        }
        // The issue is there: its events are older than what Sentry keeps.
        Err(error) if error.code == ErrorCode::NotFound => None,
        Err(error) => return Err(error),
    };
    let version = |release: Option<Release>| release.and_then(|release| release.version);
    Ok(Output {
        issue: raw.issue.try_into()?,
        first_release: version(raw.first_release),
        last_release: version(raw.last_release),
        links: raw.annotations.into_iter().map(|link| Link { name: link.display_name, url: link.url }).collect(),
        latest_event,
    })
}
