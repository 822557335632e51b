//! Where a request goes: scheme, host and port, taken from its URL once.

use std::fmt;
use std::num::NonZeroU16;

use thiserror::Error;
use url::Url;

use super::host::{Host, HostNameError};

/// The schemes that a provider can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP, only where the config says so.
    Http,
    /// HTTP over TLS.
    Https,
}

/// The destination of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    scheme: Scheme,
    host: Host,
    port: NonZeroU16,
}

/// Why a URL has no target. The URL is not repeated, because its query may be confidential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Not an absolute URL.
    #[error("the URL is not absolute or not valid ({0}): write 'https://host/path'")]
    NotAUrl(String),
    /// A character that URLs lack and that parsers treat differently.
    #[error("the URL has a space, a control character or a backslash: percent-encode it")]
    BadCharacter,
    /// Neither http nor https.
    #[error("the scheme '{0}' cannot be used: write 'https://', or 'http://' where allowed_hosts says so")]
    Scheme(String),
    /// `user:password@`.
    #[error("the URL has user information before '@': send credentials in an 'authorization' header")]
    UserInfo,
    /// The host is not a name or an address.
    #[error("the URL's host is wrong: {0}")]
    Host(#[from] HostNameError),
    /// Port 0.
    #[error("the URL's port is 0: write a port from 1 to 65535, or none")]
    Port,
}

impl Scheme {
    /// `"http"` or `"https"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443 (RFC 9110, 4.2.1 and 4.2.2).
    #[must_use]
    pub const fn default_port(self) -> NonZeroU16 {
        // Evaluated by the compiler: neither can fail at run time.
        const HTTP: NonZeroU16 = NonZeroU16::new(80).unwrap();
        const HTTPS: NonZeroU16 = NonZeroU16::new(443).unwrap();
        match self {
            Self::Http => HTTP,
            Self::Https => HTTPS,
        }
    }

    /// The scheme called `name`, in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.as_str()))
    }
}

impl Target {
    /// Parses an absolute URL into its target and the URL as it will be sent: normalised as by WHATWG, without fragment
    /// and without a dot after the host.
    ///
    /// # Errors
    /// [`TargetError`] says what is wrong with the URL, without repeating it.
    pub fn parse(text: &str) -> Result<(Self, Url), TargetError> {
        if text.contains(|c: char| c.is_ascii_control() || c == ' ' || c == '\\') {
            return Err(TargetError::BadCharacter);
        }
        let not_a_url = |why: &dyn fmt::Display| TargetError::NotAUrl(why.to_string());
        // WHATWG also takes `https:host` and `https:///host`; whoever reads a log would not.
        let (scheme, rest) = text.split_once("://").ok_or_else(|| not_a_url(&"no '://' after the scheme"))?;
        let scheme = Scheme::parse(scheme).ok_or_else(|| TargetError::Scheme(shortened(scheme)))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(not_a_url(&"no host after '://'"));
        }
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        let mut url = Url::parse(text).map_err(|error| not_a_url(&error))?;
        let host = url.host().ok_or_else(|| not_a_url(&"no host"))?;
        let host = Host::from_url(&host)?;
        let port = match url.port() {
            None => scheme.default_port(),
            Some(port) => NonZeroU16::new(port).ok_or(TargetError::Port)?,
        };
        url.set_fragment(None);
        if let Host::Name(name) = &host {
            url.set_host(Some(name.as_str())).map_err(|error| not_a_url(&error))?;
        }
        Ok((Self { scheme, host, port }, url))
    }

    /// Scheme of the URL.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host of the URL.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Port of the URL, the scheme's own if it names none.
    #[must_use]
    pub const fn port(&self) -> NonZeroU16 {
        self.port
    }

    pub(super) const fn new(scheme: Scheme, host: Host, port: NonZeroU16) -> Self {
        Self { scheme, host, port }
    }

    /// The same scheme and port at another host.
    pub(super) fn at(&self, host: Host) -> Self {
        Self { host, ..self.clone() }
    }

    /// `host`, or `host:port` where the port is not the scheme's own: what the audit row shows.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Target {
    /// `scheme://host[:port]`, which is also the entry that would allow it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// Enough of a guest's text to recognise it in a message.
fn shortened(text: &str) -> String {
    text.chars().take(32).collect()
}
