//! The local vault: a file of sealed values (AES-256-GCM) and a key file, both readable by the hub's user alone.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{error::VaultError, value::SecretValue};
use crate::{
    config::SecretName,
    store::{lock::FileLock, private_file},
};

/// The key that seals secrets, in the data folder.
pub const KEY_FILE: &str = "vault.key";
/// The sealed secrets, in the data folder.
pub const VAULT_FILE: &str = "vault.json";
/// Held by whoever changes the vault, from reading it to having replaced it.
const LOCK_FILE: &str = "vault.lock";
/// How long a change waits for others that change the vault too.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// The file's content: every value sealed apart, bound to its name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSecrets {
    /// Base64 of nonce and sealed value.
    secrets: BTreeMap<SecretName, String>,
}

/// The vault in a data folder.
#[derive(Clone)]
pub struct LocalVault {
    file: PathBuf,
    key: Arc<RandomizedNonceKey>,
}

impl fmt::Debug for LocalVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalVault")
    }
}

impl LocalVault {
    /// Opens the vault in `data`, making its key on first use.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn open(data: &Path) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(private_file::read_or_create(&data.join(KEY_FILE), new_key).map_err(unusable)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes)
            .map_err(|_| VaultError::Unavailable(format!("{KEY_FILE} does not hold a 256-bit key")))?;
        Ok(Self { file: data.join(VAULT_FILE), key: Arc::new(key) })
    }

    /// One that nothing was ever put into.
    #[cfg(any(test, fuzzing))]
    pub(super) fn in_memory() -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &[7; 32]).map(Arc::new);
        Self { file: PathBuf::from("/nowhere"), key: key.unwrap_or_else(|_| unreachable!("32 bytes are a key")) }
    }

    /// Reads the file; a missing one is an empty vault. Blocking.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(&self) -> Result<SealedSecrets, VaultError> {
        match private_file::read(&self.file).map_err(unusable)? {
            None => Ok(SealedSecrets::default()),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| VaultError::Unavailable(format!("{VAULT_FILE} is damaged: {error}"))),
        }
    }

    /// Sets or replaces a value. Blocking.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn set(&self, name: SecretName, value: &SecretValue) -> Result<(), VaultError> {
        let sealed = self.seal(&name, value)?;
        self.change(|secrets| {
            secrets.insert(name, sealed);
        })
    }

    /// Removes a value; says whether there was one. Blocking.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn remove(&self, name: &SecretName) -> Result<bool, VaultError> {
        let mut removed = false;
        self.change(|secrets| removed = secrets.remove(name).is_some())?;
        Ok(removed)
    }

    /// The names that have values. Blocking.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn names(&self) -> Result<Vec<SecretName>, VaultError> {
        Ok(self.read()?.secrets.into_keys().collect())
    }

    pub(super) fn unseal(&self, sealed: &SealedSecrets, name: &SecretName) -> Result<SecretValue, VaultError> {
        let damaged = || VaultError::Unavailable(format!("`{name}` cannot be unsealed: set it again"));
        let text = sealed.secrets.get(name).ok_or_else(|| VaultError::NotSet(name.clone()))?;
        let mut bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| damaged())?);
        let (nonce, body) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let plain = self.key.open_in_place(nonce, Aad::from(name.as_str().as_bytes()), body).map_err(|_| damaged())?;
        let value = std::str::from_utf8(plain).map_err(|_| damaged())?;
        SecretValue::new(Zeroizing::new(value.to_owned()))
    }

    fn seal(&self, name: &SecretName, value: &SecretValue) -> Result<String, VaultError> {
        // Sealed where it lies; with room for the tag, so that it does not move.
        let mut bytes = Zeroizing::new(Vec::with_capacity(value.expose().len() + AES_256_GCM.tag_len()));
        bytes.extend_from_slice(value.expose().as_bytes());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(name.as_str().as_bytes()), &mut *bytes)
            .map_err(|_| VaultError::Unavailable("the value could not be sealed".to_owned()))?;
        Ok(STANDARD.encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<SecretName, String>)) -> Result<(), VaultError> {
        let _alone = FileLock::acquire(&self.file.with_file_name(LOCK_FILE), LOCK_TIMEOUT).map_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                let told = format!("another `bulkhead secrets` has held {LOCK_FILE} for {LOCK_TIMEOUT:?}: end it");
                return VaultError::Unavailable(told);
            }
            unusable(error)
        })?;
        let mut sealed = self.read()?;
        change(&mut sealed.secrets);
        let bytes = serde_json::to_vec_pretty(&sealed).map_err(|error| VaultError::Unavailable(error.to_string()))?;
        private_file::replace(&self.file, &bytes).map_err(unusable)
    }
}

fn new_key() -> io::Result<Vec<u8>> {
    let mut key = vec![0; AES_256_GCM.key_len()];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("the system's random source failed"))?;
    Ok(key)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn unusable(error: io::Error) -> VaultError {
    VaultError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::new(Zeroizing::new(text.to_owned())).expect("a secret")
    }

    #[test]
    fn values_are_sealed_bound_to_their_name_and_come_back() {
        let data = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        private_file::create_folder(&data).expect("a folder");
        let vault = LocalVault::open(&data).expect("opened");
        let (one, two): (SecretName, SecretName) = ("one".parse().expect("name"), "two".parse().expect("name"));
        vault.set(one.clone(), &value("correct horse")).expect("set");
        let sealed = LocalVault::open(&data).expect("opened again").read().expect("read");
        assert_eq!(vault.unseal(&sealed, &one).expect("unsealed").expose(), "correct horse");
        assert!(matches!(vault.unseal(&sealed, &two), Err(VaultError::NotSet(_))));

        let moved = SealedSecrets { secrets: sealed.secrets.into_values().map(|text| (two.clone(), text)).collect() };
        assert!(matches!(vault.unseal(&moved, &two), Err(VaultError::Unavailable(_))), "bound to its name");
        let file = std::fs::read_to_string(data.join(VAULT_FILE)).expect("file");
        assert!(!file.contains("correct"), "sealed at rest");
        assert!(vault.remove(&one).expect("removed"));
        assert!(vault.names().expect("names").is_empty());
        std::fs::remove_dir_all(&data).expect("cleaned");
    }

    #[test]
    fn many_changes_at_once_are_all_kept_and_a_reader_never_sees_half() {
        let data = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        private_file::create_folder(&data).expect("a folder");
        std::thread::scope(|threads| {
            for number in 0..16 {
                let data = &data;
                threads.spawn(move || {
                    let vault = LocalVault::open(data).expect("opened");
                    let name: SecretName = format!("secret_{number}").parse().expect("a name");
                    vault.set(name, &value("correct horse")).expect("set");
                    vault.read().expect("never half");
                });
            }
        });
        assert_eq!(LocalVault::open(&data).expect("opened").names().expect("names").len(), 16);
        std::fs::remove_dir_all(&data).expect("cleaned");
    }

    #[test]
    fn values_that_no_header_can_carry_or_that_are_too_short_are_refused() {
        for bad in ["short", "with\nbreak", "with\u{e9}accent", &"x".repeat(SECRET_MAX_PLUS_ONE)] {
            assert!(SecretValue::new(Zeroizing::new(bad.to_owned())).is_err(), "{bad:.20}");
        }
    }

    const SECRET_MAX_PLUS_ONE: usize = super::super::SECRET_MAX + 1;
}
