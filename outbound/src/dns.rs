//! Asks the DNS servers that the config names, and nobody else: no hosts file, no search domains, no cache.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    ServerOrderingStrategy,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::address::is_a_server;
use super::host::HostName;
use super::resolver::{MAX_LOOKUPS, Resolve, Resolving};

/// How long one server may take for one question; it is asked twice.
const QUESTION_TIME: Duration = Duration::from_millis(1000);
/// How long all of a name's addresses of one family may take, aliases included.
const FAMILY_TIME: Duration = Duration::from_millis(2500);

/// A DNS server by its address: `IP`, or `IP:port` with IPv6 in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DnsServer(SocketAddr);

/// Not a DNS server's address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not a DNS server: write its address, such as '192.0.2.53', '192.0.2.53:5353' or '[2001:db8::53]:5353'"
)]
pub struct DnsServerError(String);

impl FromStr for DnsServer {
    type Err = DnsServerError;

    fn from_str(text: &str) -> Result<Self, DnsServerError> {
        let wrong = || DnsServerError(text.chars().take(64).collect());
        let address = match text.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, 53),
            Err(_) => text.parse().map_err(|_| wrong())?,
        };
        if address.port() == 0 || !is_a_server(address.ip()) { Err(wrong()) } else { Ok(Self(address)) }
    }
}

impl TryFrom<String> for DnsServer {
    type Error = DnsServerError;

    fn try_from(text: String) -> Result<Self, DnsServerError> {
        text.parse()
    }
}

impl DnsServer {
    /// Address and port.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

/// The DNS servers cannot be used.
#[derive(Debug, Error)]
#[error("the DNS servers of the config cannot be used: {0}")]
pub struct DnsError(#[from] NetError);

/// Looks names up at given DNS servers (RFC 1035), over UDP, and over TCP where an answer is cut off.
pub struct DnsResolver {
    resolver: TokioResolver,
    lookups: Arc<Semaphore>,
}

impl DnsResolver {
    /// A resolver that asks `servers`, in their order. Asks nothing yet.
    ///
    /// # Errors
    /// [`DnsError`] if the client cannot be set up.
    pub fn new(servers: &[DnsServer]) -> Result<Self, DnsError> {
        let connection = |server: &DnsServer, protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = server.0.port();
            connection
        };
        let servers = servers.iter().map(|server| {
            let ways = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| connection(server, protocol));
            NameServerConfig::new(server.0.ip(), true, ways.into())
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options());
        Ok(Self { resolver: builder.build()?, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) })
    }
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = QUESTION_TIME;
    options.attempts = 1;
    // The servers have caches. One of our own would only make a change of theirs take effect later.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options
}

impl Resolve for DnsResolver {
    fn resolve(&self, name: &HostName) -> Resolving {
        let (resolver, lookups) = (self.resolver.clone(), Arc::clone(&self.lookups));
        // With the dot at its end the name is absolute: nothing is appended to it.
        let name = Name::from_ascii(format!("{name}."));
        Box::pin(async move {
            let name = name.map_err(io::Error::other)?;
            let _permit = lookups.acquire().await.map_err(io::Error::other)?;
            let (v4, v6) =
                join(addresses(&resolver, name.clone(), RecordType::A), addresses(&resolver, name, RecordType::AAAA))
                    .await;
            // One family may be missing or broken. What is connected to is what was answered, and all of that is checked.
            match (v4, v6) {
                (Ok(v4), Ok(v6)) => Ok([v4, v6].concat()),
                (Ok(some), Err(error)) | (Err(error), Ok(some)) => {
                    tracing::debug!(%error, "one address family of a name did not resolve");
                    Ok(some)
                }
                (Err(error), Err(_)) => Err(error),
            }
        })
    }
}

/// All the addresses in the answer, whichever name along a chain of aliases they are given for.
async fn addresses(resolver: &TokioResolver, name: Name, family: RecordType) -> io::Result<Vec<IpAddr>> {
    let answer = tokio::time::timeout(FAMILY_TIME, resolver.lookup(name, family)).await?;
    let answer = answer.map_err(io::Error::other)?;
    Ok(answer.answers().iter().filter_map(|record| record.data.ip_addr()).collect())
}
