//! An issue: what the tools show of it, and how it is found.

mod event;
mod frames;
pub mod get;
pub mod list;
pub mod ticket;
pub mod update;

use bulkhead_sdk::prelude::*;

use crate::about::{About, Target};
use crate::api::Api;
use crate::scope::Scope;

/// What Sentry answers for an issue, in every list and by itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    id: String,
    short_id: String,
    title: String,
    culprit: Option<String>,
    level: String,
    status: String,
    substatus: Option<String>,
    priority: Option<String>,
    project: Project,
    permalink: Option<String>,
    count: Option<String>,
    user_count: Option<u64>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    assigned_to: Option<Assignee>,
}

#[derive(Deserialize)]
struct Project {
    slug: String,
}

/// Whom an issue is assigned to.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Assignee {
    /// "user" or "team".
    #[serde(rename = "type")]
    kind: String,
    /// Their id; issue.update takes it as "user:42" or "team:7".
    id: String,
    /// Their name.
    name: String,
}

/// An issue: equal errors under one title.
#[derive(Serialize, JsonSchema)]
struct Issue {
    /// The id to give to issue.get and issue.update, such as "4509876543".
    id: String,
    /// The id that people use, such as "CHECKOUT-3F".
    short_id: String,
    /// What happened.
    title: String,
    /// Where in the code, as Sentry sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    culprit: Option<String>,
    /// fatal, error, warning, info, debug …
    level: String,
    /// unresolved, resolved or ignored.
    status: String,
    /// More about the status, such as new, ongoing, escalating, regressed or archived_until_escalating.
    #[serde(skip_serializing_if = "Option::is_none")]
    substatus: Option<String>,
    /// low, medium or high.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<String>,
    /// The slug of the project.
    project: String,
    /// How many events.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    /// How many users saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<u64>,
    /// When it happened first, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    /// When it happened last, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    /// Whom it is assigned to; absent if nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_to: Option<Assignee>,
    /// Its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl TryFrom<Raw> for Issue {
    type Error = CallError;

    fn try_from(raw: Raw) -> Result<Self, CallError> {
        let count = |count: String| {
            count.parse().map_err(|_| {
                CallError::upstream_failed(format!(
                    "Sentry answered `count` of the issue {} as `{count:.20}`, which is no number: check what answers at \
                     providers.sentry.settings.base_url",
                    raw.short_id
                ))
            })
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            events: raw.count.map(count).transpose()?,
            id: raw.id,
            short_id: raw.short_id,
            title: raw.title,
            culprit: filled(raw.culprit),
            level: raw.level,
            status: raw.status,
            substatus: raw.substatus,
            priority: raw.priority,
            project: raw.project.slug,
            users: raw.user_count,
            first_seen: raw.first_seen,
            last_seen: raw.last_seen,
            assigned_to: raw.assigned_to,
            url: filled(raw.permalink),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    group_id: String,
}

/// The numeric id of an issue that the caller names by either of its ids.
fn numeric_id(api: &Api<'_>, named: &str) -> Result<String, CallError> {
    if !named.is_empty() && named.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(named.to_owned());
    }
    let about = About { scope: Scope::ReadEvents, target: Target::Issue(named.to_owned()) };
    let resolved: Resolved = api.read(api.request(Method::Get, &["shortids", named], about)?.retry())?;
    Ok(resolved.group_id)
}
