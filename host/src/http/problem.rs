//! Errors as RFC 9457 `application/problem+json`, with a stable `code`.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{call::CallError, identity::IdentityError, json::Violation, names::Code};

/// What went wrong and what to do next (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// A URI that says the same as `code`.
    #[serde(rename = "type")]
    kind: String,
    /// What sort of problem.
    title: &'static str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// Stable: programs may rely on it.
    #[schemars(with = "String")]
    code: Code,
    /// What is wrong, and how to fix it.
    detail: String,
    /// What to do next, and when to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    next: Option<String>,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
}

impl Problem {
    /// A problem with a stable `code`.
    #[must_use]
    pub fn new(status: StatusCode, code: Code, title: &'static str, detail: String) -> Self {
        Self {
            kind: format!("urn:bulkhead:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail,
            next: None,
            errors: vec![],
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// A call's error as an answer.
#[must_use]
pub fn of(error: &CallError) -> Response {
    with(error, "")
}

/// A call's error as an answer, and what the hub has to add to its text.
pub fn with(error: &CallError, addition: &str) -> Response {
    // Every status in `CallError` is a valid one.
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut problem = Problem::new(status, error.code(), title(error), format!("{error}{addition}"));
    let advice = error.advice();
    problem.next = Some(format!("{}; retry: {}", advice.next, advice.retry.told()));
    problem.errors = error.violations().to_vec();
    let mut response = problem.into_response();
    if let Some(after) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(crate::text::whole_seconds(after).max(1)));
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // RFC 9110 §15.5.16: what would have been taken.
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Some(challenge) = challenge(error) {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// The challenge that goes with an error (RFC 6750 §3), if one does.
#[must_use]
pub fn challenge(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::Unauthenticated(IdentityError::Missing) => Some(r#"Bearer realm="bulkhead""#),
        CallError::Unauthenticated(IdentityError::KeysUnavailable) => None,
        CallError::Unauthenticated(_) => Some(r#"Bearer realm="bulkhead", error="invalid_token""#),
        CallError::Forbidden { .. } => Some(r#"Bearer realm="bulkhead", error="insufficient_scope""#),
        _ => None,
    }
}

fn title(error: &CallError) -> &'static str {
    match error {
        CallError::Unauthenticated(IdentityError::KeysUnavailable) => "Identity provider unavailable",
        CallError::Unauthenticated(_) => "Authentication failed",
        CallError::UnknownProvider(_) | CallError::UnknownItem { .. } => "Not found",
        CallError::Ambiguous { .. } => "Ambiguous name",
        CallError::Disabled { .. } | CallError::Unavailable { .. } => "Provider not available",
        CallError::CircuitOpen { .. } => "Upstream keeps failing",
        CallError::Loading(_) => "Provider still loading",
        CallError::Forbidden { .. } => "Role too low",
        CallError::Misaddressed(_) => "Host or origin not allowed",
        CallError::RateLimited { .. } => "Rate limit reached",
        CallError::ConcurrencyExceeded(_) => "Concurrency limit reached",
        CallError::TooOften(_) => "Too many refused requests or health checks",
        CallError::Request(fault) => match fault.status {
            404 => "Not found",
            405 => "Method not allowed",
            _ => "Bad request",
        },
        CallError::Input(_) => "Invalid input",
        CallError::Run(_) => "Provider call failed",
        CallError::Provider(_) => "Provider answered with an error",
        CallError::InvalidOutput(_) => "Invalid provider output",
        CallError::ConfigRefused(_) => "Config not usable",
        CallError::OverrideRefused(_) | CallError::OverrideNotKept(_) => "Nothing done to the provider",
        CallError::Trail(_) => "Audit trail not read",
        CallError::NotRecorded(_) => "Not recorded",
        CallError::Internal => "Internal error",
    }
}
