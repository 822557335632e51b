//! `GET /audit/stream`: what is recorded comes to whom it concerns, once, also after a pause; and nobody who listens slowly or
//! for long is in anybody's way.

use std::time::{Duration, Instant};

use bulkhead::identity::{LocalKeys, MintRequest};
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::{Scene, Store, on_both_stores};
use crate::support::{
    events::EventSource,
    hello::HELLO,
    hub::{ADMIN, AUDITOR, Hub, OPERATOR, VIEWER, eventually},
    socket::{Socket, host},
    stdio::Stdio,
};

on_both_stores! { what_is_recorded_comes_to_whom_it_concerns_and_brings_no_bodies }

const QUIET: Duration = Duration::from_millis(2500);

async fn what_is_recorded_comes_to_whom_it_concerns_and_brings_no_bodies(store: Store) {
    let scene = Scene::new(store).await;
    let hub = &scene.hub;
    let (viewer, auditor) = (scene.token(VIEWER), scene.token(AUDITOR));
    let mut own = EventSource::open(hub, "provider=hello-rs", &viewer, None).await;
    let mut denied = EventSource::open(hub, "outcome=denied", &auditor, None).await;
    let mut all = EventSource::open(hub, "operation=call_tool", &auditor, None).await;
    assert_eq!(own.header("content-type"), "text/event-stream");
    assert_eq!((own.header("cache-control"), own.header("x-accel-buffering")), ("no-store", "no"));
    let started = Instant::now();
    hub.call(&scene.token(OPERATOR), "hello-rs/sum.v1", &json!({ "numbers": [3] })).await;
    assert_eq!(all.members("tool", 1).await, ["sum.v1"]);
    assert!(started.elapsed() < Duration::from_millis(900), "a commit wakes it up: {:?}", started.elapsed());
    hub.call(&viewer, "hello-rs/echo.v1", &json!({ "message": "for me" })).await;
    hub.call(&viewer, "hello-rs/sum.v1", &json!({ "numbers": [1] })).await;
    assert_eq!(all.members("tool", 2).await, ["echo.v1", "sum.v1"]);
    let first = own.next().await.expect("an event").data;
    assert_eq!((&first["tool"], &first["caller_id"]), (&json!("echo.v1"), &json!(scene.viewer)));
    assert!(first.get("payload").is_none() && first.get("result").is_none(), "{first}");
    assert_eq!(own.members("outcome", 1).await, ["denied"]);
    assert_eq!(denied.members("tool", 1).await, ["sum.v1"]);
    assert!(own.is_quiet(QUIET).await && denied.is_quiet(Duration::ZERO).await);

    let row = hub.events().await.into_iter().find(|event| event["operation"] == "audit_stream").expect("a row");
    assert_eq!((&row["outcome"], &row["payload"]), (&json!("ok"), &json!(null)), "one's own is only counted");
    // Whoever searches in what others sent is on record, with what for.
    let mut search = EventSource::open(hub, "text=needle&operation=call_tool", &auditor, None).await;
    let row = hub.last_event().await;
    assert_eq!((&row["operation"], &row["surface"]), (&json!("audit_stream"), &json!("rest")));
    assert_eq!(row["payload"], json!({ "filter": { "operation": "call_tool", "text": "needle" } }).to_string());
    hub.call(&viewer, "hello-rs/echo.v1", &json!({ "message": "other" })).await;
    hub.call(&viewer, "hello-rs/echo.v1", &json!({ "message": "a Needle" })).await;
    let id = hub.last_event().await["id"].clone();
    assert_eq!(search.next().await.expect("an event").data["id"], id);
    for (query, last_id, told) in [
        ("tols=x", None, "there is no parameter `tols`"),
        ("format=csv", None, "there is no parameter `format`"),
        ("outcome=fine", None, "`outcome` cannot be `fine`"),
        ("", Some("x"), "`Last-Event-ID` is, once, what the stream said last as `id`"),
    ] {
        let refused = EventSource::answered(hub, query, &auditor, last_id).await;
        assert_eq!(refused.status(), 400, "{query}");
        let text = refused.text().await.expect("a body");
        assert!(text.contains(told), "{query}: {text}");
    }
    assert_eq!(hub.get("/audit/stream", None).await.status, 401);
}

#[tokio::test]
async fn who_comes_back_gets_what_every_hub_recorded_meanwhile_each_once() {
    let hub = Hub::start(HELLO);
    let (caller, auditor) = (hub.token(VIEWER), hub.token(AUDITOR));
    let mut beside = Stdio::start(&hub, &caller);
    let mut over_stdio = async |text: &str| {
        let asked = json!({ "name": "hello-rs.echo.v1", "arguments": { "message": text } });
        let answer = beside.ask("tools/call", &asked);
        answer["result"]["_meta"]["bulkhead"]["call_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let over_rest = async |text: &str| {
        let reply = hub.call(&caller, "hello-rs/echo.v1", &json!({ "message": text })).await;
        reply.header("x-call-id").to_owned()
    };
    let mut stream = EventSource::open(&hub, "tool=echo.v1", &auditor, None).await;
    for round in 0..3 {
        let expected = [over_rest("seen").await, over_stdio("seen by another hub").await];
        let mut seen = stream.members("id", 2).await;
        seen.sort_unstable();
        let mut known = expected.to_vec();
        known.sort_unstable();
        assert_eq!(seen, known, "round {round}");
        let last = stream.last_id.clone();
        drop(stream);
        let mut missed = vec![over_stdio("missed").await, over_rest("missed").await, over_stdio("missed").await];
        // A run of its own, which nobody has heard of.
        hub.command(&["token", "--role", VIEWER]);
        stream = EventSource::open(&hub, "tool=echo.v1", &auditor, Some(&last)).await;
        missed.push(over_rest("after").await);
        let mut seen = stream.members("id", 4).await;
        seen.sort_unstable();
        missed.sort_unstable();
        assert_eq!(seen, missed, "round {round}");
        assert!(stream.is_quiet(Duration::from_millis(1500)).await);
    }
    let mut minted = EventSource::open(&hub, "operation=mint_token", &auditor, None).await;
    hub.command(&["token", "--role", VIEWER]);
    assert_eq!(minted.members("surface", 1).await, ["cli"], "what other programs record is looked for");
}

#[tokio::test]
async fn a_caller_has_so_many_streams_and_others_have_theirs() {
    let hub = Hub::start(HELLO);
    let (token, other) = (hub.token(VIEWER), hub.token(ADMIN));
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(EventSource::open(&hub, "", &token, None).await);
    }
    let refused = EventSource::answered(&hub, "", &token, None).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    let problem = refused.text().await.expect("a body");
    assert!(problem.contains("\"trail_busy\"") && problem.contains("4 of one caller"), "{problem}");
    EventSource::open(&hub, "", &other, None).await;
    streams.pop();
    let freed = async || (EventSource::answered(&hub, "", &token, None).await.status() == 200).then_some(());
    eventually("who left makes room", freed).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_says_so() {
    let hub = Hub::start(HELLO);
    let request = MintRequest {
        user: Uuid::new_v4(),
        role: AUDITOR.parse().expect("a role"),
        team: None,
        ttl: Duration::from_secs(3),
    };
    let token = LocalKeys::open(&hub.data()).expect("the hub's key").mint(&request).expect("a token");
    let started = Instant::now();
    let mut stream = EventSource::open(&hub, "operation=call_tool", &token, None).await;
    hub.call(&hub.token(VIEWER), "hello-rs/echo.v1", &json!({ "message": "x" })).await;
    assert_eq!(stream.members("tool", 1).await, ["echo.v1"]);
    let end = stream.next().await.expect("an event");
    assert_eq!((end.name.as_str(), end.data), ("end", json!({ "reason": "token_expired" })));
    assert!(stream.next().await.is_none());
    assert!((1..=5).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_end_of_a_hub_waits_for_no_stream_and_no_export_however_slow_their_clients_are() {
    let mut hub = Hub::start(HELLO);
    let (caller, auditor) = (hub.token(VIEWER), hub.token(AUDITOR));
    let large = json!({ "message": "x".repeat(60_000) });
    for _ in 0..60 {
        assert_eq!(hub.call(&caller, "hello-rs/echo.v1", &large).await.status, 200);
    }
    let mut quick = EventSource::open(&hub, "operation=call_tool", &auditor, None).await;
    let mut slow = Vec::new();
    for path in ["/audit/export", "/audit/stream"] {
        let mut socket = Socket::open_narrow(&hub).await;
        let begun = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {auditor}\r\n\r\n", host(&hub));
        assert!(socket.send(begun).await);
        slow.push(socket);
    }
    let begun =
        async || (hub.events().iter().filter(|event| event["operation"] == "audit_export").count() == 1).then_some(());
    eventually("the export has begun", begun).await;
    // Until it waits for its client.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let started = Instant::now();
    assert_eq!(hub.stop(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let end = quick.next().await.expect("an event");
    assert_eq!((end.name.as_str(), end.data), ("end", json!({ "reason": "hub_ends" })));
    let export = slow[0].bytes(Duration::from_secs(2)).await;
    assert!(!String::from_utf8_lossy(&export).contains("{\"end\":"), "what broke off does not look whole");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_finds_all_when_it_does() {
    let hub = Hub::start(HELLO);
    let (caller, auditor) = (hub.token(OPERATOR), hub.token(AUDITOR));
    let mut slow = EventSource::open(&hub, "tool=echo.v1", &auditor, None).await;
    let message = json!({ "message": "x" });
    let mut ids = Vec::new();
    for _ in 0..8 {
        let replies = join_all((0..20).map(|_| hub.call(&caller, "hello-rs/echo.v1", &message))).await;
        ids.extend(replies.iter().map(|reply| reply.header("x-call-id").to_owned()));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut seen = slow.members("id", ids.len()).await;
    seen.sort_unstable();
    ids.sort_unstable();
    assert_eq!(seen, ids);
}
