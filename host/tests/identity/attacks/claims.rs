//! Claims, all of them under the hub's own signature: an issuer with a fault, or one that signs whatever it is given.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{AUDIENCE, Attack, EXPIRED, ISSUER, MALFORMED, NOT_YET, bearer};
use crate::support::{
    hub::ADMIN,
    jwt::{self, Es256, claims, now, with},
};

/// The claims without their names, in the order in which the hub reads them.
fn values() -> Value {
    let claims = claims(ADMIN);
    json!([claims["sub"], claims["iss"], claims["exp"], claims["iat"], claims["app_metadata"]])
}

pub fn attacks(key: &Es256) -> Vec<Attack> {
    let header = json!({ "alg": "ES256", "typ": "JWT" });
    let set = |name: &str, claim: &str, value: Value, code| {
        bearer(name, key.token(&header, &with(claims(ADMIN), claim, value)), code)
    };
    let without = |claim: &str| {
        bearer(&format!("no {claim}"), key.token(&header, &with(claims(ADMIN), claim, Value::Null)), MALFORMED)
    };
    let text = |name: &str, text: &str| {
        bearer(name, jwt::raw(&header.to_string(), text, |message| key.sign(message)), MALFORMED)
    };
    // A claim once more, before and behind the one that is right.
    let again = |name: &str, claim: &str| {
        let right = claims(ADMIN).to_string();
        [format!("{{{claim},{}", &right[1..]), format!("{},{claim}}}", &right[..right.len() - 1])]
            .map(|claims| text(name, &claims))
    };
    let mut attacks = vec![
        set("expired", "exp", json!(now(-60)), EXPIRED),
        set("expired long ago", "exp", json!(0), EXPIRED),
        set("expired, as a fraction", "exp", json!(0.5), EXPIRED),
        without("exp"),
        set("exp as text", "exp", json!(now(3600).to_string()), MALFORMED),
        set("a negative exp", "exp", json!(-1), MALFORMED),
        set("exp as a list", "exp", json!([now(3600)]), MALFORMED),
        set("exp as true", "exp", json!(true), MALFORMED),
        set("an exp in ten years", "exp", json!(now(10 * 366 * 86_400)), MALFORMED),
        set("an exp in the year 31,000 million", "exp", json!(1_000_000_000_000_000_000_u64), MALFORMED),
        set("the largest exp", "exp", json!(u64::MAX), MALFORMED),
        set("an exp of 1e300", "exp", json!(1e300), MALFORMED),
        text("an exp of 1e400", &claims(ADMIN).to_string().replace("\"exp\":", "\"exp\":1e400,\"was\":")),
        text("an exp of NaN", &claims(ADMIN).to_string().replace("\"exp\":", "\"exp\":NaN,\"was\":")),
        set("not yet valid", "nbf", json!(now(60)), NOT_YET),
        set("valid in a thousand years", "nbf", json!(now(31_536_000_000)), NOT_YET),
        set("nbf as text", "nbf", json!("tomorrow"), MALFORMED),
        set("issued tomorrow", "iat", json!(now(86_400)), NOT_YET),
        set("iat as text", "iat", json!("now"), MALFORMED),
        without("iss"),
        set("another issuer", "iss", json!("https://evil.example/auth/v1"), ISSUER),
        set("the issuer with a slash", "iss", json!("urn:bulkhead:local/"), ISSUER),
        set("the issuer in capitals", "iss", json!("URN:BULKHEAD:LOCAL"), ISSUER),
        set("the issuer's beginning", "iss", json!("urn:bulkhead"), ISSUER),
        set("an empty issuer", "iss", json!(""), ISSUER),
        set(
            "a list of issuers with the right one",
            "iss",
            json!(["https://evil.example", "urn:bulkhead:local"]),
            MALFORMED,
        ),
        set("a list of the right issuer alone", "iss", json!(["urn:bulkhead:local"]), MALFORMED),
        set("issuer as a number", "iss", json!(1), MALFORMED),
        without("aud"),
        set("another audience", "aud", json!("urn:other"), AUDIENCE),
        set("Supabase's audience", "aud", json!("authenticated"), AUDIENCE),
        set("other audiences", "aud", json!(["urn:other", "urn:bulkhead"]), AUDIENCE),
        set("the audience with blanks", "aud", json!(" urn:bulkhead:hub "), AUDIENCE),
        set("several audiences as one text", "aud", json!("urn:other urn:bulkhead:hub"), AUDIENCE),
        set("no audiences", "aud", json!([]), AUDIENCE),
        set("an object as audience", "aud", json!({ "urn:bulkhead:hub": true }), MALFORMED),
        without("sub"),
        set("a sub that is no UUID", "sub", json!("admin"), MALFORMED),
        set("an empty sub", "sub", json!(""), MALFORMED),
        set("a sub of 1000 characters", "sub", json!(Uuid::new_v4().to_string().repeat(28)), MALFORMED),
        set("a UUID with more behind it", "sub", json!(format!("{}' OR 1=1", Uuid::new_v4())), MALFORMED),
        set("sub as a number", "sub", json!(1), MALFORMED),
        set("sub as a list", "sub", json!([Uuid::new_v4()]), MALFORMED),
        set("a role that is no text", "app_metadata", json!({ "ops_role": ["ops_admin"] }), MALFORMED),
        set("app_metadata as text", "app_metadata", json!("{\"ops_role\":\"ops_admin\"}"), MALFORMED),
        set("app_metadata as a list", "app_metadata", json!([ADMIN]), MALFORMED),
        set("app_metadata as a list of role and team", "app_metadata", json!([ADMIN, "platform"]), MALFORMED),
        set("app_metadata as a list of nothing", "app_metadata", json!([null, null]), MALFORMED),
        set("app_metadata as an empty list", "app_metadata", json!([]), MALFORMED),
        set("app_metadata in a list", "app_metadata", json!([{ "ops_role": ADMIN }]), MALFORMED),
        bearer("claims that are a list of their values", key.token(&header, &values()), MALFORMED),
        bearer("claims that are a list", key.token(&header, &json!([claims(ADMIN)])), MALFORMED),
        bearer("no claims", key.token(&header, &json!({})), MALFORMED),
        bearer("claims that are null", key.token(&header, &Value::Null), MALFORMED),
        text("claims that are no JSON", "sub=admin"),
        text("claims with more behind them", &format!("{} {{}}", claims(ADMIN))),
        text(
            "a deep role",
            &claims(ADMIN).to_string().replace("\"ops_admin\"", &format!("{}{}", "[".repeat(900), "]".repeat(900))),
        ),
    ];
    for (name, claim) in [
        ("exp twice", format!("\"exp\":{}", now(3600))),
        ("sub twice", format!("\"sub\":\"{}\"", Uuid::new_v4())),
        ("iss twice", "\"iss\":\"urn:bulkhead:local\"".to_owned()),
        ("aud twice", "\"aud\":\"urn:bulkhead:hub\"".to_owned()),
        ("app_metadata twice", "\"app_metadata\":{\"ops_role\":\"ops_viewer\"}".to_owned()),
        ("a claim twice in other letters", "\"\\u0073ub\":\"x\"".to_owned()),
    ] {
        attacks.extend(again(name, &claim));
    }
    let roles = "\"app_metadata\":{\"ops_role\":\"ops_viewer\",\"ops_role\":\"ops_admin\"}";
    attacks.push(text(
        "two roles",
        &claims(ADMIN).to_string().replace("\"app_metadata\":{\"ops_role\":\"ops_admin\"}", roles),
    ));
    attacks
}
