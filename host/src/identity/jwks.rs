//! Keys of an identity provider (RFC 7517), fetched from the one URL in the configuration and never from a token.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::Header;
use tokio::sync::Mutex;

use super::{
    caller::Caller,
    error::{IdentityError, JwksError},
    key_set::{Keys, usable_keys},
    lifetime::Moment,
    remembered::{Digest, Remembered},
    verify::{validation, verified},
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

/// What one fetch found, with the tokens that it verified: another set knows nothing of them.
struct KeySet {
    keys: Keys,
    fetched: Instant,
    remembered: Remembered,
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

    /// The caller of a token that the keys which serve at `now` have verified before.
    pub(super) fn recall(&self, digest: &Digest, now: Moment) -> Option<Arc<Caller>> {
        let set = self.0.valid(now.monotonic)?;
        let caller = set.remembered.recall(digest, now.clock)?;
        if !set.is_fresh(now.monotonic) {
            self.renew_aside(now.monotonic);
        }
        Some(caller)
    }

    /// Verifies a token whose header is in order with the key that this names.
    pub(super) async fn verify(
        &self,
        token: &str,
        digest: Digest,
        header: &Header,
        now: impl Fn() -> Moment,
    ) -> Result<Arc<Caller>, IdentityError> {
        let kid = header.kid.as_deref().ok_or(IdentityError::Malformed("its header has no kid"))?;
        let (source, algorithm) = (&self.0, header.alg);
        let shown = now().monotonic;
        match source.standing(kid, shown) {
            Standing::Fresh => {}
            // Whose key is there does not wait for another one.
            Standing::Due => self.renew_aside(shown),
            Standing::Missing => self.renew_for(kid, shown).await?,
        }
        let set = source.valid(now().monotonic).ok_or(IdentityError::KeysUnavailable)?;
        let (of_key, key) = set.keys.get(kid).ok_or(IdentityError::Signature)?;
        if *of_key != algorithm {
            return Err(IdentityError::Algorithm("it is not the one of the issuer's key"));
        }
        let validation = validation(algorithm, &source.settings.issuer, &source.settings.audiences);
        let now = now().clock;
        // By the keys that verified it, even if there are others meanwhile.
        Ok(set.remembered.keep(digest, verified(token, key, &validation, now)?, now))
    }

    /// Fetches the keys for one that is not there. In a task of its own: callers that go away meanwhile must not keep others
    /// from them.
    async fn renew_for(&self, kid: &str, now: Instant) -> Result<(), IdentityError> {
        let (source, kid) = (Arc::clone(&self.0), kid.to_owned());
        let renewed = tokio::spawn(async move {
            let mut last = source.last_attempt.lock().await;
            // Somebody else's fetch may have found it.
            if source.standing(&kid, now) != Standing::Fresh {
                source.renew(&mut last).await;
            }
        });
        renewed.await.map_err(|_| IdentityError::KeysUnavailable)
    }

    /// Fetches the keys while the old ones serve. Nobody waits for it.
    fn renew_aside(&self, now: Instant) {
        let source = Arc::clone(&self.0);
        tokio::spawn(async move {
            let Ok(mut last) = source.last_attempt.try_lock() else { return };
            if !source.valid(now).is_some_and(|set| set.is_fresh(now)) {
                source.renew(&mut last).await;
            }
        });
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
            Some(set) if set.is_fresh(now) => Standing::Fresh,
            Some(_) => Standing::Due,
            None => Standing::Missing,
        }
    }

    /// Fetches the key set unless that was done just now. A failure keeps the keys for the rest of their time.
    async fn renew(&self, last_attempt: &mut Option<Instant>) {
        let now = Instant::now();
        let cool_down = if self.valid(now).is_some() { COOL_DOWN } else { FIRST_COOL_DOWN };
        if last_attempt.is_some_and(|at| now.duration_since(at) < cool_down) {
            return;
        }
        *last_attempt = Some(now);
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
        Ok(KeySet { keys: usable_keys(&answer.body)?, fetched: now, remembered: Remembered::default() })
    }
}

impl KeySet {
    fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.fetched)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.age(now) < FRESH_FOR
    }
}

#[cfg(test)]
mod tests;
