//! From a name to the addresses that the gate may connect to.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::address::why_not_public;
use super::allowlist::Allowlist;
use super::error::OutboundError;
use super::host::{Host, HostName};
use super::target::Target;

/// The addresses of a name, in the order in which to try them.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up. Which addresses may be used is not its business.
pub trait Resolve: Send + Sync + 'static {
    /// Looks `name` up. Any error means that the name does not resolve now.
    fn resolve(&self, name: &HostName) -> Resolving;
}

/// The resolver of the operating system.
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

/// Lookups of one gate that run at a time. They occupy threads that the whole hub shares and cannot be cancelled.
const MAX_LOOKUPS: usize = 8;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &HostName) -> Resolving {
        let lookups = Arc::clone(&self.lookups);
        let name = name.clone();
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = move || {
                // Held until the thread is free again, even if nobody waits for the answer any more.
                let _permit = permit;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|addr| addr.ip()).collect())
            };
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        })
    }
}

tokio::task_local! {
    /// The target of the request that is being sent, because the HTTP client tells a resolver only the name.
    static TARGET: Target;
}

/// Runs `exchange` so that names in it resolve for `target` and for nothing else.
pub(super) async fn for_target<F: Future>(target: Target, exchange: F) -> F::Output {
    TARGET.scope(target, exchange).await
}

/// Resolves a name once and refuses all its addresses unless the gate may connect to every one of them. The client
/// connects to these very addresses, so a later answer of the DNS changes nothing.
pub(super) struct GuardedResolver {
    pub(super) allowlist: Arc<Allowlist>,
    pub(super) resolver: Arc<dyn Resolve>,
}

impl reqwest::dns::Resolve for GuardedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        // The client calls this while it is polled by the task that sends. Were that to change, the lookup would be
        // refused, not let through.
        let target = TARGET.try_with(Target::clone).ok();
        let Some((target, name)) = target.and_then(|target| match target.host().clone() {
            Host::Name(own) if own.as_str() == name.as_str() => Some((target, own)),
            _ => None,
        }) else {
            let message = "a name was to be resolved outside its request: report this as an error of the hub";
            return Box::pin(std::future::ready(Err(OutboundError::Dns(message.to_owned()).into())));
        };
        let looked_up = self.resolver.resolve(&name);
        let allowlist = Arc::clone(&self.allowlist);
        Box::pin(async move {
            let addrs = looked_up.await.unwrap_or_else(|error| {
                tracing::debug!(%name, %error, "name lookup failed");
                Vec::new()
            });
            check(&name, &addrs, &target, &allowlist)?;
            let port = target.port().get();
            let addrs: reqwest::dns::Addrs = Box::new(addrs.into_iter().map(move |addr| SocketAddr::new(addr, port)));
            Ok(addrs)
        })
    }
}

/// Whether every address of `name` may be used for `target`.
fn check(name: &HostName, addrs: &[IpAddr], target: &Target, allowlist: &Allowlist) -> Result<(), OutboundError> {
    if addrs.is_empty() {
        let message = format!("'{name}' does not resolve: check its spelling, and that the hub's DNS server knows it");
        return Err(OutboundError::Dns(message));
    }
    // One bad address refuses the name: the good ones beside it may be bait.
    for &addr in addrs {
        if let Some(why) = why_not_public(addr)
            && !allowlist.names_address(addr, target)
        {
            let addr = addr.to_canonical();
            let entry = target.at(Host::Address(addr));
            let message = format!(
                "{name} resolves to {addr}, which is not a public address ({why}): if it is meant, name the address \
                 itself in allowed_hosts, such as '{entry}', and use it in the URL"
            );
            return Err(OutboundError::DeniedAddress(message));
        }
    }
    Ok(())
}
