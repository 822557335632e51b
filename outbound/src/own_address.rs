//! Where the hub itself answers. No provider may go there, whatever its `allowed_hosts` say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU16;

use url::Url;

use super::error::OutboundError;
use super::host::{Host, HostName};
use super::target::Target;

/// Where the hub itself answers: the address that it listens on and the URL that callers dial. The default is a hub that
/// listens nowhere.
///
/// A translated address (a container's published port, a load balancer) is known only by the name in the public URL.
#[derive(Clone, Debug, Default)]
pub struct OwnAddress {
    listening: Option<SocketAddr>,
    public: Option<Target>,
}

impl OwnAddress {
    /// A hub that listens on `listening`, with the real port, and that callers reach at `public_url`.
    #[must_use]
    pub fn new(listening: SocketAddr, public_url: Option<&Url>) -> Self {
        // A URL that is no target of ours cannot become one of a provider's either.
        let public = public_url.and_then(|url| Target::parse(url.as_str()).ok()).map(|(target, _)| target);
        Self { listening: Some(listening), public }
    }

    /// Why `target` is refused: its host is the hub, by name or as a literal address.
    pub(super) fn refuse(&self, target: &Target) -> Result<(), OutboundError> {
        match target.host() {
            Host::Name(name) if self.is_called(name, target.port()) => {
                Err(OutboundError::DeniedHost(format!("'{target}' is {THE_HUB}")))
            }
            Host::Address(addr) if self.is_at(*addr, target.port()) => {
                Err(OutboundError::DeniedAddress(format!("'{target}' is {THE_HUB}")))
            }
            _ => Ok(()),
        }
    }

    /// Why `addr`, which `target` resolves to, is refused: the hub answers there.
    pub(super) fn refuse_resolved(&self, addr: IpAddr, target: &Target) -> Result<(), OutboundError> {
        if self.is_at(addr, target.port()) {
            return Err(OutboundError::DeniedAddress(format!("'{target}' leads to {THE_HUB}")));
        }
        Ok(())
    }

    fn is_called(&self, name: &HostName, port: NonZeroU16) -> bool {
        let Some(public) = &self.public else { return false };
        // Behind a proxy the hub's own port may be open under the public name as well.
        let own = self.listening.is_some_and(|listening| listening.port() == port.get());
        matches!(public.host(), Host::Name(own_name) if own_name == name) && (own || public.port() == port)
    }

    fn is_at(&self, addr: IpAddr, port: NonZeroU16) -> bool {
        let addr = addr.to_canonical();
        if let Some(public) = &self.public
            && matches!(public.host(), Host::Address(own) if own.to_canonical() == addr)
            && public.port() == port
        {
            return true;
        }
        match self.listening {
            Some(own) if own.port() != port.get() => false,
            Some(own) if own.ip().to_canonical().is_unspecified() => is_of_this_machine(addr),
            Some(own) => own.ip().to_canonical() == addr,
            None => false,
        }
    }
}

/// How each refusal ends.
const THE_HUB: &str = "the hub itself: providers do not call the hub or each other, agents compose them";

/// Whether connecting to `addr` leads to this machine. Asks the kernel, sends nothing and does not block.
fn is_of_this_machine(addr: IpAddr) -> bool {
    if addr.is_loopback() || addr.is_unspecified() {
        return true;
    }
    // Addresses for documentation, which no machine has: where even they can be bound (`ip_nonlocal_bind`, which
    // failover set-ups turn on), binding says nothing and the route has to tell.
    let nobodys: IpAddr = match addr {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let binds = |addr: IpAddr| UdpSocket::bind((addr, 0)).is_ok();
    binds(addr) && (!binds(nobodys) || is_own_source(addr))
}

/// Whether packets to `addr` would start from `addr` itself. Connecting a UDP socket chooses the route and no more.
fn is_own_source(addr: IpAddr) -> bool {
    let any: IpAddr = match addr {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((addr, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == addr)
}
