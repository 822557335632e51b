//! Talking to a Netdata Agent.

use bulkhead_sdk::HttpError;
use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

use crate::settings::TOKEN;

/// A Netdata Agent at an address.
pub struct Agent<'a> {
    cx: &'a Context,
    url: String,
}

impl<'a> Agent<'a> {
    /// `url` is the address that the dashboard has, such as `http://127.0.0.1:19999`.
    pub fn new(cx: &'a Context, url: &str) -> Self {
        Self { cx, url: url.trim_end_matches('/').to_owned() }
    }

    /// Starts a GET of an API path, with the token if there is one and failures in the Agent's own terms.
    pub fn get(&self, path: &str) -> RequestBuilder<'a> {
        let url = self.url.clone();
        self.cx
            .get(format!("{}{path}", self.url))
            .optional_secret_header("x-netdata-auth", "Bearer ", TOKEN)
            .explain(move |failure| explain(failure, &url))
    }

    /// Sends concurrently; answers in order.
    pub fn send_all<const N: usize>(&self, requests: [RequestBuilder<'a>; N]) -> [Result<Response, CallError>; N] {
        let mut answers = self.cx.send_all(requests).into_iter();
        std::array::from_fn(|_| answers.next().unwrap_or_else(|| Err(CallError::internal("an answer is missing"))))
    }
}

/// Sends a request to API v3. `None` if the Agent is too old to have it; the caller then asks v1.
pub fn send_v3(request: RequestBuilder<'_>) -> Result<Option<Response>, CallError> {
    let response = request.accept(lacks_version).send()?;
    Ok((!lacks_version(&response)).then_some(response))
}

/// Agents before 2.0 answer so to `/api/v3/…`.
fn lacks_version(response: &Response) -> bool {
    response.status() == 404 && response.text().starts_with("Unsupported API version")
}

fn explain(failure: &Failure<'_>, url: &str) -> Option<CallError> {
    match failure {
        Failure::Gate(HttpError::Connection(_) | HttpError::Dns(_)) => Some(CallError::upstream_unreachable(format!(
            "No Netdata Agent answers at {url}: start one or set providers.netdata.settings.agent_url"
        ))),
        Failure::Gate(_) => None,
        Failure::Status(response) => match response.status() {
            412 => Some(CallError::upstream_auth(format!(
                "the Netdata Agent at {url} wants a valid bearer token: set it with `bulkhead secrets set {TOKEN}`"
            ))),
            // A text means that the Agent knows the question but has no such metric; a page, that this is no Agent.
            404 if is_page(response) => Some(CallError::upstream_failed(format!(
                "what answers at {url} is no Netdata Agent: correct providers.netdata.settings.agent_url"
            ))),
            404 => Some(unknown_metric(&response.excerpt())),
            503 => Some(CallError::upstream_failed(format!(
                "the Netdata Agent at {url} is not ready or gave up: try again in a few seconds, or ask for a shorter window"
            ))),
            _ => None,
        },
    }
}

fn is_page(response: &Response) -> bool {
    response.text().trim_start().starts_with('<')
}

/// Nothing matched the name that the caller gave.
pub fn unknown_metric(detail: &str) -> CallError {
    let detail = if detail.is_empty() { String::new() } else { format!(" ({})", detail.trim_end_matches('.')) };
    CallError::not_found(format!("Netdata knows no such metric{detail}: list the names with contexts.list"))
}
