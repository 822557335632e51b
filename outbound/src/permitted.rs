//! A request that the gate has permitted and not yet sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::error::OutboundError;
use super::headers;
use super::message::Method;
use super::meter::ByteMeter;
use super::target::Target;

/// A request whose target, headers and size are permitted. Only header *values* can still change, so that secrets can
/// be put in; where it goes cannot.
pub struct Permitted {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) timeout: Option<Duration>,
    pub(super) max_response_bytes: u64,
    pub(super) meter: Option<Arc<ByteMeter>>,
    /// Whether the answer must be one that can be searched.
    pub(super) searched: bool,
}

impl Permitted {
    /// Where the request goes. [`Target::authority`] is what the audit row shows.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The URL as it will be sent, to look for placeholders in it.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The body as it will be sent, to look for placeholders in it.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Names and values of the headers.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter()
    }

    /// The header values, to put secrets into. Mark such a value with [`HeaderValue::set_sensitive`], then HTTP/2 never
    /// indexes it (RFC 7541, 7.1.3) and `Debug` hides it. Names are fixed.
    pub fn headers_mut(&mut self) -> impl Iterator<Item = (&HeaderName, &mut HeaderValue)> {
        self.headers.iter_mut()
    }

    /// Bytes of URL, headers and body, for the call's budget.
    #[must_use]
    pub fn request_bytes(&self) -> u64 {
        let body = self.body.as_ref().map_or(0, Bytes::len);
        (self.url.as_str().len() + body) as u64 + headers::bytes(&self.headers)
    }

    /// Has the request ask for an answer that can be searched for secrets, and refuses any other: whole, and as it is.
    ///
    /// # Errors
    /// [`OutboundError::InvalidRequest`] if it asks for a piece of one.
    pub fn to_be_searched(&mut self) -> Result<(), OutboundError> {
        headers::ask_for_the_whole(&mut self.headers)?;
        self.searched = true;
        Ok(())
    }

    /// Counts the response against `meter` while it arrives, beside its own bound.
    pub fn meter(&mut self, meter: Arc<ByteMeter>) {
        self.meter = Some(meter);
    }
}

impl fmt::Debug for Permitted {
    /// Without header values, query and body, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permitted")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}
