//! `issue.update`.

use bulkhead_sdk::prelude::*;

use super::{Assignee, Raw as RawIssue, numeric_id};
use crate::about::{About, Target};
use crate::api::Api;
use crate::scope::Scope;

/// What `issue.update` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The issue's id from issues.list, "4509876543", or its short id, "CHECKOUT-3F".
    #[schemars(length(min = 1, max = 200))]
    issue_id: String,
    /// The new status. "resolved" comes back as a regression if it happens again, "resolved_in_next_release" only if it
    /// does in a later release than the present one, "ignored" keeps it out of the way, "unresolved" reopens it.
    status: Option<Status>,
    /// With status "ignored": for so many minutes only.
    #[schemars(range(min = 1, max = 525_600))]
    ignore_minutes: Option<u32>,
    /// Who shall take care: "user:42" or "team:7" (ids as in `assigned_to` of other issues), an e-mail address or a user
    /// name.
    #[schemars(length(min = 1, max = 200))]
    assigned_to: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Resolved,
    ResolvedInNextRelease,
    Unresolved,
    Ignored,
}

/// What `issue.update` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The issue's id.
    id: String,
    /// The id that people use.
    short_id: String,
    /// What the issue is about.
    title: String,
    /// The status now.
    status: String,
    /// The status before.
    previous_status: String,
    /// Whom it is assigned to now; absent if nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_to: Option<Assignee>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_to: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    ignore_duration: u32,
}

/// What Sentry answers: only what was changed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    status: Option<String>,
    assigned_to: Option<Assignee>,
}

impl Status {
    /// The word that Sentry has for it.
    fn word(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::ResolvedInNextRelease => "resolvedInNextRelease",
            Self::Unresolved => "unresolved",
            Self::Ignored => "ignored",
        }
    }
}

/// Answers `issue.update`.
///
/// The documented PUT of a single issue demands every attribute at once, `discard` and `merge` among them; that of a
/// project's issues takes those that change. It silently passes over an issue that is not there, so we look first.
pub fn update(cx: &Context, input: Input) -> Result<Output, CallError> {
    if input.status.is_none() && input.assigned_to.is_none() {
        return Err(CallError::invalid_input("nothing to change: give `status`, `assigned_to` or both"));
    }
    if input.ignore_minutes.is_some() && input.status != Some(Status::Ignored) {
        return Err(CallError::invalid_input("`ignore_minutes` is for `status` \"ignored\": give both or neither"));
    }
    let api = Api::of(cx)?;
    let id = numeric_id(&api, &input.issue_id)?;
    let about = |scope| About { scope, target: Target::Issue(input.issue_id.clone()) };
    let look = api.request(Method::Get, &["issues", &id], about(Scope::WriteEvents))?;
    let before: RawIssue = api.read(look.query("collapse", "stats").query("collapse", "tags").retry())?;

    let change = Change {
        status: input.status.map(Status::word),
        status_details: input.ignore_minutes.map(|ignore_duration| Details { ignore_duration }),
        assigned_to: input.assigned_to.as_deref(),
    };
    let put = api.in_project(&before.project.slug, Method::Put, &["issues"], about(Scope::WriteEvents))?;
    let response = put.query("id", &before.id).json(&change).retry().send()?;
    if response.status() == 204 {
        return Err(CallError::conflict(format!(
            "Sentry changed nothing: the issue {} was moved, merged or deleted meanwhile. Look at it with issue.get",
            before.short_id
        )));
    }
    let after: Changed = response.json()?;
    Ok(Output {
        status: after.status.unwrap_or_else(|| before.status.clone()),
        previous_status: before.status,
        assigned_to: after.assigned_to.or(before.assigned_to),
        id: before.id,
        short_id: before.short_id,
        title: before.title,
    })
}
