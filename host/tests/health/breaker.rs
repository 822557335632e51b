//! Circuit breakers: an upstream that keeps failing is sent nothing, and no caller can bring that about alone.

use serde_json::{Value, json};

use crate::support::{
    health::error_of,
    hub::{Hub, Reply, VIEWER, eventually},
    killable::Killable,
    testbed::{Testbed, testbed},
    upstream::Upstream,
};

/// So long that it does not close again within a test.
const FOR_GOOD: &str = "breaker: { open_s: 600 }";

async fn get(hub: &Hub, token: &str, url: &str) -> Reply {
    hub.call(token, "testbed/fetch.get", &json!({ "url": url })).await
}

fn code(reply: &Reply) -> Value {
    reply.json()["code"].clone()
}

/// Calls until the breaker answers.
async fn opens(hub: &Hub, token: &str, provider: &str, url: &str) -> Reply {
    let path = format!("{provider}/fetch.get");
    let open = async || {
        let reply = hub.call(token, &path, &json!({ "url": url })).await;
        (code(&reply) == "circuit_open").then_some(reply)
    };
    eventually("the breaker is open", open).await
}

async fn status_of(hub: &Hub, token: &str, provider: &str) -> (Value, String) {
    let health = hub.get("/health", Some(token)).await.json();
    let of = health["providers"].as_array().expect("providers").iter().find(|one| one["provider"] == provider);
    (of.expect("the provider")["status"].clone(), error_of(&health, provider))
}

#[tokio::test]
async fn calls_of_an_upstream_that_was_killed_fail_fast_and_go_on_when_it_is_back() {
    let mut upstream = Killable::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let send = format!("settings: {{ health: send, send: {{ method: GET, url: '{}' }} }}", upstream.url(200));
    let hub = Hub::start(&testbed(&[&hosts, &send, "breaker: { open_s: 1 }"]));
    let token = hub.token(VIEWER);
    assert_eq!(get(&hub, &token, &upstream.url(200)).await.status, 200);

    upstream.kill();
    let open = opens(&hub, &token, "testbed", &upstream.url(200)).await;
    assert_eq!((open.status, open.header("retry-after")), (503, "1"), "{open:?}");
    assert!(open.text.contains("circuit breaker") && open.text.contains("127.0.0.1"), "{open:?}");
    let row = hub.last_event();
    assert_eq!((&row["error_code"], &row["outcome"]), (&json!("circuit_open"), &json!("failed")), "{row}");
    let (status, why) = status_of(&hub, &token, "testbed").await;
    assert_eq!(status, "down", "it is known as soon as it is open: {why}");
    assert!(why.contains("circuit breaker"), "{why}");
    assert!(hub.log().contains("its circuit breaker is open"), "{}", hub.log());
    let is_told = async |event: &str| hub.log().contains(event).then_some(());
    eventually("others are told", async || is_told("bulkhead.breaker.opened").await).await;

    upstream.revive();
    let is_back = async || (get(&hub, &token, &upstream.url(200)).await.status == 200).then_some(());
    eventually("calls go on", is_back).await;
    eventually("health says so", async || (status_of(&hub, &token, "testbed").await.0 == "ok").then_some(())).await;
    assert!(hub.log().contains("its circuit breaker is closed"), "{}", hub.log());
    eventually("others are told", async || is_told("bulkhead.breaker.closed").await).await;
}

#[tokio::test]
async fn while_it_is_open_nothing_is_sent_for_this_provider_and_others_go_on() {
    let upstream = Killable::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let other = Testbed { name: "other", with: &[&hosts], ..Testbed::default() }.yaml();
    let hub = Hub::start(&format!("{}{other}", testbed(&[&hosts, FOR_GOOD])));
    let tokens = [hub.token(VIEWER), hub.token(VIEWER)];
    for call in 0..5 {
        let reply = get(&hub, &tokens[call % 2], &upstream.url(503)).await;
        assert_eq!(reply.status, 200, "the provider takes it for an answer: {reply:?}");
    }
    let sent = upstream.requests();
    for call in 0..20 {
        let reply = get(&hub, &tokens[call % 2], &upstream.url(200)).await;
        assert_eq!((reply.status, code(&reply)), (503, json!("circuit_open")), "{reply:?}");
    }
    let asked = json!({ "name": "testbed.fetch.get", "arguments": { "url": upstream.url(200) } });
    let answer = hub.mcp(&tokens[0], "tools/call", &asked).await;
    assert_eq!(answer["result"]["_meta"]["bulkhead"]["code"], "circuit_open", "{answer}");
    assert_eq!(upstream.requests(), sent, "it was sent nothing");
    let reply = hub.call(&tokens[0], "other/fetch.get", &json!({ "url": upstream.url(200) })).await;
    assert_eq!((reply.status, upstream.requests()), (200, sent + 1), "another provider is another matter: {reply:?}");
    assert_eq!(hub.call(&tokens[0], "other/calls.count", &json!({})).await.status, 200);
}

#[tokio::test]
async fn no_caller_shuts_an_upstream_for_others_by_what_it_asks_for() {
    let upstream = Killable::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub = Hub::start(&testbed(&[&hosts, FOR_GOOD]));
    let (hostile, other) = (hub.token(VIEWER), hub.token(VIEWER));
    for _ in 0..30 {
        assert_eq!(get(&hub, &hostile, &upstream.url(500)).await.status, 200);
    }
    for _ in 0..8 {
        assert_eq!(get(&hub, &other, &upstream.url(404)).await.status, 200, "that it lacks something is an answer");
    }
    for _ in 0..8 {
        let wrong = hub.call(&other, "testbed/fetch.get", &json!({ "url": 7 })).await;
        assert_eq!(wrong.status, 400, "{wrong:?}");
        assert_eq!(code(&get(&hub, &other, "https://elsewhere.example/").await), "upstream_unreachable");
    }
    assert_eq!(get(&hub, &other, &upstream.url(200)).await.status, 200);
    assert_eq!(upstream.requests(), 39, "each was sent");
}

#[tokio::test]
async fn one_of_several_upstreams_is_refused_at_either_door_and_the_rest_goes_on() {
    let (mut dead, alive) = (Killable::start(), Killable::start());
    dead.kill();
    let hosts = format!("allowed_hosts: ['{}', '{}']", dead.host(), alive.host());
    let with = [hosts.as_str(), FOR_GOOD];
    let second = Testbed { with: &with, ..Testbed::second_door() }.yaml();
    let hub = Hub::start(&format!("{}{second}", testbed(&with)));
    let token = hub.token(VIEWER);
    for provider in ["testbed", "second-door"] {
        let open = opens(&hub, &token, provider, &dead.url(200)).await;
        assert!(open.text.contains("circuit breaker"), "the hub's own reason: {open:?}");
        let path = format!("{provider}/fetch.get");
        assert_eq!(hub.call(&token, &path, &json!({ "url": alive.url(200) })).await.status, 200);
        let (status, why) = status_of(&hub, &token, provider).await;
        assert_eq!(status, "degraded", "it works in part: {why}");
        assert!(why.contains("circuit breaker"), "{why}");
    }
}

#[tokio::test]
async fn health_is_told_while_a_check_waits_for_its_upstream() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let send = format!("settings: {{ health: send, send: {{ method: GET, url: '{}' }} }}", upstream.url("/wait"));
    let hub = Hub::start(&testbed(&[&hosts, &send]));
    eventually("a check waits", async || (!upstream.seen().is_empty()).then_some(())).await;
    // Nothing has let it go on: an answer waits for no upstream.
    for path in ["/health", "/livez"] {
        assert!(!hub.get(path, None).await.text.is_empty());
    }
    upstream.release();
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_told_as_the_hubs_own_reason_and_opens_nothing() {
    let upstream = Killable::start();
    let with = [&*format!("allowed_hosts: ['{}']", upstream.host()), "vault_key: token", FOR_GOOD];
    let hub = Hub::start(&testbed(&with));
    let token = hub.token(VIEWER);
    for _ in 0..8 {
        let input = json!({ "url": upstream.url(200), "secret": "token" });
        let reply = hub.call(&token, "testbed/fetch.get", &input).await;
        assert_eq!((reply.status, code(&reply)), (503, json!("misconfigured")), "{reply:?}");
        assert!(reply.text.contains("secrets set token"), "{reply:?}");
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(get(&hub, &token, &upstream.url(200)).await.status, 200);
}
