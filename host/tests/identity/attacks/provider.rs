//! Against the keys of an identity provider: the right one for each token, from the one URL in the configuration.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{ALGORITHM, AUDIENCE as WRONG_AUDIENCE, ISSUER as WRONG_ISSUER, MALFORMED, SIGNATURE, are_refused, bearer};
use crate::{
    identity::call,
    support::{
        hub::ADMIN,
        issuer::{AUDIENCE, Jwks, header, supabase},
        jwt::{self, Es256, Rs256, encoded, with},
    },
};

#[tokio::test]
async fn an_identity_providers_keys_serve_their_own_purpose_only() {
    let (es, rs, other, unfit) = (Es256::new(), Rs256::new(), Es256::new(), Es256::new());
    let secret = b"a secret of at least 32 characters";
    let jwks = Jwks::start(&[
        es.jwk("es"),
        rs.jwk("rs"),
        with(unfit.jwk("encrypts"), "use", json!("enc")),
        with(with(unfit.jwk("wraps"), "use", Value::Null), "key_ops", json!(["wrapKey", "deriveKey"])),
        with(unfit.jwk("both"), "key_ops", json!(["verify", "encrypt"])),
        with(unfit.jwk("another"), "alg", json!("RS256")),
        unfit.jwk("twice"),
        other.jwk("twice"),
        json!({ "kty": "oct", "alg": "HS256", "kid": "shared", "k": encoded(secret) }),
    ]);
    // The attacker publishes keys too, and every token says where.
    let theirs = Jwks::start(&[other.jwk("es"), other.jwk("attacker")]);
    let hub = jwks.hub(AUDIENCE);
    let mine = supabase(AUDIENCE);
    let pem = |der: &[u8]| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let hs = |alg: &str, kid: &str, secret: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        jwt::token(&header(alg, kid), &mine, |message| hmac::sign(&key, message).as_ref().to_vec())
    };
    let by = |key: &Es256, header: &Value| key.token(header, &mine);
    let pointing = |kid: &str, field: &str| with(header("ES256", kid), field, json!(theirs.url));
    let attacks = [
        bearer("a key of somebody else", by(&other, &header("ES256", "es")), SIGNATURE),
        bearer("no kid", by(&es, &with(header("ES256", ""), "kid", Value::Null)), MALFORMED),
        bearer("an unknown kid", by(&es, &header("ES256", "unknown")), SIGNATURE),
        bearer("a kid of nearly the same name", by(&es, &header("ES256", "es ")), SIGNATURE),
        bearer("a kid with a NUL behind it", by(&es, &header("ES256", "es\u{0}")), SIGNATURE),
        bearer("the algorithm of another key", by(&es, &header("ES256", "rs")), ALGORITHM),
        bearer(
            "another algorithm of the same key",
            jwt::token(&header("PS256", "rs"), &mine, |m| rs.ps256(m)),
            ALGORITHM,
        ),
        bearer("a longer hash of the same key", jwt::token(&header("RS384", "rs"), &mine, |m| rs.rs384(m)), ALGORITHM),
        bearer("PS256 under the name of RS256", jwt::token(&header("RS256", "rs"), &mine, |m| rs.ps256(m)), SIGNATURE),
        bearer("a key for encryption", by(&unfit, &header("ES256", "encrypts")), SIGNATURE),
        bearer("a key for the wrapping of keys", by(&unfit, &header("ES256", "wraps")), SIGNATURE),
        bearer("a key for encryption too", by(&unfit, &header("ES256", "both")), SIGNATURE),
        bearer("a key that is said to be of another type", by(&unfit, &header("ES256", "another")), SIGNATURE),
        bearer("one of two keys of a name", by(&unfit, &header("ES256", "twice")), SIGNATURE),
        bearer("the other one", by(&other, &header("ES256", "twice")), SIGNATURE),
        bearer("a shared key", hs("HS256", "shared", secret), ALGORITHM),
        bearer("a shared key under the name of another", hs("HS256", "es", secret), ALGORITHM),
        bearer("the EC key as secret", hs("HS256", "es", &es.point()), ALGORITHM),
        bearer("the EC key's PEM as secret", hs("HS256", "es", pem(&es.der()).as_bytes()), ALGORITHM),
        bearer("the RSA key's PEM as secret", hs("HS256", "rs", pem(&rs.der()).as_bytes()), ALGORITHM),
        bearer("the RSA key's DER as secret, said to be RS256", hs("RS256", "rs", &rs.der()), SIGNATURE),
        bearer("jku to the attacker's keys", by(&other, &pointing("attacker", "jku")), SIGNATURE),
        bearer("jku with a kid of ours", by(&other, &pointing("es", "jku")), SIGNATURE),
        bearer("x5u to the attacker", by(&other, &pointing("attacker", "x5u")), SIGNATURE),
        bearer(
            "the attacker's key as jwk",
            by(&other, &with(header("ES256", "es"), "jwk", other.jwk("es"))),
            SIGNATURE,
        ),
        bearer("a token of the hub's own", hub.token(ADMIN), MALFORMED),
        bearer("the hub's own key", by(&Es256::of_hub(&hub), &header("ES256", "es")), SIGNATURE),
        bearer("an audience of others", es.token(&header("ES256", "es"), &supabase("authenticated")), WRONG_AUDIENCE),
        bearer(
            "another project's issuer",
            es.token(
                &header("ES256", "es"),
                &with(mine.clone(), "iss", json!("https://other.supabase.example/auth/v1")),
            ),
            WRONG_ISSUER,
        ),
        bearer(
            "Supabase's anonymous key",
            es.token(&header("ES256", "es"), &with(mine.clone(), "sub", Value::Null)),
            MALFORMED,
        ),
    ];
    are_refused(&hub, &attacks).await;
    assert_eq!(
        (jwks.fetches(), theirs.fetches()),
        (1, 0),
        "keys come from the configured URL, and made-up kids cost nothing"
    );
    for good in [es.token(&header("ES256", "es"), &mine), rs.token(&header("RS256", "rs"), &mine)] {
        assert_eq!(call(&hub, &good).await.status, 200);
    }
    // A token that is good in all but what else it says is judged by the key that the hub has.
    assert_eq!(call(&hub, &by(&es, &pointing("es", "jku"))).await.status, 200);
    assert_eq!(theirs.fetches(), 0);
}
