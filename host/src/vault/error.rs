//! Why a secret is not to be had.

use crate::{config::SecretName, invocation::told};

/// Why the vault did not give or take a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// There is no value under that name.
    #[error("the vault holds no `{name}`: run `{command}`", name = .0, command = told(&format!("secrets set {}", .0)))]
    NotSet(SecretName),
    /// There is no value under that name in Supabase's vault.
    #[error("Supabase's vault holds no `{0}`: run `{command}`", command = created(.0))]
    NotInSupabase(SecretName),
    /// The value cannot be a secret.
    #[error("the value is not accepted: {0}")]
    Value(&'static str),
    /// The vault cannot be read or written.
    #[error("the vault cannot be used: {0}")]
    Unavailable(String),
}

/// What sets a secret in Supabase's vault.
pub(super) fn created(name: &SecretName) -> String {
    format!("select vault.create_secret('VALUE', '{name}')")
}

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
