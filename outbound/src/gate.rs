//! The gate itself: permit, then send.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::acting::{Acting, Effect};
use super::allowlist::Allowlist;
use super::cap::{Connections, Share};
use super::client::{self, Client};
use super::connector::Parts;
use super::error::OutboundError;
use super::exchange::{self, OpenAnswer};
use super::headers;
use super::limits::Limits;
use super::message::{OutboundRequest, OutboundResponse};
use super::own_address::OwnAddress;
use super::permitted::Permitted;
use super::policy::{Policy, Reach};
use super::query::QueryUrl;
use super::resolver::{Resolve, SystemResolver};
use super::target::Target;
use super::tls::{self, RootCertificate};

/// The way out of one provider revision, with connections that no other provider shares. Dropping it closes them.
pub struct Gate {
    policy: Arc<Policy>,
    queries: Vec<QueryUrl>,
    limits: Limits,
    share: Arc<Share>,
    client: Box<Client>,
}

/// What a gate is built from, apart from the allowlist.
pub struct GateOptions {
    /// Bounds of each request.
    pub limits: Limits,
    /// Looks names up. Default: the operating system.
    pub resolver: Arc<dyn Resolve>,
    /// Certificate authorities to trust beside the system's. Default: none.
    pub extra_roots: Vec<RootCertificate>,
    /// Where the hub itself answers, which is refused. Default: nowhere.
    pub own_address: OwnAddress,
    /// The connections of which this gate's are some. Default: those of this process.
    pub connections: Arc<Connections>,
    /// Where a POST only asks. Default: nowhere.
    pub queries: Vec<QueryUrl>,
    /// Where names may lead. Default: to the public.
    pub reach: Reach,
}

/// Why a gate could not be built.
#[derive(Debug, Error)]
pub enum GateError {
    /// The TLS client could not be set up: the machine has no root certificates, or an extra one is broken.
    #[error(
        "the HTTPS client cannot be set up: install the system's root certificates (package 'ca-certificates') and \
         check the extra ones in the config"
    )]
    Client(#[source] rustls::Error),
    /// An entry of `allowed_hosts` that could never match.
    #[error("allowed_hosts: {0}; remove the entry")]
    OwnAddress(OutboundError),
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            resolver: Arc::new(SystemResolver::default()),
            extra_roots: Vec::new(),
            own_address: OwnAddress::default(),
            connections: Connections::of_this_hub(),
            queries: Vec::new(),
            reach: Reach::default(),
        }
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
    /// [`GateError`] if TLS cannot be set up, or an entry names the hub itself.
    pub fn new(allowlist: Allowlist, options: impl Into<GateOptions>) -> Result<Self, GateError> {
        let GateOptions { limits, resolver, extra_roots, own_address, connections, queries, reach } = options.into();
        let share = Arc::new(Share::new(connections));
        let policy = Arc::new(Policy::new(allowlist, own_address, reach).map_err(GateError::OwnAddress)?);
        let tls = tls::client(extra_roots).map_err(GateError::Client)?;
        let parts = Parts {
            policy: Arc::clone(&policy),
            resolver,
            tls,
            share: Arc::clone(&share),
            timeout: limits.connect_timeout,
        };
        let client = client::build(&limits, parts.into());
        Ok(Self { policy, queries, limits, share, client: Box::new(client) })
    }

    /// Checks everything about `request` that can be checked before resolving: URL, target, literal address, headers,
    /// size, and what the call may do. Touches no network.
    ///
    /// # Errors
    /// [`OutboundError::InvalidRequest`], [`OutboundError::DeniedHost`], [`OutboundError::DeniedAddress`] for a literal
    /// address, [`OutboundError::DeniedMethod`], [`OutboundError::TooLarge`].
    pub fn permit(&self, request: OutboundRequest, acting: Acting) -> Result<Permitted, OutboundError> {
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
        self.policy.check_target(&target)?;
        let headers = headers::parse(&headers, &self.limits)?;
        let sent = body.as_deref().unwrap_or_default();
        Effect { method, target: &target, url: &url, headers: &headers, body: sent }.check(acting, &self.queries)?;
        let body = body.map(Bytes::from);
        let max_response_bytes = self.limits.max_response_bytes;
        let permitted =
            Permitted { method, target, url, headers, body, timeout, max_response_bytes, meter: None, searched: false };
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
    /// Every [`OutboundError`] but `InvalidRequest` and `DeniedMethod`.
    pub async fn send(&self, permitted: Permitted, deadline: Instant) -> Result<OutboundResponse, OutboundError> {
        // It may come from another provider's gate; then it is refused like any stranger.
        self.policy.check_target(&permitted.target)?;
        let own = permitted.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let until = own.map_or(deadline, |own| own.min(deadline));
        let exchange = exchange::run(&self.client, &self.limits, &self.share, permitted);
        timeout_at(until, exchange).await.unwrap_or(Err(OutboundError::Timeout))
    }

    /// Sends a permitted request and gives the answer when its head is there, until `deadline`; its body may take as long and
    /// be as much as it likes. For the program's own commands: what a provider gets has bounds.
    ///
    /// # Errors
    /// As [`Gate::send`].
    pub async fn open(&self, permitted: Permitted, deadline: Instant) -> Result<OpenAnswer<'_>, OutboundError> {
        self.policy.check_target(&permitted.target)?;
        let opened = exchange::open(&self.client, &self.share, permitted);
        timeout_at(deadline, opened).await.unwrap_or(Err(OutboundError::Timeout))
    }

    /// What this gate lets through.
    #[must_use]
    pub fn allowlist(&self) -> &Allowlist {
        self.policy.allowlist()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("policy", &self.policy).field("limits", &self.limits).finish_non_exhaustive()
    }
}
