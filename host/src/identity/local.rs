//! The hub's own identity: an ES256 key pair in the data folder that `bulkhead token` signs with.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, encode, get_current_timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{
    caller::Caller,
    error::IdentityError,
    lifetime::Moment,
    remembered::{Digest, Remembered},
    verify::{validation, verified},
};
use crate::{names::Role, store::private_file};

/// Issuer and audience of local tokens.
const ISSUER: &str = "urn:bulkhead:local";
const AUDIENCE: &str = "urn:bulkhead:hub";
/// The key pair, in the data folder.
pub const KEY_FILE: &str = "identity.key";

/// What went wrong with the local key.
#[derive(Debug, thiserror::Error)]
pub enum LocalKeysError {
    /// The key file cannot be read or made.
    #[error("cannot use the signing key {}: {source} (check the data folder's owner and permissions)", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key file holds something else.
    #[error("{} does not hold an ES256 key in PKCS#8: remove it, and the hub makes a new one (old tokens end)", .0.display())]
    Damaged(PathBuf),
    /// Signing failed.
    #[error("the token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct MintRequest {
    /// Whom the token names.
    pub user: Uuid,
    /// The role it grants.
    pub role: Role,
    /// The team that calls are attributed to.
    pub team: Option<String>,
    /// How long it is valid.
    pub ttl: Duration,
}

/// The hub's own key pair. It is read when the hub starts: another one in its file is that of the next hub.
pub struct LocalKeys {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    remembered: Remembered,
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKeys")
    }
}

impl LocalKeys {
    /// Reads the key pair in `data`, or makes one there (mode 0600).
    ///
    /// # Errors
    /// When the file cannot be read, made, or understood.
    pub fn open(data: &Path) -> Result<Self, LocalKeysError> {
        let path = data.join(KEY_FILE);
        let der = private_file::read_or_create(&path, new_key)
            .map_err(|source| LocalKeysError::File { path: path.clone(), source })?;
        Self::of(&der).ok_or(LocalKeysError::Damaged(path))
    }

    fn of(der: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
        Some(Self {
            verifying: DecodingKey::from_ec_der(pair.public_key().as_ref()),
            signing: EncodingKey::from_ec_der(der),
            validation: validation(Algorithm::ES256, ISSUER, &[AUDIENCE]),
            remembered: Remembered::default(),
        })
    }

    /// A key pair that is nowhere on disk.
    #[cfg(any(test, fuzzing))]
    pub(super) fn fresh() -> Option<Self> {
        Self::of(&new_key().ok()?)
    }

    /// Signs a message that need not be a proper token's.
    #[cfg(any(test, fuzzing))]
    pub(super) fn signature(&self, message: &[u8]) -> Option<String> {
        jsonwebtoken::crypto::sign(message, &self.signing, Algorithm::ES256).ok()
    }

    /// Signs a token.
    ///
    /// # Errors
    /// When signing fails, which only a damaged key makes happen.
    pub fn mint(&self, request: &MintRequest) -> Result<String, LocalKeysError> {
        let now = get_current_timestamp();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": request.user, "iat": now, "nbf": now,
            "exp": now.saturating_add(request.ttl.as_secs()),
            "app_metadata": { "ops_role": request.role, "team": request.team },
        });
        Ok(encode(&Header::new(Algorithm::ES256), &claims, &self.signing)?)
    }

    pub(super) fn recall(&self, digest: &Digest, now: Moment) -> Option<Arc<Caller>> {
        self.remembered.recall(digest, now.clock)
    }

    /// Verifies a token whose header is in order.
    pub(super) fn verify(&self, token: &str, digest: Digest, now: Moment) -> Result<Arc<Caller>, IdentityError> {
        let found = verified(token, &self.verifying, &self.validation, now.clock)?;
        Ok(self.remembered.keep(digest, found, now.clock))
    }

    #[cfg(test)]
    pub(super) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn validation(&self) -> &Validation {
        &self.validation
    }
}

fn new_key() -> io::Result<Vec<u8>> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|document| document.as_ref().to_vec())
        .map_err(|_| io::Error::other("the system's random source failed"))
}
