//! Where a gate lets requests go: first by the target alone, then by every address that its name has.

use std::net::IpAddr;

use super::address::why_not_public;
use super::allowlist::Allowlist;
use super::error::OutboundError;
use super::host::{Host, HostName};
use super::own_address::OwnAddress;
use super::rule::HostRule;
use super::target::Target;

/// The most addresses of one name. Real ones have about a dozen.
const MAX_ADDRESSES: usize = 64;

/// Where the names of an allowlist may lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// To public addresses, and to others that the allowlist names.
    #[default]
    Public,
    /// Anywhere: where whoever runs the program names a host for what it does there and then, and nothing else has a say in it.
    Anywhere,
}

/// What one gate lets through.
#[derive(Debug)]
pub(super) struct Policy {
    allowlist: Allowlist,
    own_address: OwnAddress,
    reach: Reach,
}

impl Policy {
    /// Everything in `allowlist`, but never the hub itself.
    ///
    /// # Errors
    /// The refusal of an entry that names the hub, and so can never match.
    pub(super) fn new(allowlist: Allowlist, own_address: OwnAddress, reach: Reach) -> Result<Self, OutboundError> {
        for target in allowlist.rules().iter().filter_map(HostRule::target) {
            own_address.refuse(&target)?;
        }
        Ok(Self { allowlist, own_address, reach })
    }

    pub(super) fn allowlist(&self) -> &Allowlist {
        &self.allowlist
    }

    /// Whether `target` may be asked for, as far as that can be said without resolving. For a literal address this is all:
    /// only an entry that is that address permits it.
    pub(super) fn check_target(&self, target: &Target) -> Result<(), OutboundError> {
        self.own_address.refuse(target)?;
        if self.allowlist.permits(target) {
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

    /// Whether every address of `name`, the host of `target`, may be connected to.
    pub(super) fn check_addresses(
        &self,
        name: &HostName,
        addrs: &[IpAddr],
        target: &Target,
    ) -> Result<(), OutboundError> {
        if addrs.is_empty() {
            let message =
                format!("'{name}' does not resolve: check its spelling, and that the hub's DNS server knows it");
            return Err(OutboundError::Dns(message));
        }
        if addrs.len() > MAX_ADDRESSES {
            let message =
                format!("'{name}' has {} addresses, more than {MAX_ADDRESSES}: use another name", addrs.len());
            return Err(OutboundError::Dns(message));
        }
        // One bad address refuses the name: the good ones beside it may be bait.
        addrs.iter().try_for_each(|&addr| self.check_address(name, addr, target))
    }

    fn check_address(&self, name: &HostName, addr: IpAddr, target: &Target) -> Result<(), OutboundError> {
        self.own_address.refuse_resolved(addr, target)?;
        let Some(why) = why_not_public(addr) else { return Ok(()) };
        if self.reach == Reach::Anywhere || self.allowlist.names_address(addr, target) {
            return Ok(());
        }
        let addr = addr.to_canonical();
        let entry = target.at(Host::Address(addr));
        Err(OutboundError::DeniedAddress(format!(
            "{name} resolves to {addr}, which is not a public address ({why}): if it is meant, name the address itself in \
             allowed_hosts, such as '{entry}', and use it in the URL"
        )))
    }
}
