//! What a call may do out there: one that only reads sends nothing by which an upstream would change.

use http::{HeaderMap, header};
use url::Url;

use super::error::OutboundError;
use super::message::Method;
use super::query::QueryUrl;
use super::steering;
use super::target::Target;

/// What a call may do, by the class that the config gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// It looks: GET, HEAD, and POST to what the config calls a query. Tools of class read, health checks, resources,
    /// prompts, and the hub itself.
    Reading,
    /// It may send whatever the gate permits: tools of class scan and write.
    Anything,
}

/// Headers that name an action of a service which takes every request by POST, at the same URL.
const ACTIONS: [&str; 2] = ["x-amz-target", "soapaction"];
/// How much of a path an error repeats, in characters.
const SHOWN_MAX: usize = 256;

/// A request whose target is permitted, as far as its effect is concerned.
pub(super) struct Effect<'a> {
    pub(super) method: Method,
    pub(super) target: &'a Target,
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Effect<'_> {
    /// Refuses what no call may send, and what one that only reads must not.
    pub(super) fn check(&self, acting: Acting, queries: &[QueryUrl]) -> Result<(), OutboundError> {
        // Many servers do not read it, and take it for the next request on the connection (RFC 9110, 9.3.1; RFC 9112, 11.2).
        if matches!(self.method, Method::Get | Method::Head) && !self.body.is_empty() {
            return Err(OutboundError::InvalidRequest(format!(
                "{} has no body, which servers would take for another request: put what it asks into the query string, or send \
                 POST",
                self.method.as_str()
            )));
        }
        if acting == Acting::Anything {
            return Ok(());
        }
        if self.url.query().is_some_and(|query| steering::in_form(query.as_bytes())) {
            return Err(overridden("its query"));
        }
        if let Some(action) = ACTIONS.iter().find(|name| self.headers.contains_key(**name)) {
            return Err(OutboundError::DeniedMethod(format!(
                "this call only reads, and its header '{action}' names an action, which may be one that changes something: \
                 leave it out, or give the tool `class: scan` or `class: write`"
            )));
        }
        match self.method {
            Method::Get | Method::Head => Ok(()),
            Method::Post if queries.iter().any(|query| query.covers(self.target, self.url)) => self.check_body(),
            Method::Post => {
                let path: String = self.url.path().chars().take(SHOWN_MAX).collect();
                Err(OutboundError::DeniedMethod(format!(
                    "this call only reads, so it may POST only to what the provider's `queries` list: if this only asks, add \
                     '{}{path}' there; if it changes something, give the tool `class: scan` or `class: write`",
                    self.target
                )))
            }
            method => Err(OutboundError::DeniedMethod(format!(
                "this call only reads, so it may not {}: send GET, HEAD, or POST to what the provider's `queries` list; a \
                 tool that changes something needs `class: scan` or `class: write` in the config",
                method.as_str()
            ))),
        }
    }

    /// A body can ask for another method too, and servers take one without a type for a form.
    fn check_body(&self) -> Result<(), OutboundError> {
        let types: Vec<_> = self.headers.get_all(header::CONTENT_TYPE).iter().collect();
        let says = |word: &[u8]| types.iter().any(|value| steering::holds(value.as_bytes(), word));
        if says(b"multipart") {
            let why = "this call only reads: send what it asks as JSON or text, not as a form of several parts";
            return Err(OutboundError::DeniedMethod(why.to_owned()));
        }
        let is_form = types.is_empty() || says(b"form");
        if is_form && steering::in_form(self.body) {
            return Err(overridden("its form"));
        }
        if steering::in_json(self.body, says(b"json")) {
            return Err(overridden("its JSON"));
        }
        Ok(())
    }
}

fn overridden(place: &str) -> OutboundError {
    OutboundError::DeniedMethod(format!(
        "this call only reads, and {place} names another method for it: leave that out, or give the tool `class: write`"
    ))
}
