//! Places on the web to which the hub itself sends.

use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

use super::secret_name::SecretName;

/// A place on the web to which the hub itself sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Where it is: `https://…`, or `http://` and an address of this machine's own. What it answers is not read, but for its status.
    #[schemars(with = "String")]
    pub url: EndpointUrl,
    /// The name in the vault of a bearer token that is sent there.
    #[schemars(with = "Option<String>")]
    pub secret: Option<SecretName>,
}

/// The URL of such a place, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = String;
    fn try_from(raw: String) -> Result<Self, String> {
        let url = Url::parse(&raw).map_err(|error| format!("no URL ({error}): write `https://…`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials do not belong into the config: name a secret of the vault as `secret`".to_owned());
        }
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_here => Ok(Self(url)),
            _ => Err("use https: what is sent in clear text can be read and changed on its way".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_no_credential_is_in_a_url() {
        let url = |raw: &str| EndpointUrl::try_from(raw.to_owned());
        for fine in ["https://a.example/in?to=b", "http://127.0.0.1:9/x", "http://[::1]:9/"] {
            assert!(url(fine).is_ok(), "{fine}");
        }
        for (wrong, told) in [
            ("http://a.example/", "use https"),
            ("http://localhost/", "use https"),
            ("http://192.168.0.1/", "use https"),
            ("ftp://a.example/", "use https"),
            ("a.example", "no URL"),
            ("https://user:pass@a.example/", "name a secret"),
        ] {
            assert!(url(wrong).expect_err(wrong).contains(told), "{wrong}");
        }
    }
}
