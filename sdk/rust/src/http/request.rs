//! Building and sending requests.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;

use super::failure::About;
use super::url::{authority, percent_encode};
use super::{Failure, Response};
use crate::context::Context;
use crate::contract::{HttpError, HttpRequest, HttpResponse, Method};
use crate::error::CallError;
use crate::gate::Gate;

type Accept<'a> = Box<dyn Fn(&Response) -> bool + 'a>;
type Explain<'a> = Box<dyn Fn(&Failure<'_>) -> Option<CallError> + 'a>;

/// One request in the making; [`Context::get`] and its kin start one.
///
/// A mistake on the way (a secret that is not set, a body that is not JSON) is kept and returned by [`send`](Self::send),
/// so the chain stays a chain.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder<'a> {
    cx: &'a Context,
    request: HttpRequest,
    secret: Option<String>,
    accept: Option<Accept<'a>>,
    explain: Option<Explain<'a>>,
    mistake: Option<CallError>,
    retry: bool,
}

impl<'a> RequestBuilder<'a> {
    pub(crate) fn new(cx: &'a Context, method: Method, url: String) -> Self {
        let request = HttpRequest { method, url, headers: Vec::new(), body: None, timeout_ms: None, delay_ms: None };
        Self { cx, request, secret: None, accept: None, explain: None, mistake: None, retry: false }
    }

    /// Appends one path segment, percent-encoded. Comes before any [`query`](Self::query). A segment that is empty or
    /// means "up" is an error, because it would make another path.
    pub fn segment(mut self, segment: &str) -> Self {
        if matches!(segment, "" | "." | "..") {
            return self
                .fail(CallError::invalid_input(format!("`{segment}` cannot be part of a URL: give a real name")));
        }
        if !self.request.url.ends_with('/') {
            self.request.url.push('/');
        }
        self.request.url.push_str(&percent_encode(segment));
        self
    }

    /// Appends a query parameter, percent-encoded.
    pub fn query(self, key: &str, value: impl Display) -> Self {
        self.raw_query(key, &percent_encode(&value.to_string()))
    }

    /// Appends a query parameter that is a list: items percent-encoded, the commas between them not (`style: form,
    /// explode: false` in API descriptions).
    pub fn query_list(self, key: &str, items: &[impl AsRef<str>]) -> Self {
        let items: Vec<_> = items.iter().map(|item| percent_encode(item.as_ref())).collect();
        self.raw_query(key, &items.join(","))
    }

    fn raw_query(mut self, key: &str, value: &str) -> Self {
        let url = &mut self.request.url;
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&percent_encode(key));
        url.push('=');
        url.push_str(value);
        self
    }

    /// Appends a header. `host`, `content-length` and hop-by-hop headers belong to the hub.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request.headers.push((name.to_owned(), value.into()));
        self
    }

    /// `Authorization: Bearer` with a secret of this provider.
    pub fn bearer_secret(self, name: &str) -> Self {
        self.secret_header("authorization", "Bearer ", name)
    }

    /// A header of the form `prefix` + secret, such as `X-Api-Key` with an empty prefix.
    pub fn secret_header(mut self, header: &str, prefix: &str, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        match self.cx.secret_reference(secret) {
            Ok(reference) => self.header(header, format!("{prefix}{reference}")),
            Err(error) => self.fail(error),
        }
    }

    /// As [`secret_header`](Self::secret_header), for an upstream that may need none: without a granted and set secret
    /// there is no header.
    pub fn optional_secret_header(mut self, header: &str, prefix: &str, secret: &str) -> Self {
        self.secret = Some(secret.to_owned()); // even without the header, a refusal should name what to set
        match self.cx.optional_secret_reference(secret) {
            Ok(Some(reference)) => self.header(header, format!("{prefix}{reference}")),
            Ok(None) => self,
            Err(error) => self.fail(error),
        }
    }

    /// A JSON body, with its content type.
    pub fn json(self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(why) => self.fail(CallError::internal(format!("the request cannot be written as JSON: {why}"))),
        }
    }

    /// A body of any content type.
    pub fn body(mut self, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.request.body = Some(bytes.into());
        self.header("content-type", content_type)
    }

    /// Waits at most this long; the call's deadline holds in any case.
    pub fn timeout(mut self, at_most: Duration) -> Self {
        self.request.timeout_ms = Some(u32::try_from(at_most.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Waits this long before sending: the hub's clock, since a provider has none. A wait that the deadline leaves no room
    /// for is a timeout at once. Use it to poll.
    pub fn delay(mut self, wait: Duration) -> Self {
        self.request.delay_ms = Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Tries up to twice more when the upstream answers 408, 502, 503 or 504, or 429 with a `Retry-After`: after the wait
    /// that it asks for, or else a short one, and only where the deadline leaves room. Not for a request that does harm
    /// when it arrives twice.
    pub fn retry(mut self) -> Self {
        self.retry = true;
        self
    }

    /// Lets [`send`](Self::send) also return answers that are not 2xx but mean something to the provider, such as a 404
    /// for "no such version".
    pub fn accept(mut self, accept: impl Fn(&Response) -> bool + 'a) -> Self {
        self.accept = Some(Box::new(accept));
        self
    }

    /// Explains failures in the upstream's own terms. It sees every [`Failure`] first, with the whole
    /// answer, so it may judge the body; `None` leaves the default.
    pub fn explain(mut self, explain: impl Fn(&Failure<'_>) -> Option<CallError> + 'a) -> Self {
        self.explain = Some(Box::new(explain));
        self
    }

    pub(super) fn gate(&self) -> &'a dyn Gate {
        self.cx.gate()
    }

    pub(super) fn ready(&self) -> Result<&HttpRequest, CallError> {
        self.mistake.clone().map_or(Ok(&self.request), Err)
    }

    pub(super) fn retries(&self) -> bool {
        self.retry
    }

    pub(super) fn deadline(&self) -> Duration {
        self.cx.deadline()
    }

    pub(super) fn response(&self, answer: HttpResponse) -> Response {
        Response::new(answer, &self.request.url, self.cx.now_ms())
    }

    pub(super) fn judge(&self, answer: Result<Response, HttpError>) -> Result<Response, CallError> {
        let response = answer.map_err(|error| self.error(&Failure::Gate(&error)))?;
        let accepted = response.is_success() || self.accept.as_ref().is_some_and(|accept| accept(&response));
        if accepted { Ok(response) } else { Err(self.error(&Failure::Status(&response))) }
    }

    fn error(&self, failure: &Failure<'_>) -> CallError {
        let about = About { authority: authority(&self.request.url), secret: self.secret.as_deref() };
        let explained = self.explain.as_ref().and_then(|explain| explain(failure));
        explained.unwrap_or_else(|| failure.default_error(&about))
    }

    fn fail(mut self, mistake: CallError) -> Self {
        self.mistake.get_or_insert(mistake);
        self
    }
}
