//! What is remembered makes no difference to who is let in.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    lifetime::{Lifetime, Moment},
    remembered::Digest,
    *,
};

/// Whoever signs tokens with ES256.
pub(super) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(super) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y })
    }

    pub(super) fn token(&self, kid: Option<&str>, claims: &Value) -> String {
        signed(kid, claims, |message| {
            let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
            URL_SAFE_NO_PAD.encode(signature)
        })
    }
}

fn signed(kid: Option<&str>, claims: &Value, sign: impl FnOnce(&str) -> String) -> String {
    let header = json!({ "alg": "ES256", "kid": kid });
    let message = [header, claims.clone()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = sign(&message);
    format!("{message}.{signature}")
}

/// A hub's own keys, and claims that they let in for a minute from `start`.
struct Local {
    identity: Identity,
    start: Moment,
}

impl Local {
    fn new() -> Self {
        Self { identity: Identity::Local(LocalKeys::fresh().expect("a key")), start: Moment::now() }
    }

    fn keys(&self) -> &LocalKeys {
        match &self.identity {
            Identity::Local(keys) => keys,
            Identity::Idp(_) => unreachable!("they are the hub's own"),
        }
    }

    /// The start's whole second, so many seconds on.
    fn seconds(&self, offset: f64) -> f64 {
        Duration::from_secs(self.start.clock.as_secs()).as_secs_f64() + offset
    }

    /// A token whose claims are these, on top of those that it needs.
    fn token(&self, claims: &Value) -> String {
        let mut all = json!({
            "iss": "urn:bulkhead:local", "aud": "urn:bulkhead:hub", "sub": Uuid::new_v4(), "exp": self.seconds(60.0),
            "app_metadata": { "ops_role": "ops_viewer" },
        });
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        signed(None, &all, |message| self.keys().signature(message.as_bytes()).expect("a signature"))
    }

    /// The moment at which the clock says so many seconds after the start's whole second.
    fn at(&self, offset: f64) -> Moment {
        Moment { clock: Duration::from_secs_f64(self.seconds(offset)), ..self.start }
    }

    fn shown(&self, token: &str, now: Moment) -> Result<Arc<Caller>, IdentityError> {
        self.identity.verify_by(token, || now).now_or_never().expect("the hub's own key needs no waiting for")
    }

    fn remembers(&self, token: &str, now: Moment) -> bool {
        self.keys().recall(&Digest::of(token), now).is_some()
    }
}

#[test]
fn a_token_that_was_verified_is_not_verified_again() {
    let local = Local::new();
    let [token, other] = [(), ()].map(|()| local.token(&json!({})));
    let first = local.shown(&token, local.start).expect("it is valid");
    assert!(local.remembers(&token, local.start) && !local.remembers(&other, local.start));
    assert!(Arc::ptr_eq(&first, &local.shown(&token, local.start).expect("it is valid")));
    assert_ne!(local.shown(&other, local.start).expect("it is valid").user, first.user);
}

#[test]
fn a_remembered_token_is_judged_by_the_clock_each_time_it_is_shown() {
    let local = Local::new();
    let year = f64::from(366 * 24 * 3600);
    let (expired, early) = (Err(IdentityError::Expired), Err(IdentityError::NotYetValid));
    let too_long = Err(IdentityError::Malformed("it is valid for longer than a year"));
    // What it claims, and what becomes of it at which second.
    let rows = [
        (json!({ "exp": local.seconds(60.0) }), vec![(65.9, Ok(())), (66.0, expired.clone()), (1e9, expired.clone())]),
        (json!({ "exp": local.seconds(60.4) }), vec![(65.9, Ok(())), (66.0, expired.clone())]),
        (json!({ "exp": local.seconds(60.5) }), vec![(66.9, Ok(())), (67.0, expired.clone())]),
        // A clock that is set back.
        (json!({ "nbf": local.seconds(0.0) }), vec![(-5.0, Ok(())), (-5.1, early.clone()), (-1e9, early.clone())]),
        (json!({ "iat": local.seconds(0.0) }), vec![(-60.0, Ok(())), (-60.1, early.clone()), (-1e9, early)]),
        (json!({ "exp": local.seconds(year) }), vec![(0.0, Ok(())), (-0.1, too_long)]),
    ];
    for (claims, moments) in rows {
        let token = local.token(&claims);
        for (second, expected) in moments {
            assert!(
                local.shown(&token, local.start).is_ok(),
                "{claims}: it is valid, and so it is once the clock is right"
            );
            let now = local.at(second);
            assert_eq!(local.remembers(&token, now), expected.is_ok(), "{claims} at {second} s");
            assert_eq!(local.shown(&token, now).map(|_| ()), expected, "{claims} at {second} s");
        }
    }
}

#[test]
fn lifetimes_are_judged_as_the_library_judges_them() {
    let local = Local::new();
    for offset in -80..=80 {
        for claim in ["exp", "nbf"] {
            // Both are of the same second, or it is tried again.
            let (by_library, by_us, claims) = loop {
                let now = Moment::now().clock;
                let time = Duration::from_secs(now.as_secs()).as_secs_f64() + f64::from(offset) / 10.0;
                let mut claims = json!({ "exp": now.as_secs() + 600 });
                claims[claim] = json!(time);
                let token = local.token(&claims);
                let validation = local.keys().validation();
                let decoded = jsonwebtoken::decode::<Value>(&token, local.keys().verifying(), validation);
                let exp = claims["exp"].as_f64().expect("a number");
                let by_us = Lifetime { exp, nbf: claims["nbf"].as_f64(), iat: None }.check(now);
                if Moment::now().clock.as_secs() == now.as_secs() {
                    break (decoded.is_ok(), by_us.is_ok(), claims);
                }
            };
            assert_eq!(by_us, by_library, "{claims}, {offset} tenths of a second from now");
        }
    }
}

#[test]
fn nothing_is_remembered_of_a_token_that_is_refused() {
    let local = Local::new();
    let [one, other] = [(), ()].map(|()| local.token(&json!({})));
    let (message, _) = one.rsplit_once('.').expect("a message");
    let (_, signature) = other.rsplit_once('.').expect("a signature");
    let rows = [
        (format!("{message}.{signature}"), IdentityError::Signature),
        (Signer::new().token(None, &json!({ "exp": local.seconds(60.0) })), IdentityError::Signature),
        (local.token(&json!({ "exp": local.seconds(-60.0) })), IdentityError::Expired),
        (local.token(&json!({ "nbf": local.seconds(60.0) })), IdentityError::NotYetValid),
        (local.token(&json!({ "aud": "other" })), IdentityError::Audience),
        (local.token(&json!({ "iss": "other" })), IdentityError::Issuer),
        (local.token(&json!({ "iat": local.seconds(600.0) })), IdentityError::NotYetValid),
        (local.token(&json!({ "padding": "x".repeat(8192) })), IdentityError::Malformed("longer than 8 KiB")),
    ];
    for (token, expected) in rows {
        for _ in 0..2 {
            assert_eq!(local.shown(&token, local.start), Err(expected.clone()));
            assert!(!local.remembers(&token, local.start), "{expected}");
        }
    }
    let nobody = local.token(&json!({ "app_metadata": {} }));
    assert_eq!(local.shown(&nobody, local.start).expect("it is valid").role, None);
    assert!(!local.remembers(&nobody, local.start), "it may do nothing, and anybody may have one");
}

#[test]
fn another_key_knows_nothing_of_what_this_one_verified() {
    let (old, new) = (Local::new(), Local::new());
    let token = old.token(&json!({}));
    assert!(old.shown(&token, old.start).is_ok());
    assert!(!new.remembers(&token, new.start));
    assert_eq!(new.shown(&token, new.start), Err(IdentityError::Signature));
}
