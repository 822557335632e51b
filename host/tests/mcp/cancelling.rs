//! A client of the legacy era that gives up ends its call, whichever way it says so: by closing, by taking its stream back, or
//! by a notification, which is all that some official clients send.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    clients::finish,
    frames::{self, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, frame},
    hub::{Hub, OPERATOR, eventually},
    socket::{Socket, post},
    testbed::testbed,
    tools::test_tool,
    upstream::Upstream,
};

/// A hub whose testbed may wait for an upstream that does not answer.
fn waiting() -> (Upstream, Hub, Value) {
    let upstream = Upstream::start();
    let hub = Hub::start(&testbed(&[&format!("allowed_hosts: ['{}']", upstream.host())]));
    let url = json!({ "url": upstream.url("/wait") });
    (upstream, hub, url)
}

fn message(id: u32, tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

async fn runs(upstream: &Upstream, calls: usize) {
    eventually("the tool runs", async || (upstream.seen().len() == calls).then_some(())).await;
}

/// The rows of calls, once there are so many.
async fn rows(hub: &Hub, calls: usize) -> Vec<Value> {
    let all = async || Some(hub.events()).filter(|events| events.len() == calls);
    eventually("every call is recorded", all).await
}

fn is_cancelled(row: &Value, may_have_acted: bool) {
    assert_eq!((&row["outcome"], &row["surface"]), (&json!("cancelled"), &json!("mcp")), "{row}");
    assert!(row["duration_ms"].as_u64().is_some_and(|took| took < 4000), "{row}");
    let error = row["error"].as_str().expect("an error");
    assert_eq!(error.contains("may have taken effect"), may_have_acted, "{row}");
}

#[tokio::test]
async fn closing_the_connection_ends_the_call_and_the_row_of_a_scan_says_what_may_have_happened() {
    let (upstream, hub, url) = waiting();
    let token = hub.token(OPERATOR);
    for (number, tool) in ["testbed.fetch.get", "testbed.scan.slow"].into_iter().enumerate() {
        let mut socket = Socket::open(&hub).await;
        assert!(socket.send(post(&hub, "/mcp", &token, &message(1, tool, &url))).await);
        runs(&upstream, number + 1).await;
        drop(socket);
        is_cancelled(&rows(&hub, number + 1).await[number], tool == "testbed.scan.slow");
    }
}

#[tokio::test]
async fn taking_the_stream_back_ends_the_call() {
    let (upstream, hub, url) = waiting();
    let mut socket = frames::open(&hub, &[]).await;
    let head = frames::request(&hub, "POST", "/mcp", &hub.token(OPERATOR));
    let body = message(1, "testbed.fetch.get", &url);
    let call = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, body.as_bytes())];
    assert!(socket.send(call.concat()).await);
    runs(&upstream, 1).await;
    assert!(socket.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await);
    is_cancelled(&rows(&hub, 1).await[0], false);
}

#[tokio::test]
async fn a_notification_ends_the_call_of_its_own_caller_and_no_other() {
    let (upstream, hub, url) = waiting();
    let (user, other) = (Uuid::new_v4(), hub.token(OPERATOR));
    let token = hub.token_for(OPERATOR, user);
    let call = {
        let request = hub.client().post(format!("{}/mcp", hub.url)).bearer_auth(&token);
        let request = request.header("content-type", "application/json");
        tokio::spawn(Hub::send(request.body(message(5, "testbed.scan.slow", &url)), None))
    };
    runs(&upstream, 1).await;
    let cancel_at = async |path: &str, token: &str, id: Value| {
        let params = json!({ "requestId": id, "reason": "enough" });
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        let reply = hub.post(path, Some(token), message.to_string()).await;
        assert_eq!((reply.status, &*reply.text), (202, ""), "{reply:?}");
    };
    let cancel = async |token: &str, id: Value| cancel_at("/mcp", token, id).await;
    cancel(&other, json!(5)).await;
    cancel_at("/mcp/flat", &token, json!(5)).await;
    cancel(&token, json!(6)).await;
    cancel(&token, json!("5")).await;
    assert!(hub.events().is_empty(), "it goes on");
    cancel(&token, json!(5)).await;
    let reply = call.await.expect("a task");
    // What the line made of it, and not before it is on record.
    let rows = hub.events();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let (answer, told) = (reply.json(), &reply.json()["result"]["_meta"]["bulkhead"]);
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(5), &json!(true)), "{answer}");
    assert_eq!((&told["code"], &told["call_id"]), (&json!("cancelled"), &rows[0]["id"]), "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(text.starts_with("cancelled: ") && text.contains("may have taken effect"), "{text}");
    is_cancelled(&rows[0], true);
    assert_eq!(rows[0]["caller_id"], user.to_string());
}

#[tokio::test]
async fn the_official_python_client_ends_its_call_when_it_times_out_in_both_eras() {
    for era in ["legacy", "modern"] {
        let (upstream, hub, url) = waiting();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clients/python_gives_up.py");
        let mut client = Command::new(test_tool("python", "bin/python"));
        client.arg(script).args([&format!("{}/mcp", hub.url), &hub.token(OPERATOR), era]);
        client.args(["testbed.scan.slow", url["url"].as_str().expect("a URL")]);
        let output = tokio::task::spawn_blocking(move || finish(&mut client)).await.expect("it ends");
        assert!(output.status.success(), "{era}: {output:?}");
        assert_eq!(upstream.seen().len(), 1, "{era}");
        is_cancelled(&rows(&hub, 1).await[0], true);
    }
}
