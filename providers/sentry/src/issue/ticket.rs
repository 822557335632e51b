//! `issues.create`: Sentry's issues arise from events, so what can be created is a ticket elsewhere that is linked to one.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{Map, Value};

use super::numeric_id;
use crate::about::{About, Target};
use crate::api::Api;
use crate::excerpt::cut;
use crate::refusal::reason;
use crate::scope::Scope;

/// What `issues.create` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The issue's id from issues.list, "4509876543", or its short id, "CHECKOUT-3F".
    #[schemars(length(min = 1, max = 200))]
    issue_id: String,
    /// Which installed integration shall create the ticket, "24817". Leave it out if there is only one; if there are
    /// several, the error lists them.
    #[schemars(extend("pattern" = "^[0-9]{1,20}$"))]
    integration_id: Option<String>,
    /// The ticket's title: "Payments fail since release 2.14.0".
    #[schemars(length(min = 1, max = 255))]
    title: String,
    /// The ticket's text, in Markdown. Name the Sentry issue and its `url`, so that people find the way back.
    #[schemars(length(max = 30_000))]
    description: Option<String>,
    /// What the integration wants beside that: {"repo": "acme/checkout"} for GitHub, {"project": "10000", "issuetype":
    /// "10001"} for Jira. If something is missing, the error lists what it takes.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = true))]
    fields: Map<String, Value>,
}

/// What `issues.create` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The ticket's key in its own system, such as "PROJECT-123" or "acme/checkout#17".
    key: String,
    /// Its page.
    url: String,
    /// What Sentry shows on the issue.
    name: String,
    /// The integration that created it.
    integration_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    key: String,
    url: String,
    display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    id: String,
    name: String,
    domain_name: Option<String>,
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    create_issue_config: Vec<Map<String, Value>>,
}

/// Answers `issues.create`.
pub fn create(cx: &Context, input: Input) -> Result<Output, CallError> {
    let api = Api::of(cx)?;
    let id = numeric_id(&api, &input.issue_id)?;
    let integration_id = match input.integration_id {
        Some(id) => id,
        None => only_integration(&api)?,
    };
    let mut body = input.fields;
    body.insert("title".to_owned(), input.title.into());
    body.extend(input.description.map(|text| ("description".to_owned(), text.into())));

    let path = ["issues", &id, "integrations", &integration_id];
    let about = About { scope: Scope::WriteEvents, target: Target::Ticket(input.issue_id, integration_id.clone()) };
    let post = api.request(Method::Post, &path, about.clone())?.json(&body).accept(|response| response.status() == 400);
    let response = post.send().map_err(perhaps_done)?;
    if response.status() == 400 {
        let wanted =
            fields(&api, &path, about).map_or_else(String::new, |fields| format!(". It takes as `fields`: {fields}"));
        return Err(CallError::invalid_input(format!(
            "the integration {integration_id} did not create the ticket: {}{wanted}. Change the input accordingly",
            reason(&response).trim_end_matches('.')
        )));
    }
    let created: Created = response.json().map_err(perhaps_done)?;
    Ok(Output { key: created.key, url: created.url, name: created.display_name, integration_id })
}

/// A second attempt makes a second ticket.
fn perhaps_done(mut error: CallError) -> CallError {
    // A connection that broke had been made: the gate says "broke" of it, and "no connection" of one that had not.
    let broke = error.code == ErrorCode::UpstreamUnreachable && error.message.contains(" broke ");
    if broke || matches!(error.code, ErrorCode::UpstreamTimeout | ErrorCode::UpstreamFailed) {
        error
            .message
            .push_str(". The ticket may exist all the same: look at `links` of issue.get before you try again");
    }
    error
}

/// The one integration that can create tickets.
fn only_integration(api: &Api<'_>) -> Result<String, CallError> {
    let about = About { scope: Scope::ReadOrg, target: Target::Org };
    let request = api.request(Method::Get, &["integrations"], about)?.query("features", "issue-basic").retry();
    let installed: Vec<Integration> = api.read(request)?;
    let mut active: Vec<_> = installed.into_iter().filter(|one| one.status == "active").collect();
    match (active.pop(), active.is_empty()) {
        (Some(one), true) => Ok(one.id),
        (Some(last), false) => {
            active.push(last);
            let names: Vec<_> = active.iter().map(Integration::line).collect();
            Err(CallError::invalid_input(format!("`integration_id` is missing: choose one of {}", names.join(", "))))
        }
        (None, _) => Err(CallError::misconfigured(format!(
            "the organization {} has no integration that creates tickets: install one, such as GitHub or Jira, in its settings under \
             Integrations",
            api.org
        ))),
    }
}

impl Integration {
    fn line(&self) -> String {
        format!("{} ({})", self.id, self.domain_name.as_ref().unwrap_or(&self.name))
    }
}

/// What the integration's form has beside title and description. `None` if it cannot be learnt, since the caller has an
/// error to tell already.
fn fields(api: &Api<'_>, path: &[&str], about: About) -> Option<String> {
    let config: Config = api.read(api.request(Method::Get, path, about).ok()?.query("action", "create")).ok()?;
    let known = config.create_issue_config.iter().filter_map(|field| {
        let name = field.get("name")?.as_str().filter(|name| !matches!(*name, "title" | "description"))?;
        let required = if field.get("required").and_then(Value::as_bool) == Some(true) { ", required" } else { "" };
        // A choice is a pair of value and label.
        let choices = field.get("choices").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<_> = choices.filter_map(|choice| choice.get(0)).take(5).map(Value::to_string).collect();
        let choices = if values.is_empty() { String::new() } else { format!(", such as {}", values.join(" or ")) };
        Some(format!("{name}{required}{choices}"))
    });
    let text = known.collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then(|| cut(text, 600))
}
