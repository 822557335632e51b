//! Tokens of an identity provider, whose keys are fetched from the one URL in the configuration.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{HELLO, call, code};
use crate::support::{
    hub::{Hub, VIEWER, eventually},
    issuer::{AUDIENCE, ISSUER, Jwks, header, supabase},
    jwt::{Es256, Rs256},
};

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
async fn supabases_audience_is_accepted_where_it_is_configured() {
    let key = Es256::new();
    let jwks = Jwks::start(&[key.jwk("es")]);
    let hub = jwks.hub("authenticated");
    let token = |audience: &str| key.token(&header("ES256", "es"), &supabase(audience));
    assert_eq!(call(&hub, &token("authenticated")).await.status, 200);
    assert_eq!(call(&hub, &token(AUDIENCE)).await.status, 401);
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
        let made_up = |number| new.token(&header("ES256", &format!("made-up-{number}")), &supabase(AUDIENCE));
        let tokens: Vec<_> = (0..50).map(made_up).collect();
        let replies = futures::future::join_all(tokens.iter().map(|token| call(&hub, token))).await;
        assert!(replies.iter().all(|reply| reply.status == 401), "{replies:?}");
    };
    flood().await;
    assert_eq!(jwks.fetches(), 1, "made-up kids do not make the hub ask again");
    assert_eq!(call(&hub, &with_old).await.status, 200, "the keys it has still serve");

    after_the_cool_down("the new key is accepted", async || call(&hub, &with_new).await.status == 200).await;
    assert_eq!(
        call(&hub, &with_old).await.status,
        401,
        "a key that was taken back, however often its token was accepted"
    );
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

#[tokio::test]
async fn a_caller_that_goes_away_does_not_keep_others_from_the_keys() {
    let key = Es256::new();
    let jwks = Jwks::start_slow(&[key.jwk("es")], Duration::from_secs(1));
    let hub = jwks.hub(AUDIENCE);
    let token = key.token(&header("ES256", "es"), &supabase(AUDIENCE));
    let impatient = tokio::time::timeout(Duration::from_millis(300), call(&hub, &token)).await;
    assert!(impatient.is_err(), "the keys are on their way: {impatient:?}");
    let reply = call(&hub, &token).await;
    assert_eq!((reply.status, jwks.fetches()), (200, 1), "{reply:?}");
}
