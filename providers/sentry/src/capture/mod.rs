//! `capture.error`.

mod dsn;
mod event;
mod input;
#[cfg(test)]
mod tests;
mod throttle;

use std::time::Duration;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::time::rfc3339;

pub use dsn::Dsn;
pub use input::Input;

use crate::settings::DSN;

/// What `capture.error` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The event's id in Sentry, 32 hex digits. It is this call's id, so the audit trail and Sentry can be matched.
    event_id: String,
    /// The id of the project that the event went to, such as "42".
    project_id: String,
    /// Only if Sentry asks to slow down: it takes no more errors for so many seconds and may have dropped this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_for_seconds: Option<u64>,
}

/// What Sentry answers; some servers leave the id out.
#[derive(Deserialize)]
struct Accepted {
    #[serde(rename = "id")]
    _id: Option<String>,
}

/// Answers `capture.error`.
pub fn error(cx: &Context, input: Input) -> Result<Output, CallError> {
    input.check()?;
    deliver(cx, &input, &Dsn::of(cx)?)
}

fn deliver(cx: &Context, input: &Input, dsn: &Dsn) -> Result<Output, CallError> {
    let event_id = event::id_of(cx.call_id());
    let body = event::envelope(&event_id, cx.now_ms(), input)?;
    let response = cx
        .post(dsn.envelope_url())
        .header("x-sentry-auth", dsn.auth(event::CLIENT))
        .body("application/x-sentry-envelope", body)
        .explain(|failure| explain(cx, failure, dsn))
        .retry() // the same event id, so it counts once
        .send()?;
    response.json::<Accepted>()?;
    let paused = throttle::wait(&response);
    if let Some(wait) = paused {
        report_pause(cx, &response, wait);
    }
    Ok(Output { event_id, project_id: dsn.project().to_owned(), paused_for_seconds: paused.map(|wait| wait.as_secs()) })
}

/// Nothing is left until the pause is over.
fn report_pause(cx: &Context, response: &Response, wait: Duration) {
    let until = u64::try_from(wait.as_millis()).ok().and_then(|wait| response.received_ms().checked_add(wait));
    cx.report_quota(&Quota { limit: None, remaining: 0, resets_at: until.map(rfc3339), window: "errors".to_owned() });
}

fn explain(cx: &Context, failure: &Failure<'_>, dsn: &Dsn) -> Option<CallError> {
    let Failure::Status(response) = failure else { return None };
    let (host, project) = (dsn.host(), dsn.project());
    let said = dsn.hide(&crate::refusal::said(response)); // some servers repeat the key that they do not know
    match response.status() {
        // Ingestion answers 403, or 404, for a key that it does not know.
        401 | 403 | 404 => Some(CallError::upstream_auth(format!(
            "{host} takes no events for project {project} with the key of the secret {DSN}: copy the DSN again from the project's \
             settings, Client Keys (DSN), and set it with `bulkhead secrets set {DSN}`{said}"
        ))),
        400 => Some(CallError::invalid_input(format!(
            "Sentry does not accept the event{said}. Change the input accordingly"
        ))),
        413 => Some(CallError::invalid_input(format!(
            "the event is too large for {host}: shorten `extra` or the frames of `exception`{said}"
        ))),
        429 => {
            let wait = throttle::wait(response)?;
            report_pause(cx, response, wait);
            let message = format!(
                "Sentry takes no more errors for project {project} now, because of a rate limit or a used-up quota: try again \
                 in {} s{said}",
                wait.as_secs()
            );
            Some(CallError::upstream_rate_limited(message).retry_after(wait))
        }
        _ => None,
    }
}
