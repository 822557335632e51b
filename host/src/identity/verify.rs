//! Token verification (RFC 7519, RFC 8725): signature, algorithm, lifetime, issuer, audience, then the caller.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    caller::Caller,
    error::IdentityError,
    lifetime::{LEEWAY, Lifetime},
    remembered::Verified,
};
use crate::{
    json::{self, Object},
    names::Role,
};

/// The longest team name kept, in characters.
const TEAM_MAX: usize = 64;

/// The claims that are read, each of one type and at most once. Others are ignored.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: Uuid,
    /// One text (RFC 7519 §4.1.1). The library, which compares it, would also take a list that has the right one in it.
    #[serde(rename = "iss")]
    _iss: String,
    /// Seconds since 1970, perhaps with a fraction (RFC 7519 §2), like `nbf` and `iat`.
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(default)]
    app_metadata: Object<AppMetadata>,
}

#[derive(Debug, Default, Deserialize)]
struct AppMetadata {
    ops_role: Option<String>,
    team: Option<String>,
}

/// The header of a token that is one by its form, and as plain as it has to be.
pub(super) fn header_of(token: &str) -> Result<Header, IdentityError> {
    let header = decode_header(token).map_err(|error| refusal(error.kind()))?;
    if !is_object(token, HEADER) {
        return Err(IdentityError::Malformed("its header is not a JSON object, or has a name twice"));
    }
    plain(&header)?;
    asymmetric(&header)?;
    Ok(header)
}

/// Refuses what would make the token something else than a signed set of claims: extensions that are critical (RFC 7515
/// §4.1.11), an unencoded payload (RFC 7797), compression, encryption, a token within the token. The library looks at none
/// of these. Keys and addresses of keys in a header (`jwk`, `jku`, `x5c`, `x5u`) are not looked at by anybody: they are
/// the sender's to choose (RFC 8725 §3.10).
fn plain(header: &Header) -> Result<(), IdentityError> {
    let nested = header.cty.as_deref().is_some_and(|content| content.to_ascii_lowercase().contains("jwt"));
    let unencoded = header.extras.inner().contains_key("b64");
    if header.crit.is_some() || header.zip.is_some() || header.enc.is_some() || nested || unencoded {
        return Err(IdentityError::Malformed("its header asks for more than a signature over claims"));
    }
    Ok(())
}

/// Symmetric algorithms are refused outright: accepting one beside public keys invites signing with a public key
/// (RFC 8725 §2.1, §3.1). `alg: none` does not even parse as an algorithm.
fn asymmetric(header: &Header) -> Result<(), IdentityError> {
    match header.alg {
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::RS256 | Algorithm::EdDSA => Ok(()),
        _ => Err(IdentityError::Algorithm("use ES256, ES384, RS256 or EdDSA")),
    }
}

/// The caller of a token that this key has signed and that is valid at `now`, by the clock.
pub(super) fn verified(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
    now: Duration,
) -> Result<Verified, IdentityError> {
    let Object(claims) =
        decode::<Object<Claims>>(token, key, validation).map_err(|error| refusal(error.kind()))?.claims;
    if !is_object(token, PAYLOAD) {
        return Err(IdentityError::Malformed("its claims are not a JSON object, or have a name twice"));
    }
    let lifetime = Lifetime { exp: claims.exp, nbf: claims.nbf, iat: claims.iat };
    lifetime.check(now)?;
    let Object(metadata) = claims.app_metadata;
    let role = metadata.ops_role.as_deref().and_then(|role| role.parse::<Role>().ok());
    let team = metadata.team.map(|team| team.chars().take(TEAM_MAX).collect());
    let caller = Caller { user: claims.sub, role, team, valid_until: lifetime.ends() };
    Ok(Verified { caller: Arc::new(caller), lifetime })
}

/// The parts of a token that are JSON.
const HEADER: usize = 0;
const PAYLOAD: usize = 1;

/// Whether a part is a JSON object in UTF-8 throughout (RFC 7519 §7.2), each name in each object once (§4). The parser looks
/// only at what it needs, and would take a list of the right length for an object.
fn is_object(token: &str, part: usize) -> bool {
    let part = token.split('.').nth(part).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    part.is_some_and(|part| json::parse(&part).is_ok_and(|part| part.is_object()))
}

/// What every validation shares; the caller adds issuer and audience, which are required.
pub(super) fn validation(algorithm: Algorithm, issuer: &str, audiences: &[impl ToString]) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY.as_secs();
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(audiences);
    validation
}

fn refusal(kind: &ErrorKind) -> IdentityError {
    match kind {
        ErrorKind::ExpiredSignature => IdentityError::Expired,
        ErrorKind::ImmatureSignature => IdentityError::NotYetValid,
        ErrorKind::InvalidIssuer => IdentityError::Issuer,
        ErrorKind::InvalidAudience => IdentityError::Audience,
        ErrorKind::InvalidAlgorithm => IdentityError::Algorithm("it is not the one of the issuer's key"),
        ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            IdentityError::Algorithm("use ES256, ES384, RS256 or EdDSA")
        }
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            IdentityError::Malformed("it needs the claims sub (a UUID), exp, iss and aud")
        }
        ErrorKind::Json(_) => IdentityError::Malformed("its header or claims are not the expected JSON"),
        ErrorKind::InvalidSignature => IdentityError::Signature,
        _ => IdentityError::Malformed("it is not a signed JWT"),
    }
}
