//! The vault as calls see it: what was read lately, and what has been handed out.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    error::VaultError,
    handed_out::{self, HandedOut},
    local::{LocalVault, SealedSecrets},
};
use crate::config::SecretName;

/// How long what was read from the vault is used, so that a rotated secret is in use well within 60 s (G4).
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Secrets by name, read anew every few seconds. Cheap to share.
#[derive(Debug)]
pub struct Vault {
    local: LocalVault,
    seen: Mutex<Option<(Instant, Arc<SealedSecrets>)>>,
    handed_out: handed_out::Memory,
}

impl Vault {
    /// The vault in the data folder.
    ///
    /// # Errors
    /// When its key cannot be read or made.
    pub fn open(data: &Path) -> Result<Self, VaultError> {
        Ok(Self { local: LocalVault::open(data)?, seen: Mutex::new(None), handed_out: handed_out::Memory::default() })
    }

    /// One in memory alone.
    #[cfg(any(test, fuzzing))]
    pub(super) fn in_memory() -> Self {
        Self { local: LocalVault::in_memory(), seen: Mutex::default(), handed_out: handed_out::Memory::default() }
    }

    /// The value of a secret, which is remembered from now on.
    ///
    /// # Errors
    /// When it is not set or the vault cannot be read.
    pub(super) async fn get(&self, name: &SecretName) -> Result<Arc<HandedOut>, VaultError> {
        let sealed = self.sealed().await?;
        Ok(self.handed_out.note(name, self.local.unseal(&sealed, name)?))
    }

    /// The values that this process has handed out under that name, whatever the vault holds now.
    pub(super) fn handed_out(&self, name: &SecretName) -> Vec<Arc<HandedOut>> {
        self.handed_out.of(name)
    }

    async fn sealed(&self) -> Result<Arc<SealedSecrets>, VaultError> {
        {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, sealed)) = seen.as_ref()
                && at.elapsed() < FRESH_FOR
            {
                return Ok(Arc::clone(sealed));
            }
        }
        // Counted from before the read: what is set while the file is being read may not be in it.
        let at = Instant::now();
        let local = self.local.clone();
        let read = tokio::task::spawn_blocking(move || local.read()).await;
        let sealed = Arc::new(read.map_err(|error| VaultError::Unavailable(error.to_string()))??);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|(newest, _)| *newest < at) {
            *seen = Some((at, Arc::clone(&sealed)));
        }
        Ok(sealed)
    }
}
