//! From a target to a connection: resolve once, check every address, connect to exactly those, shake hands.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::Service;

use super::cap::{Share, Slot};
use super::connection::{Connection, paced};
use super::error::OutboundError;
use super::failure;
use super::host::Host;
use super::policy::Policy;
use super::resolver::Resolve;
use super::target::{Scheme, Target};

/// How long an address has before the next one is tried beside it (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Makes every connection of one gate. The HTTP client has no other.
#[derive(Clone)]
pub(super) struct Connector(Arc<Parts>);

/// What a connector works with.
pub(super) struct Parts {
    pub(super) policy: Arc<Policy>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) tls: Arc<ClientConfig>,
    /// The gate's part in the connections of the hub.
    pub(super) share: Arc<Share>,
    /// For name resolution, TCP and TLS together.
    pub(super) timeout: Duration,
}

impl From<Parts> for Connector {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = OutboundError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, OutboundError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OutboundError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            // Parsed and checked anew: whatever the HTTP client makes of a request, nothing else is connected to.
            let (target, _) =
                Target::parse(&uri.to_string()).map_err(|_| OutboundError::InvalidRequest(LOST.into()))?;
            let connected = timeout(parts.timeout, parts.connect(&target)).await;
            connected.unwrap_or(Err(OutboundError::Timeout)).map(TokioIo::new)
        })
    }
}

const LOST: &str = "the HTTP client lost the request's target: report this as an error of the hub";

impl Parts {
    async fn connect(&self, target: &Target) -> Result<Connection, OutboundError> {
        self.policy.check_target(target)?;
        let port = target.port().get();
        let addrs = self.addresses(target).await?.into_iter().map(|addr| SocketAddr::new(addr, port));
        let (stream, slot) = self.dial(addrs, target).await?;
        let stream = paced(stream);
        if target.scheme() == Scheme::Http {
            return Ok(Connection::plain(stream, slot));
        }
        let name = match target.host() {
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned()),
            Host::Address(addr) => Ok(ServerName::from(*addr)),
        };
        let name = name.map_err(|_| OutboundError::InvalidRequest(LOST.into()))?;
        let shaken = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        let shaken = shaken.map_err(|error| failure::no_connection(&error, target))?;
        Ok(Connection::tls(shaken, slot))
    }

    /// The addresses of the target's host, all of them checked. A later answer of the DNS changes nothing.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, OutboundError> {
        let name = match target.host() {
            Host::Address(addr) => return Ok(vec![*addr]),
            Host::Name(name) => name,
        };
        let addrs = self.resolver.resolve(name).await.unwrap_or_else(|error| {
            tracing::debug!(%name, %error, "name lookup failed");
            Vec::new()
        });
        self.policy.check_addresses(name, &addrs, target)?;
        Ok(addrs)
    }

    /// Connects to the first of `addrs` that answers, each with a head start over the next. Each attempt is one of the hub's
    /// connections: a further one beside it begins only where there is room.
    async fn dial(
        &self,
        addrs: impl Iterator<Item = SocketAddr>,
        target: &Target,
    ) -> Result<(TcpStream, Slot), OutboundError> {
        let mut waiting = addrs.peekable();
        let mut under_way = FuturesUnordered::new();
        let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
        loop {
            if waiting.peek().is_some() {
                let slot = if under_way.is_empty() {
                    Some(self.share.take(target).await?)
                } else {
                    self.share.try_take(target)
                };
                if let Some(slot) = slot
                    && let Some(addr) = waiting.next()
                {
                    under_way.push(async move { TcpStream::connect(addr).await.map(|stream| (stream, slot)) });
                }
            }
            let ended = if waiting.peek().is_none() {
                under_way.next().await
            } else {
                match timeout(HEAD_START, under_way.next()).await {
                    Ok(ended) => ended,
                    Err(_) => continue,
                }
            };
            match ended {
                Some(Ok((stream, slot))) => {
                    // Requests are written whole: waiting for more to send would only delay them.
                    stream.set_nodelay(true).map_err(|error| failure::no_connection(&error, target))?;
                    return Ok((stream, slot));
                }
                Some(Err(failed)) => error = failed,
                None => return Err(failure::no_connection(&error, target)),
            }
        }
    }
}
