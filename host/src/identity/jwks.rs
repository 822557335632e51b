//! Keys of an identity provider (RFC 7517), fetched from the one URL in the configuration and never from a token.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use tokio::sync::Mutex;

use super::{
    key_set::{Keys, usable_keys},
    verify::{IdentityError, validation},
};
use crate::outbound::{Acting, Allowlist, Gate, Limits, Method, OutboundRequest};

/// Keys older than this are fetched again, while they still serve.
const FRESH_FOR: Duration = Duration::from_mins(5);
/// Keys older than this serve no longer, whatever becomes of the fetches: a key that was withdrawn ends with them, also when
/// somebody keeps the hub from hearing of it.
const VALID_FOR: Duration = Duration::from_mins(10);
/// The shortest time between two fetches, so that made-up `kid`s cannot make the hub hammer its issuer.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// The same while there are no keys at all: one hiccup at the start should not lock everybody out for long.
const FIRST_COOL_DOWN: Duration = Duration::from_secs(2);
/// A fetch takes at most this long.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set read, in bytes.
const SET_MAX: u64 = 256 * 1024;

/// Where an identity provider's keys are and what its tokens say.
#[derive(Debug, Clone)]
pub struct IdpSettings {
    /// The JWKS document, such as `https://<ref>.supabase.co/auth/v1/.well-known/jwks.json`.
    pub jwks_url: String,
    /// The `iss` that tokens must carry.
    pub issuer: String,
    /// The `aud` of which tokens must carry one: that of the configuration, and the resources that the hub publishes.
    pub audiences: Vec<String>,
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

struct KeySet {
    keys: Keys,
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
        let standing = source.standing(kid, Instant::now());
        if standing != Standing::Fresh {
            let (source, kid) = (Arc::clone(source), kid.to_owned());
            // In a task of its own: callers that go away while the keys are fetched must not keep others from them.
            let renewed = tokio::spawn(async move { source.renew(&kid).await });
            // Whose key is there does not wait for another one.
            if standing == Standing::Missing {
                renewed.await.map_err(|_| IdentityError::KeysUnavailable)?;
            }
        }
        let set = source.valid(Instant::now()).ok_or(IdentityError::KeysUnavailable)?;
        let (of_key, key) = set.keys.get(kid).ok_or(IdentityError::Signature)?;
        if *of_key != algorithm {
            return Err(IdentityError::Algorithm("it is not the one of the issuer's key"));
        }
        Ok((key.clone(), validation(algorithm, &source.settings.issuer, &source.settings.audiences)))
    }
}

/// What the hub has of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It serves.
    Fresh,
    /// It serves, and is to be fetched again.
    Due,
    /// There is none, or it has served its time.
    Missing,
}

impl Source {
    /// The keys that serve at `now`.
    fn valid(&self, now: Instant) -> Option<Arc<KeySet>> {
        self.current.load_full().filter(|set| set.age(now) < VALID_FOR)
    }

    fn standing(&self, kid: &str, now: Instant) -> Standing {
        match self.valid(now).filter(|set| set.keys.contains_key(kid)) {
            Some(set) if set.age(now) < FRESH_FOR => Standing::Fresh,
            Some(_) => Standing::Due,
            None => Standing::Missing,
        }
    }

    /// Fetches the key set unless somebody just did. A failure keeps the keys for the rest of their time. Only tokens whose
    /// key is not there wait for a fetch that somebody else began.
    async fn renew(&self, kid: &str) {
        let waits = self.standing(kid, Instant::now()) == Standing::Missing;
        let fetching = if waits { Some(self.last_attempt.lock().await) } else { self.last_attempt.try_lock().ok() };
        let Some(mut last) = fetching else { return };
        let now = Instant::now();
        let done_meanwhile = self.standing(kid, now) == Standing::Fresh;
        let cool_down = if self.valid(now).is_some() { COOL_DOWN } else { FIRST_COOL_DOWN };
        if done_meanwhile || last.is_some_and(|at| now.duration_since(at) < cool_down) {
            return;
        }
        *last = Some(now);
        self.take(self.fetch(now).await);
    }

    fn take(&self, fetched: Result<KeySet, JwksError>) {
        match fetched {
            Ok(set) => self.current.store(Some(Arc::new(set))),
            Err(error) => {
                tracing::warn!(%error, "the issuer's keys were not renewed");
                if matches!(error, JwksError::NoKeys) {
                    // It says itself that it has none: those that it had are withdrawn.
                    self.current.store(None);
                }
            }
        }
    }

    /// What the issuer says now. The keys' time runs from before it was asked.
    async fn fetch(&self, now: Instant) -> Result<KeySet, JwksError> {
        let request = OutboundRequest {
            method: Method::Get,
            url: self.settings.jwks_url.clone(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: None,
            timeout: None,
        };
        let permitted = self.gate.permit(request, Acting::Reading);
        let permitted = permitted.map_err(|error| JwksError::Fetch(error.to_string()))?;
        let deadline = tokio::time::Instant::now() + FETCH_TIMEOUT;
        let answer = self.gate.send(permitted, deadline).await.map_err(|error| JwksError::Fetch(error.to_string()))?;
        if answer.status != 200 {
            return Err(JwksError::Fetch(format!("status {}", answer.status)));
        }
        Ok(KeySet { keys: usable_keys(&answer.body)?, fetched: now })
    }
}

impl KeySet {
    fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.fetched)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source() -> JwksSource {
        let settings = IdpSettings {
            // Nobody listens there.
            jwks_url: "http://127.0.0.1:1/jwks.json".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            audiences: vec!["https://hub.example".to_owned()],
        };
        JwksSource::new(settings).expect("a source")
    }

    fn keys(fetched: Instant) -> KeySet {
        let key = json!({
            "kty": "EC", "crv": "P-256", "kid": "one",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        });
        KeySet { keys: usable_keys(json!({ "keys": [key] }).to_string().as_bytes()).expect("a key"), fetched }
    }

    #[test]
    fn a_withdrawn_key_ends_with_its_time_also_while_fetches_fail() {
        let (source, start) = (source().0, Instant::now());
        let after = |minutes: u64| start + Duration::from_mins(minutes);
        assert_eq!(source.standing("one", start), Standing::Missing);
        source.take(Ok(keys(start)));
        for (minutes, standing) in [
            (0, Standing::Fresh),
            (4, Standing::Fresh),
            (5, Standing::Due),
            (9, Standing::Due),
            (10, Standing::Missing),
        ] {
            source.take(Err(JwksError::Fetch("status 500".to_owned())));
            source.take(Err(JwksError::NotAKeySet));
            assert_eq!(source.standing("one", after(minutes)), standing, "after {minutes} minutes");
            assert_eq!(source.standing("other", after(minutes)), Standing::Missing);
            assert_eq!(source.valid(after(minutes)).is_some(), standing != Standing::Missing);
        }
        source.take(Ok(keys(after(10))));
        assert_eq!(source.standing("one", after(11)), Standing::Fresh, "the issuer is back");
        source.take(Err(JwksError::NoKeys));
        assert_eq!(
            source.standing("one", after(11)),
            Standing::Missing,
            "an issuer without keys has withdrawn them all"
        );
    }

    #[tokio::test]
    async fn nobody_is_let_in_by_keys_that_have_served_their_time() {
        let source = source();
        let Some(long_ago) = Instant::now().checked_sub(VALID_FOR) else { return };
        source.0.take(Ok(keys(long_ago)));
        let found = source.key_for(Some("one"), Algorithm::ES256).await.map(|_| ());
        assert_eq!(found, Err(IdentityError::KeysUnavailable));
        let Some(due) = Instant::now().checked_sub(FRESH_FOR) else { return };
        source.0.take(Ok(keys(due)));
        assert!(source.key_for(Some("one"), Algorithm::ES256).await.is_ok(), "due, and the issuer is away");
    }
}
