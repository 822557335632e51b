//! REST: what callers get, and what is recorded of it.

use serde_json::json;

use crate::support::hub::{Hub, OPERATOR, VIEWER};

/// hello-rs with one tool that only operators may call.
pub const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    tools:
      - { name: echo.v1, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, min_role: ops_operator, schema_version: '1.0' }
";

#[tokio::test]
async fn a_call_is_answered_with_the_tools_output_and_recorded() {
    let hub = Hub::start(HELLO);
    let reply = hub.call(&hub.token(VIEWER), "hello-rs/echo.v1", &json!({ "message": "hello" })).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "message": "hello" })));
    let event = hub.last_event();
    assert_eq!(event["id"], reply.header("x-call-id"));
    assert_eq!(event["correlation_id"], reply.header("x-correlation-id"));
    assert_eq!((event["outcome"].as_str(), event["caller_role"].as_str()), (Some("ok"), Some(VIEWER)));
    assert_eq!(event["payload"], r#"{"message":"hello"}"#);
    assert_eq!(event["result"], r#"{"message":"hello"}"#);
}

#[tokio::test]
async fn a_role_that_is_too_low_is_a_403_and_a_row() {
    let hub = Hub::start(HELLO);
    let reply = hub.call(&hub.token(VIEWER), "hello-rs/sum.v1", &json!({ "numbers": [1] })).await;
    assert_eq!((reply.status, reply.json()["code"].as_str().map(str::to_owned)), (403, Some("role_too_low".into())));
    let event = hub.last_event();
    assert_eq!((event["outcome"].as_str(), event["error_code"].as_str()), (Some("denied"), Some("role_too_low")));
    assert_eq!(hub.call(&hub.token(OPERATOR), "hello-rs/sum.v1", &json!({ "numbers": [1] })).await.status, 200);
}
