//! What Sentry says when it refuses, and what to do then.

use std::time::Duration;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;

use crate::about::{About, Target};
use crate::excerpt::cut;
use crate::settings::TOKEN;

/// How much of Sentry's own words an error may repeat, in characters.
const MAX_CHARS: usize = 300;

/// Explains a failure of the web API.
pub fn explain(failure: &Failure<'_>, about: &About, org: &str, base: &str) -> Option<CallError> {
    let Failure::Status(response) = failure else { return None };
    let said = said(response);
    let (scope, tools) = (about.scope.name(), about.scope.tools());
    match response.status() {
        400 => {
            Some(CallError::invalid_input(format!("Sentry refused the request{said}. Change the input accordingly")))
        }
        401 => Some(CallError::upstream_auth(format!(
            "{base} does not accept the auth token in the secret {TOKEN}: make one in the settings of the organization {org} with \
             the scope {scope} for {tools}, and set it with `bulkhead secrets set {TOKEN}`{said}"
        ))),
        403 => Some(CallError::upstream_auth(format!(
            "the auth token in the secret {TOKEN} may not do this: {tools} needs the scope {scope} and access to the organization \
             {org} and the project. Make a personal token or an internal integration's that has them (an organization token cannot) \
             and set it with `bulkhead secrets set {TOKEN}`{said}"
        ))),
        404 => Some(match &about.target {
            Target::Org => CallError::misconfigured(format!(
                "{base} knows no organization `{org}`, or the token does not see it: check providers.sentry.settings.org (the slug) \
                 and .base_url (the region)"
            )),
            Target::Issue(id) => CallError::not_found(format!(
                "Sentry knows no issue `{id}` in the organization {org}: list the issues with issues.list{said}"
            )),
            Target::Ticket(id, integration) => CallError::not_found(format!(
                "Sentry knows no issue `{id}` in the organization {org} or no integration `{integration}` for tickets: list the issues \
                 with issues.list, and leave `integration_id` out to learn which there are{said}"
            )),
        }),
        429 => {
            let error = CallError::upstream_rate_limited(format!("Sentry asks to slow down: try again later{said}"));
            Some(match wait(response) {
                Some(wait) => error.retry_after(wait),
                None => error,
            })
        }
        _ => None,
    }
}

/// What `Retry-After` says, or else until the endpoint's window begins anew.
fn wait(response: &Response) -> Option<Duration> {
    let until_reset = || {
        let reset: u64 = response.header("x-sentry-rate-limit-reset")?.trim().parse().ok()?;
        // The header has whole seconds, so a window of less than one still means a second.
        Some(Duration::from_millis(reset.checked_mul(1000)?.saturating_sub(response.received_ms()).max(1000)))
    };
    response.retry_after().or_else(until_reset)
}

/// Sentry's reason as the end of a sentence: `. It said: …`, or nothing.
pub fn said(response: &Response) -> String {
    match reason(response) {
        text if text.is_empty() => text,
        text => format!(". It said: {}", text.trim_end_matches('.')),
    }
}

/// `{"detail": "…"}`, `{"detail": {"message": "…"}}`, or field by field: `{"title": ["This field is required."]}`.
pub fn reason(response: &Response) -> String {
    let Ok(Value::Object(body)) = response.json() else { return response.excerpt() };
    let text = match body.get("detail") {
        Some(Value::String(text)) => text.clone(),
        Some(detail) => detail.get("message").and_then(Value::as_str).map_or_else(|| detail.to_string(), str::to_owned),
        None => body.iter().map(|(field, why)| format!("{field}: {}", words(why))).collect::<Vec<_>>().join("; "),
    };
    cut(text, MAX_CHARS)
}

fn words(why: &Value) -> String {
    match why {
        Value::String(text) => text.clone(),
        Value::Array(several) => several.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
