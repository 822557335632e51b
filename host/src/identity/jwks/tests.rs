//! Keys that are fetched, served and withdrawn, and the tokens that they verified.

use serde_json::{Value, json};

use super::*;
use crate::identity::{Identity, tests::Signer};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://hub.example";

fn source() -> JwksSource {
    let settings = IdpSettings {
        // Nobody listens there.
        jwks_url: "http://127.0.0.1:1/jwks.json".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
    };
    JwksSource::new(settings).expect("a source")
}

fn set(keys: &[Value], fetched: Instant) -> Result<KeySet, JwksError> {
    let keys = usable_keys(json!({ "keys": keys }).to_string().as_bytes())?;
    Ok(KeySet { keys, fetched, remembered: Remembered::default() })
}

fn claims(now: Moment) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": uuid::Uuid::new_v4(), "exp": now.clock.as_secs() + 86400,
        "app_metadata": { "ops_role": "ops_viewer" },
    })
}

/// An identity provider whose key `one` has let a token in.
struct Warm {
    identity: Identity,
    key: Signer,
    token: String,
    start: Moment,
}

impl Warm {
    async fn new() -> Self {
        let (key, start) = (Signer::new(), Moment::now());
        let identity = Identity::Idp(source());
        let warm = Self { token: key.token(Some("one"), &claims(start)), identity, key, start };
        warm.source().take(set(&[warm.key.jwk("one")], start.monotonic));
        assert!(!warm.remembers(start), "before it is verified");
        warm.shown(start).await.expect("it is valid");
        assert!(warm.remembers(start));
        warm
    }

    fn source(&self) -> &Source {
        match &self.identity {
            Identity::Idp(source) => &source.0,
            Identity::Local(_) => unreachable!("it is an identity provider's"),
        }
    }

    fn after(&self, time: Duration) -> Moment {
        Moment { clock: self.start.clock + time, monotonic: self.start.monotonic + time }
    }

    fn remembers(&self, now: Moment) -> bool {
        let Identity::Idp(source) = &self.identity else { return false };
        source.recall(&Digest::of(&self.token), now).is_some()
    }

    async fn shown(&self, now: Moment) -> Result<(), IdentityError> {
        self.identity.verify_by(&self.token, || now).await.map(|_| ())
    }
}

#[test]
fn a_withdrawn_key_ends_with_its_time_also_while_fetches_fail() {
    let (source, start, jwk) = (source().0, Instant::now(), Signer::new().jwk("one"));
    let after = |minutes: u64| start + Duration::from_mins(minutes);
    assert_eq!(source.standing("one", start), Standing::Missing);
    source.take(set(std::slice::from_ref(&jwk), start));
    for (minutes, standing) in
        [(0, Standing::Fresh), (4, Standing::Fresh), (5, Standing::Due), (9, Standing::Due), (10, Standing::Missing)]
    {
        source.take(Err(JwksError::Fetch("status 500".to_owned())));
        source.take(Err(JwksError::NotAKeySet));
        assert_eq!(source.standing("one", after(minutes)), standing, "after {minutes} minutes");
        assert_eq!(source.standing("other", after(minutes)), Standing::Missing);
        assert_eq!(source.valid(after(minutes)).is_some(), standing != Standing::Missing);
    }
    source.take(set(&[jwk], after(10)));
    assert_eq!(source.standing("one", after(11)), Standing::Fresh, "the issuer is back");
    source.take(Err(JwksError::NoKeys));
    assert_eq!(source.standing("one", after(11)), Standing::Missing, "an issuer without keys has withdrawn them all");
}

#[tokio::test]
async fn nobody_is_let_in_by_keys_that_have_served_their_time() {
    let (key, start) = (Signer::new(), Moment::now());
    let after = |time| Moment { clock: start.clock, monotonic: start.monotonic + time };
    let identity = Identity::Idp(source());
    let Identity::Idp(source) = &identity else { return };
    source.0.take(set(&[key.jwk("one")], start.monotonic));
    let token = key.token(Some("one"), &claims(start));
    let found = identity.verify_by(&token, || after(VALID_FOR)).await;
    assert_eq!(found, Err(IdentityError::KeysUnavailable));
    assert!(identity.verify_by(&token, || after(FRESH_FOR)).await.is_ok(), "due, and the issuer is away");
}

#[tokio::test]
async fn a_remembered_token_ends_with_its_keys_time_also_while_fetches_fail() {
    let warm = Warm::new().await;
    let second = Duration::from_secs(1);
    for time in [Duration::ZERO, FRESH_FOR.saturating_sub(second), FRESH_FOR, VALID_FOR.saturating_sub(second)] {
        warm.source().take(Err(JwksError::Fetch("status 500".to_owned())));
        assert!(warm.remembers(warm.after(time)), "{time:?}");
        assert_eq!(warm.shown(warm.after(time)).await, Ok(()), "{time:?}");
    }
    for time in [VALID_FOR, VALID_FOR + second, 2 * VALID_FOR] {
        assert!(!warm.remembers(warm.after(time)), "{time:?}");
        assert_eq!(warm.shown(warm.after(time)).await, Err(IdentityError::KeysUnavailable), "{time:?}");
    }
    // The machine's clock makes no key older or younger.
    let set_back = Moment { clock: warm.start.clock, ..warm.after(VALID_FOR) };
    assert!(!warm.remembers(set_back));
}

#[tokio::test]
async fn keys_that_are_due_are_fetched_also_when_only_remembered_tokens_are_shown() {
    let warm = Warm::new().await;
    let asked = async || {
        tokio::task::yield_now().await;
        warm.source().last_attempt.lock().await.is_some()
    };
    assert!(warm.remembers(warm.start));
    assert!(!asked().await, "they are fresh");
    assert!(warm.remembers(warm.after(FRESH_FOR)));
    assert!(asked().await, "the issuer is asked");
}

/// What an issuer publishes of its key `one` and of another key.
type Change = fn(&Signer, &Signer) -> Vec<Value>;

#[tokio::test]
async fn whatever_a_fetch_finds_nothing_stays_remembered() {
    let other = Signer::new();
    let changes: [(&str, Change, Result<(), IdentityError>); 6] = [
        ("the same keys", |one, _| vec![one.jwk("one")], Ok(())),
        ("one more", |one, other| vec![one.jwk("one"), other.jwk("other")], Ok(())),
        ("it was withdrawn", |_, other| vec![other.jwk("other")], Err(IdentityError::Signature)),
        ("another under its name", |_, other| vec![other.jwk("one")], Err(IdentityError::Signature)),
        (
            "two under its name",
            |one, other| vec![one.jwk("one"), other.jwk("one"), other.jwk("other")],
            Err(IdentityError::Signature),
        ),
        ("none at all", |_, _| vec![], Err(IdentityError::KeysUnavailable)),
    ];
    for (what, change, expected) in changes {
        let warm = Warm::new().await;
        let now = warm.after(Duration::from_secs(60));
        warm.source().take(Err(JwksError::NotAKeySet));
        assert!(warm.remembers(now), "{what}: nothing was found yet");
        warm.source().take(set(&change(&warm.key, &other), now.monotonic));
        assert!(!warm.remembers(now), "{what}");
        // It was fetched just now: the made-up issuer, which is away, is not asked again.
        *warm.source().last_attempt.lock().await = Some(Instant::now());
        assert_eq!(warm.shown(now).await, expected, "{what}");
    }
}

#[tokio::test]
async fn what_withdrawn_keys_verify_meanwhile_is_forgotten_with_them() {
    let warm = Warm::new().await;
    let before = warm.source().valid(warm.start.monotonic).expect("keys");
    warm.source().take(set(&[warm.key.jwk("two")], warm.start.monotonic));
    // Somebody is in the middle of a verification with the keys that were there before.
    let (_, key) = before.keys.get("one").expect("a key");
    let validation = validation(jsonwebtoken::Algorithm::ES256, ISSUER, &[AUDIENCE]);
    let found = verified(&warm.token, key, &validation, warm.start.clock).expect("it verifies");
    before.remembered.keep(Digest::of(&warm.token), found, warm.start.clock);
    assert!(!warm.remembers(warm.start));
    assert_eq!(warm.shown(warm.start).await, Err(IdentityError::Signature));
}

#[tokio::test]
async fn a_remembered_token_of_an_issuer_expires_like_any_other() {
    let (key, start) = (Signer::new(), Moment::now());
    let identity = Identity::Idp(source());
    let Identity::Idp(source) = &identity else { return };
    source.0.take(set(&[key.jwk("one")], start.monotonic));
    let mut claims = claims(start);
    claims["exp"] = json!(start.clock.as_secs() + 60);
    let token = key.token(Some("one"), &claims);
    let after = |seconds| {
        let time = Duration::from_secs(seconds);
        Moment { clock: start.clock + time, monotonic: start.monotonic + time }
    };
    for (seconds, expected) in [(0, true), (65, true), (66, false)] {
        let shown = identity.verify_by(&token, || after(seconds)).await;
        assert_eq!(shown.is_ok(), expected, "after {seconds} s: {shown:?}");
    }
}
