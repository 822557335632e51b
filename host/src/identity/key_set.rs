//! Which keys of an issuer's document verify tokens (RFC 7517): named, asymmetric, for signatures, with one algorithm each
//! (RFC 8725 §3.1).

use std::collections::HashMap;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use serde_json::{Map, Value};

use super::error::JwksError;
use crate::json;

/// At most this many keys are kept.
const KEYS_MAX: usize = 64;

/// Keys by their ids, each with the one algorithm that it is for.
pub(super) type Keys = HashMap<String, (Algorithm, DecodingKey)>;

/// The usable keys of a document, at most 64.
///
/// # Errors
/// [`JwksError::NotAKeySet`], and [`JwksError::NoKeys`] for a set without a usable one.
pub(super) fn usable_keys(document: &[u8]) -> Result<Keys, JwksError> {
    let document = json::parse(document).map_err(|_| JwksError::NotAKeySet)?;
    // Lists are not read in place of objects, as the deserialisers of structs would.
    let listed = document.as_object().and_then(|set| set.get("keys")).and_then(Value::as_array);
    let mut found: HashMap<String, (Algorithm, Jwk)> = HashMap::new();
    let mut ambiguous = Vec::new();
    for (kid, algorithm, jwk) in listed.ok_or(JwksError::NotAKeySet)?.iter().filter_map(signing_key).take(KEYS_MAX) {
        // Two keys under one name: nobody can tell which is meant.
        if found.get(&kid).is_some_and(|(_, other)| other.algorithm != jwk.algorithm) {
            ambiguous.push(kid);
        } else {
            found.insert(kid, (algorithm, jwk));
        }
    }
    for kid in ambiguous {
        tracing::warn!(kid = format!("{kid:.64?}"), "the issuer has two signing keys of one id: neither verifies");
        found.remove(&kid);
    }
    let keys: Keys = found
        .into_iter()
        .filter_map(|(kid, (algorithm, jwk))| Some((kid, (algorithm, DecodingKey::from_jwk(&jwk).ok()?))))
        .collect();
    if keys.is_empty() { Err(JwksError::NoKeys) } else { Ok(keys) }
}

fn signing_key(key: &Value) -> Option<(String, Algorithm, Jwk)> {
    let members = key.as_object()?;
    let kid = members.get("kid")?.as_str()?.to_owned();
    if !is_for_signatures(members) {
        return None;
    }
    // What is published in whole signs for everybody.
    if members.contains_key("d") || members.contains_key("k") {
        tracing::warn!(kid = format!("{kid:.64?}"), "the issuer publishes a private key: it does not verify");
        return None;
    }
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    let algorithm = of_key_type(&jwk.algorithm)?;
    // `alg` is optional (RFC 7517 §4.4); it cannot make a key one of another type.
    let named = members.get("alg").is_none_or(|name| names(algorithm).iter().any(|known| name == known));
    named.then_some((kid, algorithm, jwk))
}

/// Whether `use` (RFC 7517 §4.2) and `key_ops` (§4.3), where they are given, say so and nothing else.
fn is_for_signatures(members: &Map<String, Value>) -> bool {
    let operations = members.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|operations| {
            operations.iter().any(|one| one == "verify")
                && operations.iter().all(|one| one == "verify" || one == "sign")
        })
    });
    members.get("use").is_none_or(|purpose| purpose == "sig") && operations
}

/// The algorithm of a key, as far as its type leaves no doubt.
fn of_key_type(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::EllipticCurve(key) => {
            // Coordinates are as long as the curve's field (RFC 7518 §6.2.1.2), here in Base64.
            let are_of = |characters| key.x.len() == characters && key.y.len() == characters;
            match key.curve {
                EllipticCurve::P256 if are_of(43) => Some(Algorithm::ES256),
                EllipticCurve::P384 if are_of(64) => Some(Algorithm::ES384),
                _ => None,
            }
        }
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::OctetKeyPair(key) if matches!(key.curve, EllipticCurve::Ed25519) => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// What `alg` may call it: for `EdDSA` also as RFC 9864 does.
fn names(algorithm: Algorithm) -> &'static [&'static str] {
    match algorithm {
        Algorithm::ES256 => &["ES256"],
        Algorithm::ES384 => &["ES384"],
        Algorithm::RS256 => &["RS256"],
        Algorithm::EdDSA => &["EdDSA", "Ed25519"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The P-256 key of RFC 7517, appendix A.1, and an RSA modulus of 2048 bits.
    fn ec() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        })
    }

    fn rsa() -> Value {
        json!({ "kty": "RSA", "kid": "2", "e": "AQAB", "n": format!("{}w", "u".repeat(341)) })
    }

    fn with(mut key: Value, members: &Value) -> Value {
        for (name, value) in members.as_object().expect("members") {
            key[name] = value.clone();
        }
        key
    }

    fn found(keys: &[Value]) -> Result<Vec<String>, JwksError> {
        let mut kids: Vec<_> = usable_keys(json!({ "keys": keys }).to_string().as_bytes())?.into_keys().collect();
        kids.sort();
        Ok(kids)
    }

    #[test]
    fn a_key_that_is_for_something_else_does_not_verify() {
        for members in [
            json!({}),
            json!({ "use": "sig" }),
            json!({ "key_ops": ["verify"] }),
            json!({ "key_ops": ["sign", "verify"], "use": "sig" }),
            json!({ "alg": "ES256" }),
            json!({ "x5c": ["MIIB"], "unknown": [1, { "a": null }] }),
        ] {
            assert_eq!(found(&[with(ec(), &members), rsa()]).expect("keys"), ["1", "2"], "{members}");
        }
        for members in [
            json!({ "use": "enc" }),
            json!({ "use": "SIG" }),
            json!({ "use": null }),
            json!({ "use": ["sig"] }),
            json!({ "key_ops": ["encrypt"] }),
            json!({ "key_ops": ["sign"] }),
            json!({ "key_ops": ["verify", "encrypt"] }),
            json!({ "key_ops": ["wrapKey", "deriveKey"], "use": "sig" }),
            json!({ "key_ops": ["verify"], "use": "enc" }),
            json!({ "key_ops": [] }),
            json!({ "key_ops": "verify" }),
            json!({ "key_ops": null }),
            json!({ "alg": "ES384" }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "ECDH-ES" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": ["ES256"] }),
            json!({ "alg": null }),
            json!({ "crv": "P-384" }),
            json!({ "crv": "secp256k1" }),
            json!({ "kty": "RSA" }),
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
            json!({ "kty": "OKP" }),
            json!({ "kid": 1 }),
            json!({ "kid": null }),
            json!({ "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE" }),
        ] {
            assert_eq!(found(&[with(ec(), &members), rsa()]).expect("the other one"), ["2"], "{members}");
        }
        let only_a_certificate = json!({ "kty": "RSA", "kid": "3", "use": "sig", "x5c": ["MIIB"] });
        let list = json!(["EC", "P-256", "4"]);
        assert_eq!(found(&[only_a_certificate, list, json!(null), rsa()]).expect("the other one"), ["2"]);
    }

    #[test]
    fn two_keys_of_one_name_serve_for_none() {
        let other = with(ec(), &json!({ "y": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4" }));
        assert_eq!(found(&[ec(), other.clone(), rsa()]).expect("the third"), ["2"]);
        assert_eq!(found(&[ec(), other, ec(), rsa()]).expect("the third"), ["2"]);
        assert_eq!(found(&[ec(), with(rsa(), &json!({ "kid": "1" })), rsa()]).expect("the third"), ["2"]);
        assert_eq!(found(&[ec(), with(ec(), &json!({ "use": "sig" }))]).expect("one"), ["1"], "the same key twice");
        let encrypts = with(rsa(), &json!({ "kid": "1", "use": "enc" }));
        assert_eq!(found(&[ec(), encrypts]).expect("one"), ["1"], "one of them for something else");
    }

    #[test]
    fn what_is_no_key_set_and_a_set_without_keys_are_two_things() {
        for document in ["", "[]", "null", "{}", r#"{"keys":{}}"#, "[[]]", r#"{"keys":[],"keys":[]}"#] {
            assert!(matches!(usable_keys(document.as_bytes()), Err(JwksError::NotAKeySet)), "{document}");
        }
        for document in [r#"{"keys":[]}"#, r#"{"keys":[1]}"#] {
            assert!(matches!(usable_keys(document.as_bytes()), Err(JwksError::NoKeys)), "{document}");
        }
        let many: Vec<_> = (0..100).map(|kid| with(ec(), &json!({ "kid": kid.to_string() }))).collect();
        assert_eq!(found(&many).expect("keys").len(), KEYS_MAX);
    }
}
