//! The second door, `wasi:http`: a component that speaks it meets the same gate, the same limits and an empty machine.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::hub::{ADMIN, Hub, Reply};
use crate::support::testbed::Testbed;
use crate::support::upstream::Upstream;

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn detail(reply: &Reply) -> String {
    reply.json()["detail"].as_str().unwrap_or_default().to_owned()
}

/// A hub whose second door leads to `upstream`, with these limits and a secret `token`.
fn hub(upstream: &Upstream, limits: &str) -> Hub {
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let with = [hosts.as_str(), "vault_key: token", limits];
    Hub::start_with_secrets(&Testbed { with: &with, ..Testbed::second_door() }.yaml(), &[("token", SECRET)])
}

const SECRET: &str = "s3cret/of+the=door";

#[tokio::test]
async fn a_request_over_wasi_http_passes_the_gate_with_its_secret_and_comes_back_without() {
    let upstream = Upstream::start();
    let hub = hub(&upstream, "sandbox: {}");
    let token = hub.token(ADMIN);
    let input = json!({ "url": upstream.url("/echo?q=1"), "secret": "token", "headers": { "x-own": "yes" } });
    let reply = hub.call(&token, "second-door/fetch.get", &input).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(200)), "{reply:?}");
    let seen = &upstream.seen()[0];
    assert_eq!((seen.header("authorization"), seen.header("x-own")), (&*format!("Bearer {SECRET}"), "yes"));
    assert_eq!(seen.header("host"), upstream.address.to_string());
    assert_eq!(reply.json()["echo"], "Bearer [secret token]");
    assert_eq!(reply.json()["ohce"], "]nekot terces[ reraeB", "the provider itself never saw it");
    assert!(!reply.text.contains(SECRET));
    assert_eq!(hub.last_event()["hostname"], upstream.address.to_string());

    let basic = json!({ "url": upstream.url("/echo"), "secret": "token", "basic_user": "ada" });
    assert_eq!(hub.call(&token, "second-door/fetch.get", &basic).await.status, 200);
    assert!(upstream.seen()[1].header("authorization").starts_with("Basic "));

    let post = json!({ "method": "POST", "url": upstream.url("/echo"), "body": "x".repeat(10_000) });
    assert_eq!(hub.call(&token, "second-door/fetch.send", &post).await.status, 200);
    assert_eq!(upstream.seen()[2].body_bytes, 10_000);
}

#[tokio::test]
async fn what_the_first_door_refuses_the_second_refuses_too() {
    let upstream = Upstream::start();
    let hub = hub(&upstream, "sandbox: {}");
    let token = hub.token(ADMIN);
    let url = upstream.url("/echo");
    let refused: [(Value, &str); 12] = [
        (json!({ "method": "GET", "url": "http://127.0.0.1:1/" }), "denied-address"),
        (json!({ "method": "GET", "url": "https://example.com/" }), "denied-host"),
        (json!({ "method": "GET", "url": url.replace("127.0.0.1", "user@127.0.0.1") }), "invalid-request"),
        (json!({ "method": "GET", "url": "ftp://127.0.0.1/" }), "invalid-request"),
        (json!({ "method": "CONNECT", "url": url }), "invalid-request"),
        (json!({ "method": "TRACE", "url": url }), "invalid-request"),
        (json!({ "method": "PURGE", "url": url }), "invalid-request"),
        (json!({ "method": "GET", "url": url, "headers": { "host": "other.example" } }), "invalid-request"),
        (json!({ "method": "GET", "url": url, "headers": { "transfer-encoding": "chunked" } }), "invalid-request"),
        (json!({ "method": "GET", "url": url, "headers": { "te": "trailers" } }), "invalid-request"),
        (
            json!({ "method": "POST", "url": url, "headers": { "content-length": "3" }, "body": "four" }),
            "invalid-request",
        ),
        (json!({ "method": "POST", "url": url, "body": "{reference:token}" }), "invalid-request"),
    ];
    for (input, word) in refused {
        let reply = hub.call(&token, "second-door/fetch.send", &input).await;
        assert_eq!(code(&reply), (502, "upstream_unreachable".into()), "{input}: {reply:?}");
        assert!(detail(&reply).starts_with(word), "{input}: {reply:?}");
    }
    assert_eq!(upstream.seen().len(), 0, "nothing of it arrived");
    let redirect = json!({ "url": upstream.url(&format!("/redirect/{}", upstream.address.port())) });
    let reply = hub.call(&token, "second-door/fetch.get", &redirect).await;
    assert_eq!((reply.json()["status"].as_u64(), upstream.seen().len()), (Some(302), 1), "a redirect is an answer");
}

#[tokio::test]
async fn limits_hold_at_the_second_door() {
    let upstream = Upstream::start();
    let hub = hub(&upstream, "sandbox: { http_requests: 5, request_mib: 2, response_mib: 1, log_lines: 10 }");
    let token = hub.token(ADMIN);
    let many = |path: &str, count: usize| json!({ "url": upstream.url(path), "count": count });
    let limits: [(&str, Option<Value>, Value, &str); 6] = [
        ("fetch.flood", Some(many("/echo", 5)), many("/echo", 6), "request_limit"),
        ("fetch.flood", Some(many("/large", 2)), many("/large", 4), "response_size_limit"),
        ("upload.flood", Some(many("/echo", 1)), many("/echo", 3), "request_size_limit"),
        ("handles.hoard", Some(json!({ "count": 900 })), json!({ "count": 2000 }), "handle_limit"),
        ("print.lines", Some(json!({ "count": 9 })), json!({ "count": 500 }), "log_limit"),
        ("exit.now", None, json!({}), "provider_crashed"),
    ];
    for (tool, within, beyond, expected) in limits {
        let path = format!("second-door/{tool}");
        if let Some(within) = &within {
            let reply = hub.call(&token, &path, within).await;
            assert_eq!(reply.status, 200, "{tool} within its limit: {reply:?}");
        }
        let reply = hub.call(&token, &path, &beyond).await;
        assert_eq!(code(&reply), (502, expected.to_owned()), "{tool}: {reply:?}");
        assert_eq!(hub.last_event()["error_code"], expected);
    }
    // The guest would wait for the answers to the first five.
    let reply = hub.call(&token, "second-door/fetch.flood", &many("/wait", 6)).await;
    assert_eq!(code(&reply), (502, "request_limit".into()), "{reply:?}");
    let took = hub.last_event()["duration_ms"].as_u64().expect("a number");
    assert!(took < 2000, "a breach ends the call at once, not after {took} ms");
    let log = hub.log();
    for printed in ["printed 7", "printed 8", "the last word"] {
        assert!(log.contains(printed), "`{printed}` is in the log: {log}");
    }
    let random = hub.call(&token, "second-door/random.take", &json!({ "count": 1_000_000 })).await;
    assert_eq!(code(&random), (502, "provider_crashed".into()), "{random:?}");
    assert_eq!(hub.call(&token, "second-door/random.take", &json!({ "count": 32 })).await.status, 200);
}

#[tokio::test]
async fn a_guest_that_waits_in_wasi_ends_at_its_deadline() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub = Hub::start(&Testbed { with: &[&hosts], timeout_ms: 300, ..Testbed::second_door() }.yaml());
    let token = hub.token(ADMIN);
    for (tool, input) in [("sleep.long", json!({})), ("fetch.get", json!({ "url": upstream.url("/wait") }))] {
        let started = Instant::now();
        let reply = hub.call(&token, &format!("second-door/{tool}"), &input).await;
        assert!(reply.status >= 500, "{reply:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{tool} took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn the_machine_looks_empty_from_inside() {
    let hub = Hub::start(&Testbed::second_door().yaml());
    let seen = hub.call(&hub.token(ADMIN), "second-door/surroundings.tell", &json!({})).await.json();
    for nothing in ["environment", "arguments", "preopens"] {
        assert_eq!(seen[nothing], json!([]), "{seen}");
    }
    assert_eq!((&seen["folder"], &seen["input"], &seen["terminal"]), (&Value::Null, &json!(0), &json!(false)));
    assert!(seen["now"].as_u64().expect("seconds") > 1_700_000_000, "it may know the time");
}
