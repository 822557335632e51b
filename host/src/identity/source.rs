//! Who verifies: the hub's own keys, or an identity provider's.

use std::sync::Arc;

use super::{
    caller::Caller, error::IdentityError, jwks::JwksSource, lifetime::Moment, local::LocalKeys, remembered::Digest,
    verify::header_of,
};

/// The longest token accepted, in bytes. Supabase's are about 1 KiB.
const TOKEN_MAX: usize = 8 * 1024;

/// Verifies tokens against one source of keys.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a hub has one")]
pub enum Identity {
    /// The hub's own key pair.
    Local(LocalKeys),
    /// An identity provider's published keys.
    Idp(JwksSource),
}

impl Identity {
    /// Verifies a bearer token and names its caller.
    ///
    /// # Errors
    /// Every way a token can be wrong; see [`IdentityError`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>, IdentityError> {
        self.verify_by(token, Moment::now).await
    }

    /// The same by any clock.
    pub(super) async fn verify_by(&self, token: &str, now: impl Fn() -> Moment) -> Result<Arc<Caller>, IdentityError> {
        if token.len() > TOKEN_MAX {
            return Err(IdentityError::Malformed("longer than 8 KiB"));
        }
        let digest = Digest::of(token);
        if let Some(caller) = self.recall(&digest, now()) {
            return Ok(caller);
        }
        let header = header_of(token)?;
        match self {
            Self::Local(keys) => keys.verify(token, digest, now()),
            Self::Idp(source) => source.verify(token, digest, &header, now).await,
        }
    }

    /// The caller of a token that the keys which serve at `now` have verified before.
    fn recall(&self, digest: &Digest, now: Moment) -> Option<Arc<Caller>> {
        match self {
            Self::Local(keys) => keys.recall(digest, now),
            Self::Idp(source) => source.recall(digest, now),
        }
    }

    /// The issuer that callers get tokens from, for RFC 9728 metadata; `None` when the hub issues its own.
    #[must_use]
    pub fn authorization_server(&self) -> Option<&str> {
        match self {
            Self::Local(_) => None,
            Self::Idp(source) => Some(source.issuer()),
        }
    }
}
