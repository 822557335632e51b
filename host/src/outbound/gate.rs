//! The gate itself: permit, then send.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::address::why_not_public;
use super::allowlist::Allowlist;
use super::client::{self, RootCertificate};
use super::error::OutboundError;
use super::exchange;
use super::headers;
use super::host::Host;
use super::limits::Limits;
use super::message::{OutboundRequest, OutboundResponse};
use super::permitted::Permitted;
use super::resolver::{GuardedResolver, Resolve, SystemResolver};
use super::target::Target;

/// The way out of one provider revision, with connections that no other provider shares. Dropping it closes them.
pub struct Gate {
    allowlist: Arc<Allowlist>,
    limits: Limits,
    client: reqwest::Client,
}

/// What a gate is built from, apart from the allowlist.
pub struct GateOptions {
    /// Bounds of each request.
    pub limits: Limits,
    /// Looks names up. Default: the operating system.
    pub resolver: Arc<dyn Resolve>,
    /// Certificate authorities to trust beside the system's. Default: none.
    pub extra_roots: Vec<RootCertificate>,
}

/// Why a gate could not be built.
#[derive(Debug, Error)]
pub enum GateError {
    /// The TLS client could not be set up: the machine has no root certificates, or an extra one is broken.
    #[error(
        "the HTTPS client cannot be set up: install the system's root certificates (package 'ca-certificates') and \
         check the extra ones in the config"
    )]
    Client(#[source] reqwest::Error),
}

impl Default for GateOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), resolver: Arc::new(SystemResolver::default()), extra_roots: Vec::new() }
    }
}

impl From<Limits> for GateOptions {
    fn from(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

impl Gate {
    /// Builds a gate that lets through what `allowlist` names. `options` may be just [`Limits`].
    ///
    /// Reads the system's root certificates from disk: build it where blocking is fine.
    ///
    /// # Errors
    /// [`GateError`] if TLS cannot be set up.
    pub fn new(allowlist: Allowlist, options: impl Into<GateOptions>) -> Result<Self, GateError> {
        let GateOptions { limits, resolver, extra_roots } = options.into();
        let allowlist = Arc::new(allowlist);
        let guarded = GuardedResolver { allowlist: Arc::clone(&allowlist), resolver };
        let client = client::build(&limits, extra_roots, guarded).map_err(GateError::Client)?;
        Ok(Self { allowlist, limits, client })
    }

    /// Checks everything about `request` that can be checked before resolving: URL, target, literal address, headers,
    /// size. Touches no network.
    ///
    /// # Errors
    /// [`OutboundError::InvalidRequest`], [`OutboundError::DeniedHost`], [`OutboundError::DeniedAddress`] for a literal
    /// address, [`OutboundError::TooLarge`].
    pub fn permit(&self, request: OutboundRequest) -> Result<Permitted, OutboundError> {
        let OutboundRequest { method, url, headers, body, timeout } = request;
        if url.len() > self.limits.max_url_bytes {
            let message = format!(
                "the URL has {} bytes, the limit is {}: put what is long into the body",
                url.len(),
                self.limits.max_url_bytes
            );
            return Err(OutboundError::InvalidRequest(message));
        }
        let (target, url) = Target::parse(&url).map_err(|error| OutboundError::InvalidRequest(error.to_string()))?;
        self.check_target(&target)?;
        let headers = headers::parse(&headers, &self.limits)?;
        let body = body.map(Bytes::from);
        let max_response_bytes = self.limits.max_response_bytes;
        let permitted = Permitted { method, target, url, headers, body, timeout, max_response_bytes };
        let limit = self.limits.max_request_bytes;
        if permitted.request_bytes() > limit {
            return Err(OutboundError::TooLarge { limit });
        }
        Ok(permitted)
    }

    /// Sends a permitted request and reads the whole answer, until `deadline` or the request's own timeout, whichever
    /// comes first. A redirect is returned like any other answer. Dropping the future aborts the exchange.
    ///
    /// # Errors
    /// Every [`OutboundError`] but `InvalidRequest` and `BudgetExhausted`.
    pub async fn send(&self, permitted: Permitted, deadline: Instant) -> Result<OutboundResponse, OutboundError> {
        // It may come from another provider's gate; then it is refused like any stranger.
        self.check_target(&permitted.target)?;
        let own = permitted.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let until = own.map_or(deadline, |own| own.min(deadline));
        let exchange = exchange::run(&self.client, &self.limits, permitted);
        timeout_at(until, exchange).await.unwrap_or(Err(OutboundError::Timeout))
    }

    /// What this gate lets through.
    #[must_use]
    pub fn allowlist(&self) -> &Allowlist {
        &self.allowlist
    }

    fn check_target(&self, target: &Target) -> Result<(), OutboundError> {
        if self.allowlist.permits(target) {
            // For a literal address this is the address check too: only an entry that is that address permits it, and
            // the client connects to a literal without asking the resolver.
            return Ok(());
        }
        if let Host::Address(addr) = target.host()
            && let Some(why) = why_not_public(*addr)
        {
            let entry = target.at(Host::Address(addr.to_canonical()));
            let message = format!(
                "{addr} is not a public address ({why}): if it is meant, name it in allowed_hosts as '{entry}' and \
                 write it so in the URL"
            );
            return Err(OutboundError::DeniedAddress(message));
        }
        let message = format!("'{target}' is not in the provider's allowed_hosts: add it there if it is meant");
        Err(OutboundError::DeniedHost(message))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("allowlist", &self.allowlist).field("limits", &self.limits).finish_non_exhaustive()
    }
}
