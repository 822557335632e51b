//! Hostile callers against the real hub over real sockets: whatever they do, others are served, memory stays bounded, and the
//! hub still answers.

mod concurrency;
mod floods;
mod heads;
mod json;
mod large;
mod slow;

use serde_json::json;

use crate::support::hub::{Hub, Reply};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, class: read, min_role: ops_operator, schema_version: '1.0' }
";

const ECHO: &str = "/providers/hello-rs/echo.v1";
const MESSAGE: &str = r#"{"message":"hi"}"#;

async fn echo(hub: &Hub, token: &str) -> Reply {
    hub.call(token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await
}

/// A caller that means well is served, on a connection of its own, and so is a probe.
async fn still_serves(hub: &Hub, token: &str) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let post = client.post(format!("{}{ECHO}", hub.url)).body(MESSAGE);
    let reply = Hub::send(post, Some(token)).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, MESSAGE), "{reply:?}");
    let reply = Hub::send(client.get(format!("{}/health", hub.url)), None).await;
    assert!(reply.json()["status"].is_string(), "{reply:?}");
}
