//! A secret's value.

use std::fmt;

use zeroize::Zeroizing;

use super::error::VaultError;

/// The shortest secret that is accepted, in characters: shorter ones could not be scrubbed without harming other text.
pub const SECRET_MIN: usize = 8;
/// The longest secret that is accepted, in bytes.
pub const SECRET_MAX: usize = 8 * 1024;

/// A secret's value. Never shown, wiped when dropped.
#[derive(Clone)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Wraps a value.
    ///
    /// # Errors
    /// When it is shorter than 8 characters, longer than 8 KiB, or has characters that no HTTP header can carry.
    pub fn new(value: Zeroizing<String>) -> Result<Self, VaultError> {
        if value.chars().count() < SECRET_MIN || value.len() > SECRET_MAX {
            return Err(VaultError::Value("use 8 characters at least and 8 KiB at most"));
        }
        if !value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            return Err(VaultError::Value("use printable ASCII only, no line breaks"));
        }
        Ok(Self(value))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}
