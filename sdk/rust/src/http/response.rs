//! An upstream's answer.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::url;
use crate::contract::HttpResponse;
use crate::error::CallError;
use crate::{json, time};

/// How much of a body an error may quote, in characters.
const EXCERPT_CHARS: usize = 160;

/// A complete answer from an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    answer: HttpResponse,
    url: String,
    /// The call's beginning: the nearest that a provider has to a clock.
    now_ms: u64,
}

impl Response {
    pub(super) fn new(answer: HttpResponse, url: &str, now_ms: u64) -> Self {
        Self { answer, url: url.to_owned(), now_ms }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.answer.status)
    }

    /// The first value of a header, whose name is given in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// Every value of a header, whose name is given in any case.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.answer.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// When it came, in milliseconds since the Unix epoch: what the upstream's `Date` says, or else when the call began.
    #[must_use]
    pub fn received_ms(&self) -> u64 {
        self.header("date").and_then(time::http_date).unwrap_or(self.now_ms)
    }

    /// How long the upstream asks to wait: `Retry-After` as seconds or as a date.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        let wait = value.parse().ok().map(Duration::from_secs);
        wait.or_else(|| Some(Duration::from_millis(time::http_date(value)?.saturating_sub(self.received_ms()))))
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.answer.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.answer.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`upstream_failed`](CallError::upstream_failed) with the failing field and a short excerpt, if the body is not
    /// JSON or does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        json::parse(&self.answer.body).map_err(|why| {
            CallError::upstream_failed(format!(
                "{} answered something unexpected{why}. It begins: {}",
                url::authority(&self.url),
                self.excerpt()
            ))
        })
    }

    /// The first characters of the body on one line, short enough for an error.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let head = &self.answer.body[..self.answer.body.len().min(EXCERPT_CHARS * 8)];
        let line = String::from_utf8_lossy(head).split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(EXCERPT_CHARS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}
