//! `capture.error`.

mod dsn;
mod event;
mod input;
mod throttle;

use bulkhead_sdk::prelude::*;

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
    let dsn = Dsn::of(cx)?;
    let event_id = event::id_of(cx.call_id());
    let body = event::envelope(&event_id, cx.now_ms(), &input)?;
    let response = cx
        .post(dsn.envelope_url())
        .header("x-sentry-auth", dsn.auth(event::CLIENT))
        .body("application/x-sentry-envelope", body)
        .explain(|failure| explain(failure, &dsn))
        .send()?;
    response.json::<Accepted>()?;
    let paused = throttle::wait(&response);
    if let Some(wait) = paused {
        cx.warn(format_args!("Sentry takes no more errors for {} s", wait.as_secs()));
    }
    Ok(Output { event_id, project_id: dsn.project().to_owned(), paused_for_seconds: paused.map(|wait| wait.as_secs()) })
}

fn explain(failure: &Failure<'_>, dsn: &Dsn) -> Option<CallError> {
    let Failure::Status(response) = failure else { return None };
    let (host, project, said) = (dsn.host(), dsn.project(), crate::refusal::said(response));
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
