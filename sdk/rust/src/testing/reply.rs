//! What a scripted upstream answers.

use serde::Serialize;

use crate::contract::{HttpError, HttpResponse};

/// A scripted answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply(pub(super) Result<HttpResponse, HttpError>);

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let text = serde_json::to_string(body).unwrap_or_else(|why| format!("the scripted body is no JSON: {why}"));
        Self::text(status, &text).header("content-type", "application/json")
    }

    /// An answer with any text, such as the HTML of a proxy.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self(Ok(HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() }))
    }

    /// No answer: the gate refuses or the upstream is silent.
    #[must_use]
    pub fn error(error: HttpError) -> Self {
        Self(Err(error))
    }

    /// Adds a header to an answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(response) = &mut self.0 {
            response.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        self
    }
}
