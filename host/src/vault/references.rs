//! References: what a provider holds instead of a secret.
//!
//! A reference is a random placeholder that means something during one call only. The hub replaces it with the value in
//! outgoing header values, towards the secret's hosts, after the gate has decided where the request goes.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

use super::{SecretValue, Vault, VaultError, scrub::Scrubber};
use crate::{
    config::{ProviderConfig, SecretName},
    outbound::{Allowlist, AllowlistError, OutboundError, OutboundResponse, Permitted, Target},
};

/// What every reference begins with. Long and odd enough that it never occurs by accident.
const PREFIX: &str = "bulkhead-secret-";

/// Why a provider did not get a reference or a value; `secrets.error` of the contract.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretError {
    /// The config does not grant it.
    #[error("{0}")]
    NotGranted(String),
    /// The vault holds no value. The text is the command that sets it.
    #[error("the vault holds no value: run `{0}`")]
    NotSet(String),
    /// The vault cannot be read.
    #[error("{0}")]
    Unavailable(String),
}

/// The secrets that one provider revision is granted.
#[derive(Debug, Default)]
pub struct Grants {
    by_name: BTreeMap<SecretName, Grant>,
}

#[derive(Debug)]
struct Grant {
    hosts: Allowlist,
    reveal: bool,
}

impl Grants {
    /// The grants of a provider's config.
    ///
    /// # Errors
    /// When a secret's host is not an allowlist entry.
    pub fn of(config: &ProviderConfig) -> Result<Self, Vec<AllowlistError>> {
        let mut by_name = BTreeMap::new();
        for (name, grant) in config.granted_secrets() {
            let hosts = grant.hosts.as_ref().unwrap_or(&config.allowed_hosts);
            let hosts = Allowlist::from_entries(hosts.iter().map(crate::config::HostEntry::as_str))?;
            by_name.insert(name.clone(), Grant { hosts, reveal: grant.reveal });
        }
        Ok(Self { by_name })
    }

    /// The names granted.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.by_name.keys()
    }
}

/// The secrets of one call. Its references mean nothing outside of it.
pub struct CallSecrets {
    vault: Arc<Vault>,
    grants: Arc<Grants>,
    used: Mutex<Vec<Used>>,
}

/// A secret that this call has asked for.
struct Used {
    name: SecretName,
    placeholder: String,
    value: SecretValue,
    scrubber: Scrubber,
}

impl fmt::Debug for CallSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallSecrets")
    }
}

impl CallSecrets {
    /// The secrets of a call to a provider with these grants.
    #[must_use]
    pub fn new(vault: Arc<Vault>, grants: Arc<Grants>) -> Self {
        Self { vault, grants, used: Mutex::default() }
    }

    /// A placeholder for the secret's value.
    ///
    /// # Errors
    /// When the secret is not granted or not set, or the vault cannot be read.
    pub async fn reference(&self, name: &str) -> Result<String, SecretError> {
        self.granted(name)?;
        Ok(self.use_secret(name).await?.0)
    }

    /// The secret's value itself.
    ///
    /// # Errors
    /// As [`Self::reference`], and when the config does not grant `reveal`.
    pub async fn reveal(&self, name: &str) -> Result<String, SecretError> {
        if !self.granted(name)?.reveal {
            return Err(SecretError::NotGranted(format!(
                "`{name}` may only be used by reference: set `secrets.{name}.reveal: true` in the provider's config to let it read the value"
            )));
        }
        Ok(self.use_secret(name).await?.1.expose().to_owned())
    }

    fn granted(&self, name: &str) -> Result<&Grant, SecretError> {
        self.grants.by_name.get(name).ok_or_else(|| {
            SecretError::NotGranted(format!(
                "the secret `{name:.64}` is not granted: name it in the provider's `vault_key` or `secrets`"
            ))
        })
    }

    async fn use_secret(&self, name: &str) -> Result<(String, SecretValue), SecretError> {
        let already = self.used().iter().find(|used| used.name.as_str() == name).map(Used::parts);
        if let Some(parts) = already {
            return Ok(parts);
        }
        let name: SecretName = name.parse().map_err(SecretError::NotGranted)?;
        let value = self.vault.get(&name).await.map_err(|error| match error {
            VaultError::NotSet(name) => SecretError::NotSet(format!("bulkhead secrets set {name}")),
            _ => SecretError::Unavailable(error.to_string()),
        })?;
        let scrubber = Scrubber::new(&name, &value);
        let used = Used { name, placeholder: placeholder()?, value, scrubber };
        let parts = used.parts();
        self.used().push(used);
        Ok(parts)
    }

    /// Puts values in place of references in a permitted request's headers.
    ///
    /// # Errors
    /// When a reference stands where none may: in the URL, the body, towards a host that the secret is not for, or when
    /// it is not one of this call's.
    pub fn fill(&self, request: &mut Permitted) -> Result<(), OutboundError> {
        let elsewhere = request.url().as_str().contains(PREFIX)
            || request.headers().any(|(name, _)| name.as_str().contains(PREFIX))
            || request.body().is_some_and(|body| memchr::memmem::find(body, PREFIX.as_bytes()).is_some());
        if elsewhere {
            let text = "a secret reference may only stand in a header value, not in its name, the URL or the body";
            return Err(refused(text));
        }
        let target = request.target().clone();
        for (_, value) in request.headers_mut() {
            let Ok(text) = value.to_str() else { continue };
            if let Some(filled) = self.filled(text, &target)? {
                let mut secret = HeaderValue::from_str(&filled)
                    .map_err(|_| refused("the secret's value cannot be carried in a header"))?;
                secret.set_sensitive(true);
                *value = secret;
            }
        }
        Ok(())
    }

    /// The header value with secrets put in; `None` if it holds no reference.
    fn filled(&self, text: &str, target: &Target) -> Result<Option<String>, OutboundError> {
        // Basic credentials (RFC 7617) hide their reference behind Base64.
        if let Some((scheme, encoded)) = text.split_once(' ')
            && scheme.eq_ignore_ascii_case("basic")
            && let Ok(decoded) = STANDARD.decode(encoded.trim())
            && let Ok(credentials) = std::str::from_utf8(&decoded)
            && let Some(filled) = self.substituted(credentials, target)?
        {
            return Ok(Some(format!("Basic {}", STANDARD.encode(filled))));
        }
        self.substituted(text, target)
    }

    fn substituted(&self, text: &str, target: &Target) -> Result<Option<String>, OutboundError> {
        if !text.contains(PREFIX) {
            return Ok(None);
        }
        let mut filled = text.to_owned();
        for used in self.used().iter().filter(|used| text.contains(&used.placeholder)) {
            if !self.grants.by_name.get(&used.name).is_some_and(|grant| grant.hosts.permits(target)) {
                return Err(refused(&format!(
                    "the secret `{}` is not for this host: see `secrets.{0}.hosts`",
                    used.name
                )));
            }
            filled = filled.replace(&used.placeholder, used.value.expose());
        }
        if filled.contains(PREFIX) {
            return Err(refused("a secret reference is valid only during the call that asked for it"));
        }
        Ok(Some(filled))
    }

    /// Takes every value that this call has used out of an answer.
    pub fn scrub_response(&self, response: &mut OutboundResponse) {
        for used in self.used().iter() {
            for (_, value) in &mut response.headers {
                used.scrubber.text(value);
            }
            used.scrubber.bytes(&mut response.body);
        }
    }

    /// Takes every value that this call has used out of a text.
    pub fn scrub(&self, text: &mut String) {
        for used in self.used().iter() {
            used.scrubber.text(text);
        }
    }

    /// Takes every value that this call has used out of bytes that need not be text.
    pub fn scrub_bytes(&self, bytes: &mut Vec<u8>) {
        for used in self.used().iter() {
            used.scrubber.bytes(bytes);
        }
    }

    fn used(&self) -> MutexGuard<'_, Vec<Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn parts(&self) -> (String, SecretValue) {
        (self.placeholder.clone(), self.value.clone())
    }
}

fn placeholder() -> Result<String, SecretError> {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| SecretError::Unavailable("the system's random source failed".to_owned()))?;
    Ok(format!("{PREFIX}{}", crate::audit::hex(&random)))
}

fn refused(why: &str) -> OutboundError {
    OutboundError::InvalidRequest(why.to_owned())
}
