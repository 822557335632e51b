//! Secrets of the hub's own: what it shows to a broker.

use zeroize::Zeroizing;

use super::{cached::Vault, error::VaultError};
use crate::config::SecretName;

impl Vault {
    /// The value of a secret that the hub itself shows to somebody, by the config's word. No provider gets it from here.
    ///
    /// # Errors
    /// When it is not set or the vault cannot be read.
    pub async fn credential(&self, name: &SecretName) -> Result<Zeroizing<String>, VaultError> {
        Ok(Zeroizing::new(self.get(name).await?.value().expose().to_owned()))
    }
}
