//! Socket's refusals, in words that say what to do next.

use bulkhead_sdk::HttpError;
use bulkhead_sdk::prelude::*;

use crate::settings::KEY;

/// What a request needs to succeed, for the message when it does not.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// The scope that the API token needs; none where any token will do.
    pub scope: Option<&'static str>,
    /// What a 404 means and what to do about it.
    pub absent: &'static str,
    /// What to do when the answer is larger than the hub lets in.
    pub smaller: &'static str,
}

impl Need {
    /// Nothing but a valid token.
    pub const TOKEN: Self = Self {
        scope: None,
        absent: "check providers.socket.settings.api_url",
        smaller: "ask for fewer items with a smaller `limit`",
    };

    /// A scope in the organization, where nothing but the organization can be missing.
    pub const fn scope(scope: &'static str) -> Self {
        Self {
            scope: Some(scope),
            absent: "check providers.socket.settings.org; orgs.list gives the slugs that the key can see",
            ..Self::TOKEN
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    message: String,
}

/// What the caller should know; `None` leaves it to the SDK.
pub fn explain(failure: &Failure<'_>, need: Need, url: &str) -> Option<CallError> {
    match failure {
        Failure::Gate(HttpError::TooLarge(limit)) => Some(CallError::upstream_failed(format!(
            "Socket's answer is larger than the {limit} bytes that the hub lets in: {}",
            need.smaller
        ))),
        Failure::Gate(_) => None,
        Failure::Status(response) => of_status(response, need, url),
    }
}

fn of_status(response: &Response, need: Need, url: &str) -> Option<CallError> {
    if matches!(response.status(), 400..=404) && is_page(response) {
        return Some(CallError::upstream_failed(format!(
            "what answers at {url} is not Socket's API: correct providers.socket.settings.api_url"
        )));
    }
    let said = response.json().map_or_else(|_| response.excerpt(), |refusal: Refusal| refusal.error.message);
    let said = if said.is_empty() { String::new() } else { format!(". Socket said: {said}") };
    let error = match response.status() {
        400 => CallError::invalid_input(format!("Socket refused the input: change it accordingly{said}")),
        401 => CallError::upstream_auth(format!(
            "Socket does not accept the API key: make a token under Settings, API Tokens in Socket's dashboard and set it \
             with `bulkhead secrets set {KEY}`{said}"
        )),
        403 => {
            let scope = need.scope.map_or_else(String::new, |scope| format!("the scope `{scope}` and "));
            CallError::upstream_auth(format!(
                "Socket's API key may not do this: give the token {scope}access to the organization in Socket's dashboard, \
                 or set another with `bulkhead secrets set {KEY}`{said}"
            ))
        }
        404 => CallError::not_found(format!("Socket does not know this: {}{said}", need.absent)),
        409 => CallError::conflict(format!("Socket sees a conflict with what is there: look at it first{said}")),
        429 => {
            let error =
                CallError::upstream_rate_limited(format!("the quota of Socket's API key is used up: wait{said}"));
            match response.retry_after() {
                Some(wait) => error.retry_after(wait),
                None => error,
            }
        }
        _ => return None,
    };
    Some(error)
}

fn is_page(response: &Response) -> bool {
    response.text().trim_start().starts_with('<')
}
