//! Callers that want everything at once: connections, and calls under way.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ECHO, HELLO, MESSAGE, echo, still_serves};
use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER, eventually},
    socket::{Socket, host, memory, post},
    stdio::Stdio,
    testbed::testbed,
    upstream::Upstream,
};

/// A testbed whose calls wait until the upstream is released.
fn waiting(arguments: &[&str]) -> (Upstream, Hub, Value) {
    let upstream = Upstream::start();
    let sandbox = "sandbox: { concurrent_calls: 128 }";
    let with = [&*format!("allowed_hosts: ['{}']", upstream.host()), sandbox];
    let hub = Hub::start_with(&testbed(&with).replace("timeout_ms: 5000", "timeout_ms: 30000"), arguments);
    let input = json!({ "url": upstream.url("/wait") });
    (upstream, hub, input)
}

fn is_too_many(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["code"]), (429, &json!("too_many_calls")), "{reply:?}");
    assert_eq!(reply.header("retry-after"), "1", "{reply:?}");
}

#[tokio::test]
async fn a_caller_has_so_many_calls_under_way_and_no_more_whatever_its_role() {
    let (upstream, hub, input) = waiting(&[]);
    let user = Uuid::new_v4();
    let (token, again, other) = (hub.token_for(ADMIN, user), hub.token_for(OPERATOR, user), hub.token(ADMIN));
    let under_way = join_all((0..32).map(|_| hub.call(&token, "testbed/fetch.get", &input)));
    let meanwhile = async {
        eventually("32 calls wait", async || (upstream.seen().len() == 32).then_some(())).await;
        // A new token does not make a new caller, and it is the same for every tool and on every surface.
        for token in [&token, &again] {
            is_too_many(&hub.call(token, "testbed/calls.count", &json!({})).await);
        }
        is_too_many(&hub.get("/openapi.json", Some(&token)).await);
        is_too_many(&hub.get("/providers/testbed/health", Some(&token)).await);
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
        let reply = hub.post("/mcp", Some(&token), list).await;
        assert_eq!((reply.status, reply.header("retry-after")), (429, "1"), "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], -32600, "{reply:?}");
        let refused: Vec<_> =
            hub.events().into_iter().filter(|event| event["error_code"] == "too_many_calls").collect();
        assert!(
            refused.iter().all(|event| event["outcome"] == "denied" && event["caller_id"] == json!(user)),
            "{refused:?}"
        );
        assert_eq!(
            refused.iter().map(|event| event["times"].as_u64().expect("a number")).sum::<u64>(),
            5,
            "{refused:?}"
        );
        assert_eq!(hub.call(&other, "testbed/calls.count", &json!({})).await.status, 200, "others are not affected");
        upstream.release();
    };
    let (replies, ()) = tokio::join!(under_way, meanwhile);
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(hub.call(&token, "testbed/calls.count", &json!({})).await.status, 200, "permits are given back");
}

#[tokio::test]
async fn stdio_has_a_concurrency_limit_too() {
    let (upstream, hub, input) = waiting(&[]);
    let mut stdio = Stdio::start(&hub, &hub.token(ADMIN));
    let wait = json!({ "name": "testbed.fetch.get", "arguments": input });
    let calls: Vec<_> = (0..32).map(|_| stdio.send("tools/call", &wait)).collect();
    eventually("32 calls wait", async || (upstream.seen().len() == 32).then_some(())).await;
    let answer = stdio.ask("tools/call", &json!({ "name": "testbed.calls.count", "arguments": {} }));
    assert_eq!(answer["result"]["_meta"]["bulkhead"]["code"], "too_many_calls", "{answer}");
    assert_eq!(answer["result"]["_meta"]["bulkhead"]["retry_after_seconds"], 1, "{answer}");
    let answer = stdio.ask("tools/list", &json!({}));
    assert_eq!(answer["error"]["data"]["bulkhead"]["code"], "too_many_calls", "{answer}");
    upstream.release();
    for _ in calls {
        assert_ne!(stdio.next()["result"]["isError"], true);
    }
    assert!(stdio.ask("tools/list", &json!({}))["result"].is_object());
}

#[tokio::test]
async fn what_a_caller_sends_at_once_is_bounded_too() {
    let hub = Hub::start(HELLO);
    let (token, other) = (hub.token(ADMIN), hub.token(ADMIN));
    let before = memory(&hub);
    let whole = post(&hub, ECHO, &token, &"x".repeat(10_000_000));
    // Each sends nearly all of the largest body, and then no more.
    let mut held = vec![];
    for _ in 0..20 {
        let mut socket = Socket::open(&hub).await;
        // A refused one may be closed while it sends.
        socket.send(&whole[..whole.len() - 1000]).await;
        held.push(socket);
    }
    let refused = eventually("most are refused", async || {
        let events = hub.events();
        let times = events.iter().filter(|event| event["error_code"] == "too_many_calls");
        let times: u64 = times.map(|event| event["times"].as_u64().expect("a number")).sum();
        (times >= 17).then_some(times)
    });
    assert_eq!(refused.await, 17, "three fit");
    let grown = memory(&hub).saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes more");
    still_serves(&hub, &other).await;
    let large = json!({ "message": "x".repeat(5_000_000) });
    is_too_many(&hub.call(&token, "hello-rs/echo.v1", &large).await);
    assert_eq!(echo(&hub, &token).await.status, 200, "what still fits is served");
    drop(held);
    let fits = async || (hub.call(&token, "hello-rs/echo.v1", &large).await.status == 200).then_some(());
    eventually("the bytes are given back", fits).await;
}

#[tokio::test]
async fn a_thousand_connections_at_the_cap_do_not_keep_anybody_out() {
    let (upstream, hub, input) = waiting(&["--max-connections", "1000"]);
    let token = hub.token(ADMIN);
    let address = host(&hub);
    let call = tokio::spawn({
        let request = hub.client().post(format!("{}/providers/testbed/fetch.get", hub.url)).bearer_auth(&token);
        Hub::send(request.body(input.to_string()), None)
    });
    eventually("a call is under way", async || (!upstream.seen().is_empty()).then_some(())).await;

    let before = memory(&hub);
    let begun = format!("POST {ECHO} HTTP/1.1\r\nhost: {address}\r\nx: ");
    let mut flood = vec![];
    let mut slowest = Duration::ZERO;
    for number in 0..2500 {
        let mut socket = Socket::open(&hub).await;
        let _ = socket.send(if number % 3 == 0 { "" } else { &begun }).await;
        flood.push(socket);
        if number >= 1000 && number % 100 == 0 {
            let started = Instant::now();
            for (path, body) in [("/health", None), ("/livez", None), ("/providers/testbed/calls.count", Some("{}"))] {
                let client = reqwest::Client::builder().no_proxy().build().expect("a client");
                let url = format!("{}{path}", hub.url);
                let request = body.map_or_else(|| client.get(&url), |body| client.post(&url).body(body));
                let reply = Hub::send(request.bearer_auth(&token), None).await;
                assert!(reply.status == 200 || path == "/health", "{path}: {reply:?}");
            }
            slowest = slowest.max(started.elapsed());
        }
    }
    let grown = memory(&hub).saturating_sub(before);
    println!("{grown} bytes for 1,000 connections");
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes more");
    println!("slowest three requests in the flood: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let open = || std::fs::read_dir(format!("/proc/{}/fd", hub.pid())).expect("a process").count();
    eventually("those that were evicted are closed", async || (open() < 1100).then_some(())).await;
    upstream.release();
    let reply: Reply = call.await.expect("a task");
    assert_eq!(reply.status, 200, "a call under way is never evicted: {reply:?}");
    assert!(hub.log().contains("1000 connections are open"), "the log says so");
    assert_eq!(hub.log().matches("connections are open").count(), 1, "and not for each");
}

#[tokio::test]
async fn a_connection_whose_caller_was_served_outlives_unauthenticated_ones() {
    let hub = Hub::start_with(HELLO, &["--max-connections", "20"]);
    let token = hub.token(VIEWER);
    let mut kept = Socket::open(&hub).await;
    let request = post(&hub, ECHO, &token, MESSAGE);
    assert!(kept.send(&request).await);
    assert_eq!(kept.answer().await.expect("an answer").status, 200);
    let mut flood = vec![];
    for _ in 0..200 {
        flood.push(Socket::open(&hub).await);
    }
    still_serves(&hub, &token).await;
    assert!(kept.send(&request).await);
    assert_eq!(kept.answer().await.expect("an answer").status, 200);
    let started = Instant::now();
    assert!(flood[0].answers(Duration::from_secs(5)).await.is_empty());
    assert!(started.elapsed() < Duration::from_secs(2), "the oldest unauthenticated one is evicted");
}
