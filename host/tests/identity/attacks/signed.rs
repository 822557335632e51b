//! Headers, algorithms and signatures. The attacker knows the hub's public key and the whole of its sources.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ALGORITHM, Attack, MALFORMED, SIGNATURE, bearer};
use crate::support::{
    hub::ADMIN,
    jwt::{self, Es256, Rs256, claims, encoded, with},
};

/// The order of P-256, and a half of it is where malleable signatures turn.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn es256() -> Value {
    json!({ "alg": "ES256", "typ": "JWT" })
}

/// An algorithm that is not the key's.
pub fn algorithms(key: &Es256) -> Vec<Attack> {
    let (rsa, claims) = (Rs256::new(), claims(ADMIN));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(key.der()));
    let mut jwk = key.jwk("local");
    jwk.as_object_mut().expect("an object").retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    let symmetric = |name: &str, algorithm: &str, hash: hmac::Algorithm, secret: &[u8]| {
        let sign = |message: &[u8]| hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec();
        bearer(name, jwt::token(&json!({ "alg": algorithm, "typ": "JWT" }), &claims, sign), ALGORITHM)
    };
    let named =
        |name: &str, algorithm: Value, code| bearer(name, key.token(&json!({ "alg": algorithm }), &claims), code);
    let mut attacks = vec![
        symmetric("HS256 with the public point", "HS256", hmac::HMAC_SHA256, &key.point()),
        symmetric("HS256 with its coordinates", "HS256", hmac::HMAC_SHA256, &key.point()[1..]),
        symmetric("HS256 with the public PEM", "HS256", hmac::HMAC_SHA256, pem.as_bytes()),
        symmetric("HS256 with the trimmed PEM", "HS256", hmac::HMAC_SHA256, pem.trim().as_bytes()),
        symmetric("HS256 with the public DER", "HS256", hmac::HMAC_SHA256, &key.der()),
        symmetric("HS256 with the public JWK", "HS256", hmac::HMAC_SHA256, jwk.to_string().as_bytes()),
        symmetric("HS256 with nothing", "HS256", hmac::HMAC_SHA256, b""),
        symmetric("HS384 with the public point", "HS384", hmac::HMAC_SHA384, &key.point()),
        symmetric("HS512 with the public point", "HS512", hmac::HMAC_SHA512, &key.point()),
        bearer("RS256", rsa.token(&json!({ "alg": "RS256" }), &claims), ALGORITHM),
        bearer("RS384", jwt::token(&json!({ "alg": "RS384" }), &claims, |m| rsa.rs384(m)), ALGORITHM),
        bearer("PS256", jwt::token(&json!({ "alg": "PS256" }), &claims, |m| rsa.ps256(m)), ALGORITHM),
        bearer("EdDSA", jwt::token(&json!({ "alg": "EdDSA" }), &claims, jwt::ed25519), ALGORITHM),
        bearer("ES384", jwt::token(&json!({ "alg": "ES384" }), &claims, jwt::p384), ALGORITHM),
        bearer("ES256 with a signature of ES384", jwt::token(&es256(), &claims, jwt::p384), SIGNATURE),
        bearer("ES256 with a signature of EdDSA", jwt::token(&es256(), &claims, jwt::ed25519), SIGNATURE),
        bearer("ES256 with a signature of RS256", rsa.token(&es256(), &claims), SIGNATURE),
        named("ES384 with a signature of ES256", json!("ES384"), ALGORITHM),
        named("RS256 with a signature of ES256", json!("RS256"), ALGORITHM),
        named("HS256 with a signature of ES256", json!("HS256"), ALGORITHM),
        named("ES256K", json!("ES256K"), MALFORMED),
        named("an unknown algorithm", json!("ES257"), MALFORMED),
        named("the algorithm in lower case", json!("es256"), MALFORMED),
        named("two algorithms", json!(["ES256", "none"]), MALFORMED),
        named("a number as algorithm", json!(256), MALFORMED),
        named("an object as algorithm", json!({ "ES256": true }), MALFORMED),
        named("null as algorithm", Value::Null, MALFORMED),
        bearer("no algorithm", key.token(&json!({ "typ": "JWT" }), &claims), MALFORMED),
    ];
    for spelling in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let header = json!({ "alg": spelling, "typ": "JWT" });
        let unsigned = jwt::token(&header, &claims, |_| vec![]);
        attacks.push(bearer(&format!("alg `{spelling}` without a signature"), &unsigned, MALFORMED));
        attacks.push(bearer(&format!("alg `{spelling}` and no dot"), unsigned.trim_end_matches('.'), MALFORMED));
        attacks.push(bearer(&format!("alg `{spelling}` with a signature"), key.token(&header, &claims), MALFORMED));
    }
    attacks
}

/// A header that brings its own key, or asks for something else than a signature.
pub fn headers(key: &Es256) -> Vec<Attack> {
    let (attacker, claims) = (Es256::new(), claims(ADMIN));
    let forged = |name: &str, field: &str, value: Value, code| {
        bearer(name, attacker.token(&with(es256(), field, value), &claims), code)
    };
    // Even with the hub's own signature.
    let genuine = |name: &str, field: &str, value: Value| {
        bearer(name, key.token(&with(es256(), field, value), &claims), MALFORMED)
    };
    let text = |name: &str, header: &str| {
        bearer(name, jwt::raw(header, &claims.to_string(), |message| key.sign(message)), MALFORMED)
    };
    let unencoded = {
        let (header, payload) = (encoded(r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#), claims.to_string());
        let signature = key.sign(format!("{header}.{payload}").as_bytes());
        format!("{header}..{}", encoded(signature))
    };
    let inner = key.token(&es256(), &claims);
    let (signed, signature) = inner.rsplit_once('.').expect("three parts");
    let (protected, payload) = signed.split_once('.').expect("two parts");
    vec![
        forged("jwk", "jwk", attacker.jwk("attacker"), SIGNATURE),
        forged("jwk with a private key", "jwk", with(attacker.jwk("a"), "d", json!("AAAA")), SIGNATURE),
        forged("jwk that is a shared secret", "jwk", json!({ "kty": "oct", "k": "c2VjcmV0" }), SIGNATURE),
        forged("jwk that is none", "jwk", json!("key"), MALFORMED),
        forged("jku", "jku", json!("http://127.0.0.1:1/jwks.json"), SIGNATURE),
        forged("jku to a file", "jku", json!("file:///etc/passwd"), SIGNATURE),
        forged("x5u", "x5u", json!("http://127.0.0.1:1/cert.pem"), SIGNATURE),
        forged("x5c", "x5c", json!([STANDARD.encode(attacker.der())]), SIGNATURE),
        forged("x5t", "x5t", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA"), SIGNATURE),
        forged("a path as kid", "kid", json!("../../../../dev/null"), SIGNATURE),
        forged("SQL as kid", "kid", json!("' UNION SELECT 'key"), SIGNATURE),
        forged("a command as kid", "kid", json!("|/bin/true; `id`"), SIGNATURE),
        forged("an empty kid", "kid", json!(""), SIGNATURE),
        forged("a NUL as kid", "kid", json!("\u{0}"), SIGNATURE),
        forged("a kid of 4 KB", "kid", json!("k".repeat(4096)), SIGNATURE),
        forged("an object as kid", "kid", attacker.jwk("attacker"), MALFORMED),
        forged("a list as kid", "kid", json!(["local"]), MALFORMED),
        genuine("crit", "crit", json!(["exp"])),
        genuine("crit that is empty", "crit", json!([])),
        genuine("crit that is no list", "crit", json!("exp")),
        genuine("b64 false", "b64", json!(false)),
        genuine("compressed", "zip", json!("DEF")),
        genuine("encrypted", "enc", json!("A256GCM")),
        genuine("a token within the token", "cty", json!("JWT")),
        bearer("a payload that is not encoded", unencoded, MALFORMED),
        bearer("a token as payload", jwt::raw(r#"{"alg":"ES256"}"#, &inner, |m| key.sign(m)), MALFORMED),
        bearer(
            "a compact JWE",
            format!("{}.{}", encoded(r#"{"alg":"dir","enc":"A256GCM"}"#), ".AAAA.AAAA.AAAA"),
            MALFORMED,
        ),
        bearer(
            "JSON serialization",
            json!({ "payload": payload, "signatures": [{ "protected": protected, "signature": signature }] })
                .to_string(),
            MALFORMED,
        ),
        bearer(
            "flattened JSON serialization",
            json!({ "payload": payload, "protected": protected, "signature": signature }).to_string(),
            MALFORMED,
        ),
        text("two algorithms one after the other", r#"{"alg":"none","alg":"ES256"}"#),
        text("the same algorithm twice", r#"{"alg":"ES256","alg":"ES256"}"#),
        text("two kids", r#"{"alg":"ES256","kid":"a","kid":"b"}"#),
        text("a header with more behind it", r#"{"alg":"ES256"} {}"#),
        text("a header with a byte-order mark", "\u{feff}{\"alg\":\"ES256\"}"),
        text("a header that is a list", r#"[{"alg":"ES256"}]"#),
        text("a header that is null", "null"),
        text("an empty header", ""),
        text("a header that is no JSON", "alg=ES256"),
        text("a deep header", &format!(r#"{{"alg":"ES256","x":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000))),
    ]
}

/// A signature that is not the hub's over this header and these claims.
pub fn signatures(key: &Es256) -> Vec<Attack> {
    let (attacker, claims) = (Es256::new(), claims(ADMIN));
    let good = key.token(&es256(), &claims);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (header, payload) = signed.split_once('.').expect("two parts");
    let other = key.token(&es256(), &with(claims.clone(), "sub", json!(Uuid::new_v4())));
    let other_payload = other.split('.').nth(1).expect("a payload");
    let bytes = key.sign(signed.as_bytes());
    let (r, s) = bytes.split_at(32);
    let zero = [0u8; 32];
    let signed_by = |name: &str, signature: &[u8]| bearer(name, format!("{signed}.{}", encoded(signature)), SIGNATURE);
    let text = |name: &str, token: String| bearer(name, token, MALFORMED);
    // The same bytes, spelled as base64 must not be.
    let untidy = {
        let last = signature.chars().last().expect("a character");
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let index = alphabet.find(last).expect("of the alphabet");
        format!("{signed}.{}{}", &signature[..signature.len() - 1], &alphabet[index + 1..=index + 1])
    };
    // Some signature has a `-` or `_`, which the other alphabet writes in another way.
    let other_alphabet = std::iter::repeat_with(|| key.token(&es256(), &claims))
        .find(|token| token.rsplit('.').next().is_some_and(|signature| signature.contains(['-', '_'])))
        .expect("endless");
    vec![
        bearer("another key", attacker.token(&es256(), &claims), SIGNATURE),
        bearer("no signature", format!("{signed}."), SIGNATURE),
        bearer("another payload", format!("{header}.{other_payload}.{signature}"), SIGNATURE),
        bearer("half a signature", format!("{signed}.{}", &signature[..40]), SIGNATURE),
        signed_by("one byte less", &bytes[..63]),
        signed_by("one byte more", &[&bytes[..], &[0]].concat()),
        signed_by("the signature twice", &[&bytes[..], &bytes[..]].concat()),
        signed_by("zeros (psychic signature)", &[0; 64]),
        signed_by("r is zero", &[&zero[..], s].concat()),
        signed_by("s is zero", &[r, &zero[..]].concat()),
        signed_by("r and s swapped", &[s, r].concat()),
        signed_by("r is the order", &[&ORDER[..], s].concat()),
        signed_by("r and s are the order", &[ORDER, ORDER].concat()),
        signed_by("ones", &[0xff; 64]),
        bearer("DER", jwt::token(&es256(), &claims, |message| key.sign_asn1(message)), SIGNATURE),
        text("no signature and no dot", signed.to_owned()),
        text("padding", format!("{good}=")),
        text("padding in full", format!("{good}==")),
        bearer("padding of the payload", format!("{header}.{payload}=.{signature}"), SIGNATURE),
        text("bits that nobody reads", untidy),
        text("the other alphabet", other_alphabet.replace('-', "+").replace('_', "/")),
        text("a blank in the signature", format!("{signed}.{} {}", &signature[..9], &signature[9..])),
        bearer("a tab in the payload", format!("{header}.{}\t{}.{signature}", &payload[..9], &payload[9..]), SIGNATURE),
        text("percent signs", good.replace('.', "%2e")),
        text("a segment behind", format!("{good}.e30")),
        text("two segments behind", format!("{good}.e30.e30")),
        text("a segment in front", format!("e30.{good}")),
        text("an empty segment", good.replacen('.', "..", 1)),
        text("a dot behind", format!("{good}.")),
        text("a dot in front", format!(".{good}")),
    ]
}
