//! The hosts that a provider may reach: all entries of its `allowed_hosts`.

use std::net::IpAddr;

use thiserror::Error;

use super::host::Host;
use super::rule::{HostRule, RuleError};
use super::target::Target;

/// All that a provider may reach. Empty means nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowlist {
    rules: Vec<HostRule>,
}

/// An entry of `allowed_hosts` that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("allowed_hosts: {entry:?} is refused: {reason}")]
pub struct AllowlistError {
    /// The entry as it stands in the config, at most 300 characters of it.
    pub entry: String,
    /// What is wrong with it and what to write instead.
    pub reason: RuleError,
}

impl Allowlist {
    /// Parses every entry.
    ///
    /// # Errors
    /// All the entries that are wrong, in their order, so that a config is fixed in one go.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<AllowlistError>> {
        let mut rules = Vec::new();
        let mut errors = Vec::new();
        for entry in entries {
            match entry.parse() {
                Ok(rule) => rules.push(rule),
                Err(reason) => errors.push(AllowlistError { entry: entry.chars().take(300).collect(), reason }),
            }
        }
        if errors.is_empty() { Ok(Self { rules }) } else { Err(errors) }
    }

    /// Whether some entry allows `target`.
    #[must_use]
    pub fn permits(&self, target: &Target) -> bool {
        self.rules.iter().any(|rule| rule.permits(target))
    }

    /// The first entry that allows `target`.
    #[must_use]
    pub fn rule_for(&self, target: &Target) -> Option<&HostRule> {
        self.rules.iter().find(|rule| rule.permits(target))
    }

    /// Whether some entry is the literal address `addr` with the scheme and port of `target`: only then may a name lead
    /// to it although it is not public. An IPv4-mapped address counts as the IPv4 address inside.
    ///
    /// Scheme and port count too. Otherwise an entry for one service on this machine would open, to whoever controls
    /// the DNS of another allowed name, the same machine at that name's port.
    #[must_use]
    pub fn names_address(&self, addr: IpAddr, target: &Target) -> bool {
        self.permits(&target.at(Host::Address(addr.to_canonical())))
    }

    /// The entries, in the order of the config.
    #[must_use]
    pub fn rules(&self) -> &[HostRule] {
        &self.rules
    }
}
