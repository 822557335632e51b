//! The only room that holds secret values.
//!
//! Providers get references; [`CallSecrets`] puts values into outgoing headers at the last moment and takes them out of
//! whatever comes back.
//!
//! Values are sealed until a call asks for them; then one copy stays, to be looked for, until the process ends, and every
//! other one that this room makes is wiped when the call ends. Two are out of its reach: the header values that the HTTP client holds and writes, and what a provider that may read a value has
//! in its own memory.

mod grants;
mod handed_out;
mod local;
mod placeholder;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod references;
mod scrub;
mod spelling;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

pub use grants::Grants;
pub use local::{LocalVault, SealedSecrets};
pub use references::{CallSecrets, SecretError};

use self::handed_out::HandedOut;
use crate::{config::SecretName, invocation::told};

/// How long what was read from the vault is used, so that a rotated secret is in use well within 60 s (G4).
const FRESH_FOR: Duration = Duration::from_secs(5);

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

    fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}

/// Why the vault did not give or take a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// There is no value under that name.
    #[error("the vault holds no `{name}`: run `{command}`", name = .0, command = told(&format!("secrets set {}", .0)))]
    NotSet(SecretName),
    /// The value cannot be a secret.
    #[error("the value is not accepted: {0}")]
    Value(&'static str),
    /// The vault cannot be read or written.
    #[error("the vault cannot be used: {0}")]
    Unavailable(String),
}

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

    /// The value of a secret, which is remembered from now on.
    ///
    /// # Errors
    /// When it is not set or the vault cannot be read.
    async fn get(&self, name: &SecretName) -> Result<Arc<HandedOut>, VaultError> {
        let sealed = self.sealed().await?;
        Ok(self.handed_out.note(name, self.local.unseal(&sealed, name)?))
    }

    /// The values that this process has handed out under that name, whatever the vault holds now.
    fn handed_out(&self, name: &SecretName) -> Vec<Arc<HandedOut>> {
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
