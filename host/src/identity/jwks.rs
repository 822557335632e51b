//! Keys of an identity provider (RFC 7517), fetched from the one URL in the configuration and never from a token.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use tokio::sync::Mutex;

use super::verify::{IdentityError, validation};
use crate::outbound::{Allowlist, Gate, Limits, Method, OutboundRequest};

/// Keys older than this are fetched again.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// The shortest time between two fetches, so that made-up `kid`s cannot make the hub hammer its issuer.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// The same while there are no keys at all: one hiccup at the start should not lock everybody out for long.
const FIRST_COOL_DOWN: Duration = Duration::from_secs(2);
/// A fetch takes at most this long.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set read, in bytes.
const SET_MAX: u64 = 256 * 1024;
/// At most this many keys are kept.
const KEYS_MAX: usize = 64;

/// Where an identity provider's keys are and what its tokens say.
#[derive(Debug, Clone)]
pub struct IdpSettings {
    /// The JWKS document, such as `https://<ref>.supabase.co/auth/v1/.well-known/jwks.json`.
    pub jwks_url: String,
    /// The `iss` that tokens must carry.
    pub issuer: String,
    /// The `aud` that tokens must carry.
    pub audience: String,
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
    /// The answer holds no usable key.
    #[error("the JWKS answer is not a key set with a usable signing key (ES256, ES384, RS256 or EdDSA)")]
    NoKeys,
}

struct KeySet {
    keys: HashMap<String, (Algorithm, DecodingKey)>,
    fetched: Instant,
}

/// A cached key set that renews itself.
pub struct JwksSource(Arc<Source>);

struct Source {
    settings: IdpSettings,
    gate: Gate,
    current: ArcSwapOption<KeySet>,
    /// When the last fetch began, successful or not. Its lock is held while fetching: one fetch at a time.
    last_attempt: Mutex<Option<Instant>>,
}

impl fmt::Debug for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksSource").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl JwksSource {
    /// A source that fetches on first use.
    ///
    /// # Errors
    /// When the URL is not one that can be called.
    pub fn new(settings: IdpSettings) -> Result<Self, JwksError> {
        let url = url::Url::parse(&settings.jwks_url).map_err(|error| JwksError::Url(error.to_string()))?;
        let entry = url.origin().ascii_serialization();
        let allowlist = Allowlist::from_entries([entry.as_str()])
            .map_err(|errors| JwksError::Url(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
        let limits = Limits { max_response_bytes: SET_MAX, ..Limits::default() };
        let gate = Gate::new(allowlist, limits).map_err(|error| JwksError::Url(error.to_string()))?;
        let source = Source { settings, gate, current: ArcSwapOption::empty(), last_attempt: Mutex::new(None) };
        Ok(Self(Arc::new(source)))
    }

    pub(super) fn issuer(&self) -> &str {
        &self.0.settings.issuer
    }

    /// The key for a token's `kid` and the checks that go with it.
    pub(super) async fn key_for(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(DecodingKey, Validation), IdentityError> {
        let kid = kid.ok_or(IdentityError::Malformed("its header has no kid"))?;
        let source = &self.0;
        if !source.current.load().as_ref().is_some_and(|set| set.serves(kid)) {
            let (source, kid) = (Arc::clone(source), kid.to_owned());
            // In a task of its own: callers that go away while the keys are fetched must not keep others from them.
            let renewed = tokio::spawn(async move { source.renew(&kid).await }).await;
            renewed.map_err(|_| IdentityError::KeysUnavailable)?;
        }
        let set = source.current.load();
        let set = set.as_ref().ok_or(IdentityError::KeysUnavailable)?;
        let (of_key, key) = set.keys.get(kid).ok_or(IdentityError::Signature)?;
        if *of_key != algorithm {
            return Err(IdentityError::Algorithm("it is not the one of the issuer's key"));
        }
        Ok((key.clone(), validation(algorithm, &source.settings.issuer, &source.settings.audience)))
    }
}

impl Source {
    /// Fetches the key set unless somebody just did. A failure keeps the old keys. Only tokens whose key is not known wait
    /// for a fetch that somebody else began.
    async fn renew(&self, kid: &str) {
        let known = self.current.load().as_ref().is_some_and(|set| set.keys.contains_key(kid));
        let fetching = if known { self.last_attempt.try_lock().ok() } else { Some(self.last_attempt.lock().await) };
        let Some(mut last) = fetching else { return };
        let current = self.current.load();
        let done_meanwhile = current.as_ref().is_some_and(|set| set.serves(kid));
        let cool_down = if current.is_some() { COOL_DOWN } else { FIRST_COOL_DOWN };
        if done_meanwhile || last.is_some_and(|at| at.elapsed() < cool_down) {
            return;
        }
        *last = Some(Instant::now());
        match self.fetch().await {
            Ok(set) => self.current.store(Some(Arc::new(set))),
            Err(error) => tracing::warn!(%error, "the issuer's keys were not renewed"),
        }
    }

    async fn fetch(&self) -> Result<KeySet, JwksError> {
        let request = OutboundRequest {
            method: Method::Get,
            url: self.settings.jwks_url.clone(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: None,
            timeout: None,
        };
        let permitted = self.gate.permit(request).map_err(|error| JwksError::Fetch(error.to_string()))?;
        let deadline = tokio::time::Instant::now() + FETCH_TIMEOUT;
        let answer = self.gate.send(permitted, deadline).await.map_err(|error| JwksError::Fetch(error.to_string()))?;
        if answer.status != 200 {
            return Err(JwksError::Fetch(format!("status {}", answer.status)));
        }
        Ok(KeySet { keys: usable_keys(&answer.body)?, fetched: Instant::now() })
    }
}

/// The usable keys of a JWKS document by their ids.
pub(super) fn usable_keys(document: &[u8]) -> Result<HashMap<String, (Algorithm, DecodingKey)>, JwksError> {
    let set: JwkSet = serde_json::from_slice(document).map_err(|_| JwksError::NoKeys)?;
    let keys: HashMap<_, _> = set.keys.iter().filter_map(signing_key).take(KEYS_MAX).collect();
    if keys.is_empty() { Err(JwksError::NoKeys) } else { Ok(keys) }
}

impl KeySet {
    fn serves(&self, kid: &str) -> bool {
        self.keys.contains_key(kid) && self.fetched.elapsed() < FRESH_FOR
    }
}

/// The usable keys of a set: named, asymmetric, for signatures, with one algorithm each (RFC 8725 §3.1).
fn signing_key(jwk: &Jwk) -> Option<(String, (Algorithm, DecodingKey))> {
    let kid = jwk.common.key_id.clone()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        Some(KeyAlgorithm::ES256) => Algorithm::ES256,
        Some(KeyAlgorithm::ES384) => Algorithm::ES384,
        Some(KeyAlgorithm::RS256) => Algorithm::RS256,
        Some(KeyAlgorithm::EdDSA) => Algorithm::EdDSA,
        Some(_) => return None,
        None => of_key_type(&jwk.algorithm)?,
    };
    Some((kid, (algorithm, DecodingKey::from_jwk(jwk).ok()?)))
}

/// The algorithm of a key that does not name one, as far as its type leaves no doubt. `alg` is optional (RFC 7517 §4.4).
fn of_key_type(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(Algorithm::ES256),
            EllipticCurve::P384 => Some(Algorithm::ES384),
            _ => None,
        },
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::OctetKeyPair(key) if matches!(key.curve, EllipticCurve::Ed25519) => Some(Algorithm::EdDSA),
        _ => None,
    }
}
