//! A call of a tool over HTTP goes the short way or the library's, and nobody can tell which: both answer it with the same
//! bytes, and both leave the same row.

use serde_json::{Value, json};

use crate::support::hub::{Hub, OPERATOR, Reply, VIEWER};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    tools:
      - { name: sum.v1, class: read, min_role: ops_operator, schema_version: '1.0' }
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
";

const VERSION: &str = "2026-07-28";

/// What the two ways may differ in: what is of this call alone.
const OWN: [&str; 7] = ["id", "created_at", "correlation_id", "duration_ms", "seq", "position", "recorded_at"];

async fn send(hub: &Hub, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> (Reply, Value) {
    let mut request = hub.client().post(format!("{}{path}", hub.url)).body(body.to_owned());
    for (name, value) in [("content-type", "application/json"), ("accept", "application/json")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let mut reply = Hub::send(request, Some(token)).await;
    let mut row = hub.last_event();
    let id = row["id"].as_str().expect("an id").to_owned();
    assert!(reply.text.contains(&id), "{body}: {reply:?}");
    reply.text = reply.text.replace(&id, "ID");
    for own in OWN {
        row.as_object_mut().expect("a row").remove(own);
    }
    (reply, row)
}

/// Of both eras: the headers, and what the message says of itself.
fn eras(name: &str) -> [(Vec<(&'static str, String)>, Value); 2] {
    let meta =
        json!({ "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {} });
    let modern = [("mcp-protocol-version", VERSION), ("mcp-method", "tools/call"), ("mcp-name", name)];
    [(vec![], json!({})), (modern.map(|(name, value)| (name, value.to_owned())).to_vec(), meta)]
}

#[tokio::test]
async fn both_ways_answer_the_same() {
    let hub = Hub::start(HELLO);
    let (viewer, operator) = (hub.token(VIEWER), hub.token(OPERATOR));
    let calls = [
        (&viewer, "hello-rs.echo.v1", r#"{"message":"h\u00e4llo \"\\ \n \u2028"}"#),
        (&viewer, "hello-rs.echo.v1", r#"{"message":1}"#),
        (&viewer, "hello-rs.echo.v1", "{}"),
        (&viewer, "hello-rs.sum.v1", r#"{"numbers":[1]}"#),
        (&operator, "hello-rs.sum.v1", r#"{"numbers":[1.0,2.5,1e2]}"#),
        (&viewer, "hello-rs.eco.v1", "{}"),
        (&viewer, "nobody", "{}"),
    ];
    let long = format!(r#"{{"message":"{}"}}"#, "\\u00e4\\\"x".repeat(20_000));
    for (token, name, arguments) in calls.into_iter().chain([(&viewer, "hello-rs.echo.v1", long.as_str())]) {
        for (headers, meta) in eras(name) {
            let params = format!(r#"{{"name":"{name}","arguments":{arguments},"_meta":{meta}}}"#);
            let body = format!(r#"{{"jsonrpc":"2.0","id":"seven","method":"tools/call","params":{params}}}"#);
            let mut headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (direct, row) = send(&hub, "/mcp", token, &headers, &body).await;
            // A browser's requests are the library's to judge.
            headers.push(("origin", "http://localhost"));
            let (long_way, other_row) = send(&hub, "/mcp", token, &headers, &body).await;
            assert_eq!((direct.status, &direct.text), (long_way.status, &long_way.text), "{name} {arguments:.80}");
            assert_eq!(direct.header("content-type"), long_way.header("content-type"));
            assert_eq!(row, other_row);
        }
    }
}
