//! Why a caller is not known.

use crate::{invocation::told, names::Code};

/// Why a caller could not be authenticated. The text is safe to answer: it never repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No bearer token.
    #[error(
        "no bearer token: send `Authorization: Bearer <token>` (make one with `{}`, or get it from the identity provider if the hub has one)",
        told("token --role ops_viewer")
    )]
    Missing,
    /// Not a token this hub can read.
    #[error("the bearer token is malformed: {0}")]
    Malformed(&'static str),
    /// Signed with an algorithm that is not allowed here.
    #[error("the token's signing algorithm is not accepted: {0}")]
    Algorithm(&'static str),
    /// No key for it, or the signature is wrong.
    #[error("the token's signature does not verify with any key of this hub's issuer")]
    Signature,
    /// `exp` has passed.
    #[error(
        "the token has expired: get a new one where it came from (with the hub's own keys: `{}`)",
        told("token --role ops_viewer")
    )]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet: check the clocks of its issuer and this hub")]
    NotYetValid,
    /// `iss` is another.
    #[error("the token's issuer is not the one this hub accepts")]
    Issuer,
    /// `aud` is another.
    #[error("the token's audience is not this hub")]
    Audience,
    /// The issuer's keys cannot be had now.
    #[error("the identity provider's signing keys (JWKS) cannot be fetched at the moment: try again shortly")]
    KeysUnavailable,
}

impl IdentityError {
    /// The stable code of this refusal, for answers and the audit trail.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Missing => Code::TokenMissing,
            Self::Malformed(_) => Code::TokenMalformed,
            Self::Algorithm(_) => Code::TokenAlgorithm,
            Self::Signature => Code::TokenSignature,
            Self::Expired => Code::TokenExpired,
            Self::NotYetValid => Code::TokenNotYetValid,
            Self::Issuer => Code::TokenIssuer,
            Self::Audience => Code::TokenAudience,
            Self::KeysUnavailable => Code::IssuerUnavailable,
        }
    }
}

/// Why the issuer's keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The URL cannot be called.
    #[error("the JWKS URL cannot be used: {0}")]
    Url(String),
    /// The fetch failed.
    #[error("the JWKS could not be fetched: {0}")]
    Fetch(String),
    /// The answer is something else.
    #[error("the JWKS answer is not a key set: look whether the JWKS URL is the right one")]
    NotAKeySet,
    /// The answer holds no usable key.
    #[error(
        "the JWKS answer has no usable signing key: publish one (ES256, ES384, RS256 or EdDSA) with a kid of its own"
    )]
    NoKeys,
}
