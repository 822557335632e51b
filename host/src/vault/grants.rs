//! What a provider may do with which secret.

use std::collections::BTreeMap;

use super::error::SecretError;
use crate::{
    config::{HostEntry, ProviderConfig, SecretName},
    outbound::{Allowlist, AllowlistError, Target},
};

/// The secrets that one provider revision is granted.
#[derive(Debug, Default)]
pub struct Grants {
    by_name: BTreeMap<SecretName, Grant>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Grant {
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
            let hosts = Allowlist::from_entries(hosts.iter().map(HostEntry::as_str))?;
            by_name.insert(name.clone(), Grant { hosts, reveal: grant.reveal });
        }
        Ok(Self { by_name })
    }

    /// The names granted.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.by_name.keys()
    }

    /// The grant of the secret called `name`, as a provider wrote it.
    pub(super) fn get(&self, name: &str) -> Result<(&SecretName, &Grant), SecretError> {
        self.by_name.get_key_value(name).ok_or_else(|| {
            SecretError::NotGranted(format!(
                "the secret `{name:.64}` is not granted: name it in the provider's `vault_key` or `secrets`"
            ))
        })
    }

    /// Whether the value of `name` may be sent to `target`.
    pub(super) fn permit(&self, name: &SecretName, target: &Target) -> bool {
        self.by_name.get(name).is_some_and(|grant| grant.hosts.permits(target))
    }

    /// The secrets whose values may be sent to `target`.
    pub(super) fn of_target<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a SecretName> {
        self.by_name.iter().filter(|(_, grant)| grant.hosts.permits(target)).map(|(name, _)| name)
    }
}

impl Grant {
    /// Whether the provider may read the value itself.
    pub(super) fn reveals(&self) -> bool {
        self.reveal
    }
}
