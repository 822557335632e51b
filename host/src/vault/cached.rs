//! The vault as calls see it: what was read lately, and what has been handed out.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{
    error::VaultError,
    fresh::FRESH_FOR,
    handed_out::{self, HandedOut},
    local::{LocalVault, SealedSecrets},
    supabase::SupabaseVault,
};
use crate::{config::SecretName, store::postgres::Settings};

/// Secrets by name, read anew every few seconds. Cheap to share.
#[derive(Debug)]
pub struct Vault {
    source: Source,
    handed_out: handed_out::Memory,
}

/// Where secrets are kept.
#[derive(Debug)]
enum Source {
    Local(LocalSecrets),
    Supabase(SupabaseVault),
}

/// The vault in the data folder, and what was read there lately.
#[derive(Debug)]
struct LocalSecrets {
    vault: LocalVault,
    seen: Mutex<Option<(Instant, Arc<SealedSecrets>)>>,
}

impl Vault {
    /// The vault in the data folder.
    ///
    /// # Errors
    /// When its key cannot be read or made.
    pub fn open(data: &Path) -> Result<Self, VaultError> {
        Ok(Self::local(LocalVault::open(data)?))
    }

    /// Supabase's, in this database. Blocking.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_supabase(settings: Settings) -> Result<Self, VaultError> {
        let source = Source::Supabase(SupabaseVault::open(settings)?);
        Ok(Self { source, handed_out: handed_out::Memory::default() })
    }

    /// One in memory alone.
    #[cfg(any(test, fuzzing))]
    pub(super) fn in_memory() -> Self {
        Self::local(LocalVault::in_memory())
    }

    fn local(vault: LocalVault) -> Self {
        let source = Source::Local(LocalSecrets { vault, seen: Mutex::default() });
        Self { source, handed_out: handed_out::Memory::default() }
    }

    /// The value of a secret, which is remembered from now on.
    ///
    /// # Errors
    /// When it is not set or the vault cannot be read.
    pub(super) async fn get(&self, name: &SecretName) -> Result<Arc<HandedOut>, VaultError> {
        match &self.source {
            Source::Local(local) => {
                let sealed = local.sealed().await?;
                Ok(self.handed_out.note(name, local.vault.unseal(&sealed, name)?))
            }
            Source::Supabase(vault) => vault.get(name, &self.handed_out).await,
        }
    }

    /// The values that this process has handed out under that name, whatever the vault holds now.
    pub(super) fn handed_out(&self, name: &SecretName) -> Vec<Arc<HandedOut>> {
        self.handed_out.of(name)
    }
}

impl LocalSecrets {
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
        let local = self.vault.clone();
        let read = tokio::task::spawn_blocking(move || local.read()).await;
        let sealed = Arc::new(read.map_err(|error| VaultError::Unavailable(error.to_string()))??);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|(newest, _)| *newest < at) {
            *seen = Some((at, Arc::clone(&sealed)));
        }
        Ok(sealed)
    }
}
