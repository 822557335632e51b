//! A host, parsed once: the same type for what the config allows and for what a URL names, so that both are compared in
//! one normal form.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

/// A host name in normal form: lower-case ASCII labels of letters, digits and inner hyphens (RFC 1123, 2.1), Unicode
/// labels as `xn--` (RFC 5891), no trailing dot; labels of 1 to 63 bytes, at most 253 in all (RFC 1035, 2.3.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// The host of a URL or of a config entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, which needs resolving.
    Name(HostName),
    /// An address literal.
    Address(IpAddr),
}

/// Why a text is not a host name. The text itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostNameError {
    /// Not a host by the rules of URLs: bad Unicode, a forbidden character, a broken address.
    #[error(
        "it is not a host: write a name such as 'api.example.com' or an address such as '203.0.113.5' or \
         '[2001:db8::5]'"
    )]
    NotAHost,
    /// Two dots in a row, or one at the start.
    #[error("it has an empty label: write each dot between two labels, as in 'api.example.com'")]
    EmptyLabel,
    /// A label or the whole name is longer than DNS allows.
    #[error("it is longer than DNS allows (63 bytes for a label, 253 in all): shorten it")]
    TooLong,
    /// A character that no host name has, such as an underscore.
    #[error(
        "it has a label with '{0}': use only letters, digits and hyphens, and start and end a label without a hyphen"
    )]
    BadCharacter(char),
}

impl HostName {
    /// The name in normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many labels it has: 2 for `example.com`.
    pub(super) fn labels(&self) -> usize {
        self.0.split('.').count()
    }

    /// Whether it is a name *below* `parent`: at least one whole label longer.
    #[must_use]
    pub fn is_below(&self, parent: &Self) -> bool {
        // No label is empty, so whatever stands before the dot is one or more whole labels.
        self.0.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }

    /// `domain` is what `url` made of the text: lower case, IDNA applied, but with characters that DNS names lack.
    fn from_domain(domain: &str) -> Result<Self, HostNameError> {
        let name = domain.strip_suffix('.').unwrap_or(domain);
        if name.len() > 253 {
            return Err(HostNameError::TooLong);
        }
        for label in name.split('.') {
            if label.is_empty() {
                return Err(HostNameError::EmptyLabel);
            }
            if label.len() > 63 {
                return Err(HostNameError::TooLong);
            }
            let odd = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-');
            if let Some(character) = label.chars().find(odd) {
                return Err(HostNameError::BadCharacter(character));
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(HostNameError::BadCharacter('-'));
            }
        }
        Ok(Self(name.to_owned()))
    }
}

impl Host {
    /// Parses the host part of a config entry, brackets around IPv6 included.
    pub(super) fn parse(text: &str) -> Result<Self, HostNameError> {
        match url::Host::parse(text).map_err(|_| HostNameError::NotAHost)? {
            url::Host::Domain(domain) => HostName::from_domain(&domain).map(Self::Name),
            url::Host::Ipv4(addr) => Ok(Self::Address(addr.into())),
            url::Host::Ipv6(addr) => Ok(Self::Address(addr.into())),
        }
    }

    /// Takes over the host of a parsed URL.
    pub(super) fn from_url(host: &url::Host<&str>) -> Result<Self, HostNameError> {
        match host {
            url::Host::Domain(domain) => HostName::from_domain(domain).map(Self::Name),
            url::Host::Ipv4(addr) => Ok(Self::Address((*addr).into())),
            url::Host::Ipv6(addr) => Ok(Self::Address((*addr).into())),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    /// As in a URL: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V4(addr)) => addr.fmt(f),
            Self::Address(IpAddr::V6(addr)) => write!(f, "[{addr}]"),
        }
    }
}
