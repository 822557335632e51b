//! Who signs the trail: Ed25519 (RFC 8032). The private key is a file in the data folder, never in the database: whoever has
//! the database alone can neither forge a row nor chain what is left of it again.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use aws_lc_rs::{
    rand::{SecureRandom, SystemRandom},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::store::private_file;

/// The private key, in the data folder.
pub const KEY_FILE: &str = "audit.key";
/// Length of a private key (its seed) and of a public one, in bytes.
const KEY_LENGTH: usize = 32;

/// A signature.
pub(super) type Signature = [u8; 64];

/// The key that signs the trail.
pub struct AuditKey(Ed25519KeyPair);

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({})", self.public())
    }
}

/// What verifies its signatures. As text: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_LENGTH]);

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key of the audit trail has 64 hexadecimal digits, as `bulkhead audit key` prints it")]
pub struct NoPublicKey;

impl PublicKey {
    /// Whether the key's owner has signed this message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = NoPublicKey;

    fn from_str(text: &str) -> Result<Self, NoPublicKey> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| NoPublicKey)?;
        Ok(Self(bytes.try_into().map_err(|_| NoPublicKey)?))
    }
}

fn seed() -> io::Result<Vec<u8>> {
    let mut fresh = vec![0; KEY_LENGTH];
    SystemRandom::new().fill(&mut fresh).map_err(|_| io::Error::other("the system's random source failed"))?;
    Ok(fresh)
}

impl AuditKey {
    /// Where the key of a data folder is.
    #[must_use]
    pub fn path(data: &Path) -> PathBuf {
        data.join(KEY_FILE)
    }

    /// Reads the key in `data`, or makes one there (mode 0600).
    ///
    /// # Errors
    /// When the file cannot be read or made.
    pub fn open(data: &Path) -> io::Result<Self> {
        let seed = private_file::read_or_create(&Self::path(data), seed)?;
        Self::of(&seed)
    }

    /// A new key, with what its file holds.
    pub(super) fn fresh() -> io::Result<(Vec<u8>, Self)> {
        let seed = seed()?;
        let key = Self::of(&seed)?;
        Ok((seed, key))
    }

    /// Reads the key in `data`; `None` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        private_file::read(&Self::path(data))?.map(|seed| Self::of(&seed)).transpose()
    }

    fn of(seed: &[u8]) -> io::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        pair.map(Self).map_err(|_| io::Error::other(format!("`{KEY_FILE}` is not a key: put back the hub's own")))
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; KEY_LENGTH];
        // Ed25519 has public keys of this length (RFC 8032, 5.1.5).
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(key)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        // Of this length (RFC 8032, 5.1.6).
        signature.copy_from_slice(self.0.sign(message).as_ref());
        signature
    }
}
