//! The one place where gate errors and upstream statuses become [`CallError`]s.

use super::Response;
use crate::contract::HttpError;
use crate::error::CallError;

/// Why a request did not bring a 2xx; what [`explain`](super::RequestBuilder::explain) judges.
pub enum Failure<'a> {
    /// The hub's gate refused, or the upstream never answered.
    Gate(&'a HttpError),
    /// The upstream answered with another status.
    Status(&'a Response),
}

/// What is known about the request, for the message.
pub(super) struct About<'a> {
    pub(super) authority: &'a str,
    pub(super) secret: Option<&'a str>,
}

impl Failure<'_> {
    /// The error that a caller sees unless the provider explains it better.
    pub(super) fn default_error(&self, about: &About<'_>) -> CallError {
        match self {
            Self::Gate(error) => of_gate(error, about.authority),
            Self::Status(response) => of_status(response, about),
        }
    }
}

fn of_gate(error: &HttpError, authority: &str) -> CallError {
    match error {
        HttpError::InvalidRequest(why) => {
            CallError::internal(format!("the hub refused the request to {authority}: {why}"))
        }
        HttpError::DeniedHost(host) => CallError::upstream_unreachable(format!(
            "the hub did not let the request out: add `{host}` to `allowed_hosts` of this provider in provider-config.yaml"
        )),
        HttpError::DeniedAddress(address) => CallError::upstream_unreachable(format!(
            "{authority} resolves to an address that is not public ({address}): if that is meant, name the address in `allowed_hosts` of this provider"
        )),
        HttpError::Dns(why) => CallError::upstream_unreachable(format!(
            "the name of {authority} does not resolve ({why}): check the host in the settings of this provider"
        )),
        HttpError::Connection(why) => {
            CallError::upstream_unreachable(format!("{authority} cannot be reached ({why}): check that it runs"))
        }
        HttpError::Tls(why) => CallError::upstream_unreachable(format!(
            "no trusted TLS connection to {authority} ({why}): check its certificate and the scheme in the settings"
        )),
        HttpError::Timeout => {
            CallError::upstream_timeout(format!("{authority} did not answer in time: ask for less, or try again later"))
        }
        HttpError::TooLarge(limit) => CallError::upstream_failed(format!(
            "the exchange with {authority} is larger than {limit} bytes: ask for less, such as fewer items"
        )),
        HttpError::BudgetExhausted(limit) => CallError::upstream_unreachable(format!(
            "this call has used up its requests ({limit}): ask for less in one call"
        )),
    }
}

fn of_status(response: &Response, about: &About<'_>) -> CallError {
    let who = about.authority;
    let status = response.status();
    let said = match response.excerpt() {
        text if text.is_empty() => String::new(),
        text => format!(". It said: {text}"),
    };
    match status {
        401 | 403 => {
            let cure = about.secret.map_or_else(
                || "it wants credentials that this call does not send".to_owned(),
                |name| {
                    format!("check the value and scope of the secret, set a new one with `bulkhead secrets set {name}`")
                },
            );
            CallError::upstream_auth(format!("{who} refused the credentials ({status}): {cure}{said}"))
        }
        404 => CallError::not_found(format!("{who} does not know this (404): check the names given{said}")),
        408 | 504 => CallError::upstream_timeout(format!("{who} gave up ({status}): try again later{said}")),
        409 => CallError::conflict(format!("{who} sees a conflict (409): look at the present state first{said}")),
        429 => {
            let error =
                CallError::upstream_rate_limited(format!("{who} asks to slow down (429): try again later{said}"));
            match response.retry_after() {
                Some(wait) => error.retry_after(wait),
                None => error,
            }
        }
        300..=399 => {
            let target = response.header("location").unwrap_or("nowhere");
            CallError::upstream_failed(format!(
                "{who} redirects to {target} ({status}), and redirects are not followed: use that address in the settings"
            ))
        }
        400..=499 => CallError::upstream_failed(format!("{who} refused the request ({status}){said}")),
        503 => {
            let error = CallError::upstream_failed(format!("{who} is unavailable (503): try again later{said}"));
            match response.retry_after() {
                Some(wait) => error.retry_after(wait),
                None => error,
            }
        }
        _ => CallError::upstream_failed(format!("{who} failed ({status}): try again later{said}")),
    }
}
