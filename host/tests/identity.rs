//! Identity: which tokens are accepted, and what comes of all the others.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use axum::{Router, http::StatusCode, routing::get};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Hub, Reply, VIEWER, eventually},
    jwt::{self, Es256, Rs256, claims, encoded, now, with},
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    tools: [{ name: echo.v1, min_role: ops_viewer, schema_version: '1.0' }]
";

const ECHO: &str = "/providers/hello-rs/echo.v1";
const MESSAGE: &str = r#"{"message":"hi"}"#;

/// Calls a tool with these exact headers of authorization.
async fn with_header(hub: &Hub, authorization: Option<&str>) -> Reply {
    let mut request = hub.client().post(format!("{}{ECHO}", hub.url)).body(MESSAGE);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    Hub::send(request, None).await
}

async fn call(hub: &Hub, token: &str) -> Reply {
    hub.post(ECHO, Some(token), MESSAGE).await
}

fn code(reply: &Reply) -> String {
    reply.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// The attack's name, the whole header, and the code of the refusal.
type Attack = (&'static str, Option<String>, &'static str);

/// The request is refused, the answer says how to do better, and the record does not know a caller.
async fn is_refused(hub: &Hub, (name, authorization, expected): &Attack) {
    let before = hub.events().len();
    let reply = with_header(hub, authorization.as_deref()).await;
    assert_eq!((reply.status, code(&reply).as_str()), (401, *expected), "{name}: {reply:?}");
    assert_eq!(reply.header("content-type"), "application/problem+json", "{name}");
    assert!(reply.header("www-authenticate").starts_with("Bearer realm="), "{name}: {reply:?}");
    let events = hub.events();
    assert_eq!(events.len(), before + 1, "{name}: one row");
    let event = events.last().expect("a row");
    assert_eq!((&event["caller_id"], &event["caller_role"]), (&Value::Null, &Value::Null), "{name}");
    assert_eq!((&event["outcome"], &event["error_code"]), (&json!("denied"), &json!(expected)), "{name}");
    assert_eq!(event["correlation_id"], reply.header("x-correlation-id"), "{name}");
    if let Some(token) = authorization.as_deref().and_then(|text| text.split(' ').nth(1)).filter(|t| t.len() > 8) {
        assert!(!reply.text.contains(token) && !event.to_string().contains(token), "{name} repeats the token");
    }
}

async fn are_refused(hub: &Hub, attacks: impl IntoIterator<Item = Attack>) {
    for attack in attacks {
        is_refused(hub, &attack).await;
    }
    assert_eq!(call(hub, &hub.token(VIEWER)).await.status, 200, "and a good token still works");
    let log = hub.log();
    assert!(!log.contains("eyJ"), "the log holds no token: {log}");
}

fn bearer(token: &str) -> Option<String> {
    Some(format!("Bearer {token}"))
}

fn es256() -> Value {
    json!({ "alg": "ES256", "typ": "JWT" })
}

#[tokio::test]
async fn a_token_made_by_hand_is_accepted_so_that_the_attacks_fail_for_their_own_reason() {
    let hub = Hub::start(HELLO);
    let key = Es256::of_hub(&hub);
    let user = Uuid::new_v4();
    let mine = with(claims(VIEWER), "sub", json!(user));
    for good in [mine.clone(), with(mine.clone(), "aud", json!(["urn:other", "urn:bulkhead:hub"]))] {
        let reply = call(&hub, &key.token(&es256(), &good)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(hub.last_event()["caller_id"], json!(user));
    }
    let reply = with_header(&hub, Some(&format!("bEARER  {}", key.token(&es256(), &mine)))).await;
    assert_eq!(reply.status, 200, "the scheme's case does not matter: {reply:?}");
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let hub = Hub::start(HELLO);
    let good = hub.token(ADMIN);
    let none = "token_missing";
    let bad = "token_malformed";
    are_refused(
        &hub,
        [
            ("no header", None, none),
            ("an empty header", Some(String::new()), none),
            ("an empty token", Some("Bearer ".into()), none),
            ("no token", Some("Bearer".into()), none),
            ("another scheme", Some("Basic dXNlcjpwYXNzd29yZA==".into()), none),
            ("a token without a scheme", Some(good.clone()), none),
            ("a good token in another scheme", Some(format!("Token {good}")), none),
            ("garbage", bearer("garbage-garbage"), bad),
            ("dots", bearer(".."), bad),
            ("three words", bearer("abc.def.ghi"), bad),
            ("two tokens", bearer(&format!("{good} {good}")), bad),
            ("two tokens with a comma", bearer(&format!("{good},{good}")), bad),
            ("a token with more behind it", bearer(&format!("{good}.e30")), bad),
            ("five segments", bearer(&format!("{good}.e30.e30")), bad),
            ("a token with an empty segment", bearer(&good.replacen('.', "..", 1)), bad),
            ("a token of 9 KiB", bearer(&format!("eyJ.{}", "A".repeat(9 * 1024))), bad),
            ("padding", bearer(&format!("{good}=")), bad),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_token_with_a_wrong_signature_is_refused() {
    let hub = Hub::start(HELLO);
    let (key, attacker) = (Es256::of_hub(&hub), Es256::new());
    let (header, claims) = (es256(), claims(ADMIN));
    let good = key.token(&header, &claims);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let other = key.token(&header, &with(claims.clone(), "sub", json!(Uuid::new_v4())));
    let swapped = format!("{}.{signature}", other.rsplit_once('.').expect("three parts").0);
    let forged = |extra: (&str, Value)| bearer(&attacker.token(&with(header.clone(), extra.0, extra.1), &claims));
    let jwk = attacker.jwk("attacker");
    let wrong = "token_signature";
    are_refused(
        &hub,
        [
            ("another key", bearer(&attacker.token(&header, &claims)), wrong),
            ("no signature", bearer(&format!("{signed}.")), wrong),
            ("no signature and no dot", bearer(signed), "token_malformed"),
            ("another payload", bearer(&swapped), wrong),
            ("half a signature", bearer(&format!("{signed}.{}", &signature[..40])), wrong),
            ("a signature of zeros", bearer(&format!("{signed}.{}", encoded([0; 64]))), wrong),
            ("a signature in DER", bearer(&jwt::token(&header, &claims, |message| key.sign_asn1(message))), wrong),
            ("jwk", forged(("jwk", jwk.clone())), wrong),
            ("jku", forged(("jku", json!("http://127.0.0.1:1/jwks.json"))), wrong),
            ("x5u", forged(("x5u", json!("http://127.0.0.1:1/cert.pem"))), wrong),
            ("x5c", forged(("x5c", json!([STANDARD.encode(attacker.der())]))), wrong),
            ("a path as kid", forged(("kid", json!("../../../../dev/null"))), wrong),
            ("SQL as kid", forged(("kid", json!("' UNION SELECT 'key"))), wrong),
            ("an empty kid", forged(("kid", json!(""))), wrong),
            ("an object as kid", forged(("kid", jwk)), "token_malformed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_token_with_another_algorithm_is_refused() {
    let hub = Hub::start(HELLO);
    let (key, rsa) = (Es256::of_hub(&hub), Rs256::new());
    let claims = claims(ADMIN);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(key.der()));
    let mut jwk = key.jwk("local");
    jwk.as_object_mut().expect("an object").retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    let symmetric = |algorithm: &str, hmac: hmac::Algorithm, secret: &[u8]| {
        let sign = |message: &[u8]| hmac::sign(&hmac::Key::new(hmac, secret), message).as_ref().to_vec();
        bearer(&jwt::token(&json!({ "alg": algorithm, "typ": "JWT" }), &claims, sign))
    };
    let mut attacks: Vec<Attack> = vec![
        ("HS256 with the public point", symmetric("HS256", hmac::HMAC_SHA256, &key.point()), "token_algorithm"),
        ("HS256 with its coordinates", symmetric("HS256", hmac::HMAC_SHA256, &key.point()[1..]), "token_algorithm"),
        ("HS256 with the public PEM", symmetric("HS256", hmac::HMAC_SHA256, pem.as_bytes()), "token_algorithm"),
        ("HS256 with the trimmed PEM", symmetric("HS256", hmac::HMAC_SHA256, pem.trim().as_bytes()), "token_algorithm"),
        ("HS256 with the public DER", symmetric("HS256", hmac::HMAC_SHA256, &key.der()), "token_algorithm"),
        (
            "HS256 with the public JWK",
            symmetric("HS256", hmac::HMAC_SHA256, jwk.to_string().as_bytes()),
            "token_algorithm",
        ),
        ("HS256 with nothing", symmetric("HS256", hmac::HMAC_SHA256, b""), "token_algorithm"),
        ("HS384 with the public point", symmetric("HS384", hmac::HMAC_SHA384, &key.point()), "token_algorithm"),
        ("HS512 with the public point", symmetric("HS512", hmac::HMAC_SHA512, &key.point()), "token_algorithm"),
        ("RS256", bearer(&rsa.token(&json!({ "alg": "RS256" }), &claims)), "token_algorithm"),
        ("ES384 with an ES256 signature", bearer(&key.token(&json!({ "alg": "ES384" }), &claims)), "token_algorithm"),
        ("an unknown algorithm", bearer(&key.token(&json!({ "alg": "ES257" }), &claims)), "token_malformed"),
        ("no algorithm", bearer(&key.token(&json!({ "typ": "JWT" }), &claims)), "token_malformed"),
        ("two algorithms", bearer(&key.token(&json!({ "alg": ["ES256", "none"] }), &claims)), "token_malformed"),
    ];
    for spelling in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let header = json!({ "alg": spelling, "typ": "JWT" });
        attacks.push((
            "alg none without a signature",
            bearer(&jwt::token(&header, &claims, |_| vec![])),
            "token_malformed",
        ));
        attacks.push(("alg none with a signature", bearer(&key.token(&header, &claims)), "token_malformed"));
    }
    are_refused(&hub, attacks).await;
}

#[tokio::test]
async fn a_token_with_wrong_claims_is_refused() {
    let hub = Hub::start(HELLO);
    let key = Es256::of_hub(&hub);
    let changed = |name: &str, value: Value| bearer(&key.token(&es256(), &with(claims(ADMIN), name, value)));
    let bad = "token_malformed";
    are_refused(
        &hub,
        [
            ("expired", changed("exp", json!(now(-60))), "token_expired"),
            ("expired long ago", changed("exp", json!(0)), "token_expired"),
            ("no exp", changed("exp", Value::Null), bad),
            ("exp as text", changed("exp", json!(now(3600).to_string())), bad),
            ("a negative exp", changed("exp", json!(-1)), bad),
            ("exp as a list", changed("exp", json!([now(3600)])), bad),
            ("not yet valid", changed("nbf", json!(now(60))), "token_not_yet_valid"),
            ("nbf as text", changed("nbf", json!("tomorrow")), bad),
            ("another audience", changed("aud", json!("urn:other")), "token_audience"),
            ("Supabase's audience", changed("aud", json!("authenticated")), "token_audience"),
            ("other audiences", changed("aud", json!(["urn:other", "urn:bulkhead"])), "token_audience"),
            ("no audiences", changed("aud", json!([])), "token_audience"),
            ("no aud", changed("aud", Value::Null), bad),
            ("another issuer", changed("iss", json!("https://evil.example/auth/v1")), "token_issuer"),
            ("the issuer with a slash", changed("iss", json!("urn:bulkhead:local/")), "token_issuer"),
            ("no iss", changed("iss", Value::Null), bad),
            ("no sub", changed("sub", Value::Null), bad),
            ("a sub that is no UUID", changed("sub", json!("admin")), bad),
            ("an empty sub", changed("sub", json!("")), bad),
            ("sub as a number", changed("sub", json!(1)), bad),
            ("a role that is no text", changed("app_metadata", json!({ "ops_role": ["ops_admin"] })), bad),
            ("claims that are a list", bearer(&key.token(&es256(), &json!([claims(ADMIN)]))), bad),
            // RFC 7515 §4.1.11: who does not understand an extension that is critical must refuse the token.
            ("crit", bearer(&key.token(&json!({ "alg": "ES256", "crit": ["x"], "x": 1 }), &claims(ADMIN))), bad),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_door_but_the_open_ones_wants_a_token() {
    let hub = Hub::start(HELLO);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }).to_string();
    for path in ["/mcp", "/mcp/", "/mcp/flat", ECHO, "/providers/no/such"] {
        for token in [None, Some("wrong")] {
            let reply = hub.post(path, token, list.clone()).await;
            assert_eq!(reply.status, 401, "{path}: {reply:?}");
            assert!(reply.header("www-authenticate").starts_with("Bearer "), "{path}: {reply:?}");
        }
    }
    for path in ["/openapi.json", "/mcp", "/mcp/flat", "/providers/hello-rs/health", "/providers/none/health"] {
        let reply = hub.get(path, None).await;
        assert_eq!(reply.status, 401, "{path}: {reply:?}");
    }
    let token = hub.token(ADMIN);
    for name in ["access_token", "token", "authorization", "bearer"] {
        let reply = hub.post(&format!("{ECHO}?{name}={token}"), None, MESSAGE).await;
        assert_eq!(reply.status, 401, "tokens in a query string are ignored: {reply:?}");
    }
    assert!(hub.events().iter().all(|event| event["outcome"] == "denied" && event["caller_id"].is_null()));
}

#[tokio::test]
async fn without_a_known_role_a_caller_may_do_nothing() {
    let hub = Hub::start(HELLO);
    let key = Es256::of_hub(&hub);
    let user = Uuid::new_v4();
    for (name, value) in [
        ("app_metadata", json!({})),
        ("app_metadata", Value::Null),
        ("app_metadata", json!({ "ops_role": null })),
        ("app_metadata", json!({ "ops_role": "root" })),
        ("app_metadata", json!({ "ops_role": "OPS_ADMIN" })),
        ("app_metadata", json!({ "ops_role": "" })),
    ] {
        // Users of Supabase may write their own `user_metadata`, and `role` is the database's.
        let mut claims = with(with(claims(ADMIN), name, value.clone()), "sub", json!(user));
        claims["user_metadata"] = json!({ "ops_role": ADMIN });
        claims["ops_role"] = json!(ADMIN);
        claims["role"] = json!(ADMIN);
        let token = key.token(&es256(), &claims);
        let reply = call(&hub, &token).await;
        assert_eq!((reply.status, code(&reply).as_str()), (403, "role_too_low"), "{value}: {reply:?}");
        assert!(reply.header("www-authenticate").contains("insufficient_scope"), "{value}: {reply:?}");
        let event = hub.last_event();
        assert_eq!((&event["caller_id"], &event["caller_role"]), (&json!(user), &Value::Null), "{value}");
        assert_eq!(event["outcome"], "denied", "{value}");
        let list = hub.mcp(&token, "tools/list", &json!({})).await;
        assert_eq!(list["result"]["tools"], json!([]), "{value}");
        assert_eq!(hub.get("/providers/hello-rs/health", Some(&token)).await.status, 403, "{value}");
    }
}

const ISSUER: &str = "https://ref.supabase.example/auth/v1";
const AUDIENCE: &str = "https://hub.example";

/// An identity provider's key set on loopback.
struct Jwks {
    url: String,
    document: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Jwks {
    /// Serves these keys.
    fn start(keys: &[Value]) -> Self {
        let (document, fetches) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let (served, counted) = (Arc::clone(&document), Arc::clone(&fetches));
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let document = served.lock().expect("a lock").clone();
            async move { document.map_or(Err(StatusCode::INTERNAL_SERVER_ERROR), |document| Ok(axum::Json(document))) }
        };
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::spawn(async { axum::serve(listener, Router::new().route("/jwks.json", get(answer))).await });
        let jwks = Self { url, document, fetches };
        jwks.publish(keys);
        jwks
    }

    /// Replaces the keys; none at all is an answer of 500.
    fn publish(&self, keys: &[Value]) {
        *self.document.lock().expect("a lock") = (!keys.is_empty()).then(|| json!({ "keys": keys }));
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// A hub that accepts the tokens of this issuer.
    fn hub(&self, audience: &str) -> Hub {
        Hub::start_with(HELLO, &["--jwks-url", &self.url, "--issuer", ISSUER, "--audience", audience])
    }
}

/// Claims as Supabase writes them.
fn supabase(audience: &str) -> Value {
    let mut claims = with(with(claims(VIEWER), "iss", json!(ISSUER)), "aud", json!(audience));
    claims["role"] = json!("authenticated");
    claims["session_id"] = json!(Uuid::new_v4());
    claims["app_metadata"]["team"] = json!("platform");
    claims
}

fn header(alg: &str, kid: &str) -> Value {
    json!({ "alg": alg, "typ": "JWT", "kid": kid })
}

#[tokio::test]
async fn tokens_of_an_identity_provider_are_accepted() {
    let (es, rs) = (Es256::new(), Rs256::new());
    let jwks = Jwks::start(&[es.jwk("es"), rs.jwk("rs")]);
    let hub = jwks.hub(AUDIENCE);
    let claims = supabase(AUDIENCE);
    let tokens = [es.token(&header("ES256", "es"), &claims), rs.token(&header("RS256", "rs"), &claims)];
    let replies = futures::future::join_all(tokens.iter().cycle().take(20).map(|token| call(&hub, token))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(jwks.fetches(), 1, "the keys are fetched once and kept");
    let event = hub.last_event();
    assert_eq!((&event["caller_id"], &event["team"]), (&claims["sub"], &json!("platform")));
    assert_eq!(event["caller_role"], VIEWER);
}

#[tokio::test]
async fn an_identity_providers_keys_serve_their_own_purpose_only() {
    let (es, rs, other, unfit) = (Es256::new(), Rs256::new(), Es256::new(), Es256::new());
    let secret = encoded("a secret of at least 32 characters");
    let jwks = Jwks::start(&[
        es.jwk("es"),
        rs.jwk("rs"),
        with(unfit.jwk("encrypts"), "use", json!("enc")),
        json!({ "kty": "oct", "alg": "HS256", "kid": "shared", "k": secret }),
    ]);
    let hub = jwks.hub(AUDIENCE);
    let claims = supabase(AUDIENCE);
    let hs256 = |message: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret of at least 32 characters");
        hmac::sign(&key, message).as_ref().to_vec()
    };
    let unnamed = with(header("ES256", ""), "kid", Value::Null);
    let attacks: Vec<Attack> = vec![
        ("a key of somebody else", bearer(&other.token(&header("ES256", "es"), &claims)), "token_signature"),
        ("no kid", bearer(&es.token(&unnamed, &claims)), "token_malformed"),
        ("an unknown kid", bearer(&es.token(&header("ES256", "unknown"), &claims)), "token_signature"),
        ("the algorithm of another key", bearer(&es.token(&header("ES256", "rs"), &claims)), "token_algorithm"),
        ("a key for encryption", bearer(&unfit.token(&header("ES256", "encrypts"), &claims)), "token_signature"),
        ("a shared key", bearer(&jwt::token(&header("HS256", "shared"), &claims, hs256)), "token_algorithm"),
        ("a public key as secret", bearer(&jwt::token(&header("HS256", "es"), &claims, hs256)), "token_algorithm"),
        ("a token of the hub's own", bearer(&hub.token(ADMIN)), "token_malformed"),
        (
            "a token with the hub's own key",
            bearer(&Es256::of_hub(&hub).token(&header("ES256", "es"), &claims)),
            "token_signature",
        ),
        (
            "an audience of others",
            bearer(&es.token(&header("ES256", "es"), &supabase("authenticated"))),
            "token_audience",
        ),
        (
            "another project's issuer",
            bearer(&es.token(
                &header("ES256", "es"),
                &with(claims.clone(), "iss", json!("https://other.supabase.example/auth/v1")),
            )),
            "token_issuer",
        ),
    ];
    for attack in &attacks {
        is_refused(&hub, attack).await;
    }
    assert_eq!(call(&hub, &es.token(&header("ES256", "es"), &claims)).await.status, 200);
}

#[tokio::test]
async fn supabases_audience_is_accepted_where_it_is_configured() {
    let key = Es256::new();
    let jwks = Jwks::start(&[key.jwk("es")]);
    let hub = jwks.hub("authenticated");
    let token = |audience: &str| key.token(&header("ES256", "es"), &supabase(audience));
    assert_eq!(call(&hub, &token("authenticated")).await.status, 200);
    assert_eq!(call(&hub, &token(AUDIENCE)).await.status, 401);
}

#[tokio::test]
async fn clients_are_told_where_to_get_a_token() {
    let jwks = Jwks::start(&[Es256::new().jwk("es")]);
    let identity = ["--jwks-url", &jwks.url, "--issuer", ISSUER, "--audience", AUDIENCE];
    let hub = Hub::start_with(HELLO, &[&identity[..], &["--public-url", "https://hub.example"]].concat());
    for (path, resource) in [("", "https://hub.example"), ("/mcp", "https://hub.example/mcp")] {
        let reply = hub.get(&format!("/.well-known/oauth-protected-resource{path}"), None).await;
        let metadata = reply.json();
        assert_eq!((reply.status, &metadata["resource"]), (200, &json!(resource)), "{reply:?}");
        assert_eq!(metadata["authorization_servers"], json!([ISSUER]), "{reply:?}");
    }
    let challenge =
        r#"Bearer realm="bulkhead", resource_metadata="https://hub.example/.well-known/oauth-protected-resource""#;
    assert_eq!(hub.post("/mcp", None, "{}").await.header("www-authenticate"), challenge);
    let nameless = jwks.hub(AUDIENCE);
    let reply = nameless.get("/.well-known/oauth-protected-resource", None).await;
    assert_eq!(reply.status, 404, "the hub's name never comes from the Host header: {reply:?}");
}

#[tokio::test]
async fn an_identity_providers_settings_come_together_or_not_at_all() {
    let hub = Hub::start(HELLO);
    for arguments in [
        &["--jwks-url", "http://127.0.0.1:1/jwks.json"][..],
        &["--issuer", ISSUER],
        &["--audience", AUDIENCE],
        &["--jwks-url", "http://127.0.0.1:1/jwks.json", "--issuer", ISSUER],
    ] {
        let output =
            hub.program().args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}

/// Idles for the thirty seconds between two fetches, both hubs at once.
#[tokio::test]
async fn keys_are_fetched_again_for_an_unknown_kid_but_not_more_than_twice_a_minute() {
    tokio::join!(a_new_key_is_found(), an_issuer_that_was_down_is_found());
}

async fn a_new_key_is_found() {
    let (old, new) = (Es256::new(), Es256::new());
    let jwks = Jwks::start(&[old.jwk("old")]);
    let hub = jwks.hub(AUDIENCE);
    let (with_old, with_new) = (
        old.token(&header("ES256", "old"), &supabase(AUDIENCE)),
        new.token(&header("ES256", "new"), &supabase(AUDIENCE)),
    );
    assert_eq!(call(&hub, &with_old).await.status, 200);

    jwks.publish(&[new.jwk("new")]);
    let flood = async || {
        for number in 0..50 {
            let reply =
                call(&hub, &new.token(&header("ES256", &format!("made-up-{number}")), &supabase(AUDIENCE))).await;
            assert_eq!(reply.status, 401, "{reply:?}");
        }
    };
    flood().await;
    assert_eq!(jwks.fetches(), 1, "made-up kids do not make the hub ask again");
    assert_eq!(call(&hub, &with_old).await.status, 200, "the keys it has still serve");

    after_the_cool_down("the new key is accepted", async || call(&hub, &with_new).await.status == 200).await;
    assert_eq!(call(&hub, &with_old).await.status, 401, "a key that was taken back");
    flood().await;
    assert_eq!(jwks.fetches(), 2);
}

async fn an_issuer_that_was_down_is_found() {
    let key = Es256::new();
    let jwks = Jwks::start(&[]);
    let hub = jwks.hub(AUDIENCE);
    let token = key.token(&header("ES256", "es"), &supabase(AUDIENCE));
    for _ in 0..3 {
        let reply = call(&hub, &token).await;
        assert_eq!((reply.status, code(&reply).as_str()), (503, "issuer_unavailable"), "{reply:?}");
        let event = hub.last_event();
        assert_eq!((&event["outcome"], &event["caller_id"]), (&json!("denied"), &Value::Null));
    }
    assert_eq!(hub.get("/livez", None).await.status, 200);
    assert_eq!(jwks.fetches(), 1, "a failing issuer is not hammered");
    jwks.publish(&[key.jwk("es")]);
    // Without any keys the wait is short: one hiccup at the start should not lock everybody out.
    eventually("the issuer is found", async || (call(&hub, &token).await.status == 200).then_some(())).await;
    assert_eq!(jwks.fetches(), 2);
}

async fn after_the_cool_down(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < Duration::from_secs(50), "it did not come to pass: {what}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(started.elapsed() > Duration::from_secs(20), "{:?} is no cool-down", started.elapsed());
}
