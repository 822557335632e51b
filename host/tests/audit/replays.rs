//! `bulkhead audit replay`: a failed call is issued again as whoever asks for it, and both say so.

use std::process::Output;

use serde_json::{Value, json};

use super::verified;
use crate::support::{
    hello::HELLO,
    hub::{ADMIN, AUDITOR, Hub, OPERATOR, VIEWER, eventually},
    testbed::testbed,
    upstream::Upstream,
};

fn replay(hub: &Hub, token: &str, arguments: &[&str]) -> Output {
    let mut command = hub.program();
    command.args(["audit", "replay", "--hub", &hub.url]).args(arguments).env("BULKHEAD_TOKEN", token);
    command.output().expect("it runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_issued_again_as_whoever_asks_and_both_are_linked_on_record() {
    let upstream = Upstream::start();
    let keep = "keep: { payload: digest }";
    let scarce = testbed(&[keep]).replace("  testbed:", "  forgetful:");
    let mut hub =
        Hub::start(&format!("{}{scarce}{HELLO}", testbed(&[&format!("allowed_hosts: ['{}']", upstream.host())])));
    let (user, other, admin) = (uuid::Uuid::new_v4(), hub.token(VIEWER), hub.token(ADMIN));
    let caller = hub.token_for(OPERATOR, user);
    let failing = json!({ "code": "upstream-failed", "message": "not today" });
    let failed = hub.call(&caller, "testbed/fail.with", &failing).await;
    assert_ne!(failed.status, 200, "{failed:?}");
    let first = failed.header("x-call-id").to_owned();

    let again = replay(&hub, &admin, &[&first]);
    assert!(!again.status.success() && told(&again).contains("was called again: "), "{}", told(&again));
    let rows = hub.events();
    let last = rows.iter().rfind(|row| row["operation"] == "call_tool").expect("a row");
    let payload: Value = serde_json::from_str(last["payload"].as_str().expect("kept")).expect("JSON");
    assert_eq!((&last["replays"], &payload), (&json!(first), &failing));
    assert_eq!(last["caller_role"], ADMIN, "with the role of whoever asks");
    let shown = hub.get(&format!("/audit/events/{}", last["id"].as_str().expect("an id")), Some(&admin)).await.json();
    assert_eq!(shown["event"]["replays"], json!(first));

    // One that may act, with somebody's own rights.
    let input = json!({ "url": upstream.url("/status/500"), "method": "POST" });
    let failed =
        hub.call(&admin, "testbed/fetch.send", &json!({ "url": "https://nowhere.example/", "method": "POST" })).await;
    let acted = failed.header("x-call-id").to_owned();
    assert_ne!(failed.status, 200, "{failed:?} {input}");
    let refused = replay(&hub, &admin, &[&acted]);
    assert!(!refused.status.success() && told(&refused).contains("then say --again"), "{}", told(&refused));
    let again = replay(&hub, &admin, &[&acted, "--again"]);
    assert!(told(&again).contains("was called again: "), "{}", told(&again));
    // The hub asks for it too, whoever sends the header.
    let send = async |token: &str, path: &str, replays: &str, body: &Value| {
        let request = hub.client().post(format!("{}/providers/{path}", hub.url)).body(body.to_string());
        let request = request.header("content-type", "application/json").header("x-replays", replays);
        Hub::send(request, Some(token)).await
    };
    let act = json!({ "url": "https://nowhere.example/", "method": "POST" });
    let ok = hub.call(&caller, "hello-rs/echo.v1", &json!({ "message": "x" })).await.header("x-call-id").to_owned();
    for (token, path, replays, body, status, text) in [
        (&admin, "testbed/fetch.send", acted.clone(), &act, 400, "may have taken effect"),
        (&admin, "testbed/calls.count", first.clone(), &json!({}), 400, "was one of another tool"),
        (&caller, "hello-rs/echo.v1", ok.clone(), &json!({ "message": "x" }), 400, "has succeeded"),
        (&other, "testbed/fail.with", first.clone(), &failing, 404, "that you may see"),
        (&admin, "testbed/fail.with", uuid::Uuid::now_v7().to_string(), &failing, 404, "that you may see"),
        (&admin, "testbed/fail.with", "x".to_owned(), &failing, 400, "`X-Replays` is, once, the id"),
    ] {
        let reply = send(token, path, &replays, body).await;
        assert_eq!(reply.status, status, "{path} {replays}: {reply:?}");
        assert!(reply.text.contains(text), "{path} {replays}: {reply:?}");
        assert_eq!(hub.last_event()["replays"], Value::Null, "what did not run links nothing");
    }
    let forgotten = hub.call(&caller, "forgetful/fail.with", &failing).await.header("x-call-id").to_owned();
    for (token, id, text) in [
        (&caller, &forgotten, "was not kept whole"),
        (&caller, &ok, "has succeeded"),
        (&other, &first, "there is no row"),
        (&hub.token(AUDITOR), &first, "role_too_low"),
    ] {
        let output = replay(&hub, token, &[id]);
        assert!(!output.status.success() && told(&output).contains(text), "{text}: {}", told(&output));
    }
    // One that a crash interrupts is linked too.
    let waiting = json!({ "url": upstream.url("/wait") });
    let away = hub.call(&admin, "testbed/scan.slow", &json!({ "url": "https://nowhere.example/" })).await;
    let away = away.header("x-call-id").to_owned();
    let request = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).body(waiting.to_string());
    let request = request.header("x-replays", format!("{away}; again")).bearer_auth(&admin);
    let call = tokio::spawn(request.send());
    eventually("it runs", async || upstream.seen().iter().any(|seen| seen.uri.path() == "/wait").then_some(())).await;
    hub.kill();
    assert!(call.await.expect("a task").is_err(), "no answer");
    hub.run();
    let interrupted = async || hub.events().into_iter().find(|row| row["outcome"] == "interrupted");
    assert_eq!(eventually("it is answered for", interrupted).await["replays"], json!(away));
    hub.stop();
    assert!(verified(&hub).0);
}
