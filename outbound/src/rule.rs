//! One entry of `allowed_hosts`.
//!
//! Grammar: `[scheme "://"] host [":" port]`, where `host` is a name, `"*." name`, an IPv4 address or an IPv6 address
//! in brackets. Without a scheme `https` is meant, without a port the scheme's own.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

use super::address::is_a_server;
use super::host::{Host, HostName, HostNameError};
use super::suffix::covers_public_suffix;
use super::target::{Scheme, Target};

/// Longest entry in bytes: a name of 253, scheme, wildcard and port fit.
const MAX_ENTRY: usize = 300;

/// What one entry of `allowed_hosts` allows: one scheme, one port, and one host or everything below a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostRule {
    scheme: Scheme,
    pattern: Pattern,
    port: NonZeroU16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pattern {
    Exactly(Host),
    Below(HostName),
}

/// Why an entry is refused. Each says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// No host at all.
    #[error("it names no host: write one, such as 'api.example.com'")]
    Empty,
    /// More than 300 bytes.
    #[error("it is longer than any host: write one host per entry")]
    TooLong,
    /// White space or a control character.
    #[error("it contains a space or a control character: write one host per entry, without spaces")]
    Space,
    /// A scheme other than http and https.
    #[error("the scheme '{0}' cannot be used: write 'https://' or 'http://', or no scheme for https")]
    Scheme(String),
    /// User information.
    #[error("it has user information before '@': write the host alone and put credentials into the vault")]
    UserInfo,
    /// A path, query or fragment.
    #[error("it goes on after the host: paths cannot be allowed one by one, write '{0}'")]
    NotOnlyHost(String),
    /// `*` somewhere else than as the first label.
    #[error("'*' can only be the whole first label: write '*.example.com', or list the hosts one by one")]
    Wildcard,
    /// `*.com`.
    #[error("'*.{0}' is too broad: write at least two labels after '*.', as in '*.example.com'")]
    TooBroad(HostName),
    /// `*.co.uk`, `*.github.io`, `*.amazonaws.com`: others can register names there.
    #[error(
        "'*.{0}' is too broad: others can register names below '{0}' (see publicsuffix.org): write '*.' before a name \
         that has one owner, or list the hosts one by one"
    )]
    PublicSuffix(HostName),
    /// `*.` before an address.
    #[error("'*.' goes before a name, not before an address: list the addresses one by one")]
    WildcardAddress,
    /// Not a port.
    #[error(
        "'{0}' is not a port: write a number from 1 to 65535 without leading zeros, or nothing for the scheme's own"
    )]
    Port(String),
    /// IPv6 without brackets, or something after them.
    #[error(
        "an IPv6 address goes into brackets, with at most ':port' after it: write '[2001:db8::5]' or \
         '[2001:db8::5]:8443'"
    )]
    Brackets,
    /// An address in a disguise: `0x7f.1`, `2130706433`, `[::ffff:127.0.0.1]`.
    #[error("it is another spelling of {0}: write '{0}'")]
    Spelling(IpAddr),
    /// `0.0.0.0`, multicast, broadcast.
    #[error("no server has the address {0}: write the server's own, such as '127.0.0.1' for this machine")]
    NoServer(IpAddr),
    /// Not a host name.
    #[error("{0}")]
    Host(#[from] HostNameError),
}

impl HostRule {
    /// Whether the rule allows `target`: same scheme, same port, and a host that it covers.
    #[must_use]
    pub fn permits(&self, target: &Target) -> bool {
        self.scheme == target.scheme() && self.port == target.port() && self.covers(target.host())
    }

    /// Whether everything that this rule allows is allowed by `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let hosts = match (&self.pattern, &other.pattern) {
            (Pattern::Exactly(host), _) => other.covers(host),
            (Pattern::Below(own), Pattern::Below(parent)) => own == parent || own.is_below(parent),
            (Pattern::Below(_), Pattern::Exactly(_)) => false,
        };
        hosts && self.scheme == other.scheme && self.port == other.port
    }

    /// The name that `*.` stands before, if the rule is a wildcard.
    #[must_use]
    pub const fn wildcard(&self) -> Option<&HostName> {
        match &self.pattern {
            Pattern::Below(name) => Some(name),
            Pattern::Exactly(_) => None,
        }
    }

    /// The one place that the rule allows, unless it is a wildcard.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match &self.pattern {
            Pattern::Exactly(host) => Some(Target::new(self.scheme, host.clone(), self.port)),
            Pattern::Below(_) => None,
        }
    }

    fn covers(&self, host: &Host) -> bool {
        match (&self.pattern, host) {
            (Pattern::Exactly(own), host) => own == host,
            (Pattern::Below(parent), Host::Name(name)) => name.is_below(parent),
            (Pattern::Below(_), Host::Address(_)) => false,
        }
    }
}

impl FromStr for HostRule {
    type Err = RuleError;

    fn from_str(entry: &str) -> Result<Self, RuleError> {
        if entry.len() > MAX_ENTRY {
            return Err(RuleError::TooLong);
        }
        if entry.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(RuleError::Space);
        }
        let (scheme, rest) = match entry.split_once("://") {
            Some((name, rest)) => (Scheme::parse(name).ok_or_else(|| RuleError::Scheme(name.to_owned()))?, rest),
            None => (Scheme::Https, entry),
        };
        let only_host = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        if only_host.is_empty() {
            return Err(RuleError::Empty);
        }
        if only_host.contains('@') {
            return Err(RuleError::UserInfo);
        }
        if only_host != rest {
            return Err(RuleError::NotOnlyHost(format!("{}://{only_host}", scheme.as_str())));
        }
        let (host, port) = split_port(rest)?;
        let port = port.map_or(Ok(scheme.default_port()), parse_port)?;
        let pattern = parse_pattern(host)?;
        Ok(Self { scheme, pattern, port })
    }
}

impl fmt::Display for HostRule {
    /// The entry in normal form, always with its scheme; parses to an equal rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.pattern {
            Pattern::Exactly(host) => host.fmt(f)?,
            Pattern::Below(name) => write!(f, "*.{name}")?,
        }
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), RuleError> {
    if text.strip_prefix("*.").unwrap_or(text).starts_with('[') {
        let end = text.find(']').ok_or(RuleError::Brackets)? + 1;
        let (host, after) = text.split_at(end);
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(RuleError::Brackets),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') => Err(RuleError::Brackets),
        Some(("", _)) => Err(RuleError::Empty),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn parse_port(text: &str) -> Result<NonZeroU16, RuleError> {
    let wrong = || RuleError::Port(text.to_owned());
    let port: NonZeroU16 = text.parse().map_err(|_| wrong())?;
    // The parser of numbers takes `+443` and `0443` too.
    if port.to_string() == text { Ok(port) } else { Err(wrong()) }
}

fn parse_pattern(text: &str) -> Result<Pattern, RuleError> {
    if text.contains('%') {
        // `url` would decode it, and the entry would mean something else than it shows.
        return Err(HostNameError::BadCharacter('%').into());
    }
    if let Some(parent) = text.strip_prefix("*.") {
        if parent.is_empty() || parent.contains('*') {
            return Err(RuleError::Wildcard);
        }
        return match Host::parse(parent)? {
            Host::Name(name) if name.labels() < 2 => Err(RuleError::TooBroad(name)),
            Host::Name(name) if covers_public_suffix(&name) => Err(RuleError::PublicSuffix(name)),
            Host::Name(name) => Ok(Pattern::Below(name)),
            Host::Address(_) => Err(RuleError::WildcardAddress),
        };
    }
    if text.contains('*') {
        return Err(RuleError::Wildcard);
    }
    let host = Host::parse(text)?;
    if let Host::Address(addr) = host {
        if !is_a_server(addr) {
            return Err(RuleError::NoServer(addr.to_canonical()));
        }
        // IPv6 has many honest spellings of one address, IPv4 has one.
        let disguised = match addr {
            IpAddr::V4(addr) => addr.to_string() != text,
            IpAddr::V6(addr) => addr.to_ipv4_mapped().is_some(),
        };
        if disguised {
            return Err(RuleError::Spelling(addr.to_canonical()));
        }
    }
    Ok(Pattern::Exactly(host))
}
