//! What the tests of every tool begin with. The answers have the shapes of Socket's OpenAPI description.

#![allow(dead_code)] // each test file uses a part

use std::time::Duration;

use bulkhead_sdk::HttpRequest;
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};

/// Where Socket is.
pub const API: &str = "https://api.socket.dev/v0";
/// The organization of these tests.
pub const ORG: &str = "https://api.socket.dev/v0/orgs/acme";

/// A gate with the key.
pub fn gate() -> FakeGate {
    FakeGate::new().secret("socket_api_key")
}

/// The provider, set up for the organization, with a minute for a call.
pub fn socket(gate: FakeGate) -> Run {
    let settings = json!({ "org": "acme" });
    testing::run(socket::provider()).settings(settings).gate(gate).deadline(Duration::from_mins(1))
}

/// Several values, one per line.
pub fn ndjson(lines: &[Value]) -> Reply {
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    Reply::text(200, &lines.join("\n")).header("content-type", "application/x-ndjson")
}

/// A refusal as Socket words it.
pub fn refusal(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "message": message, "details": null } }))
}

/// What went out: method, and URL without the API's address.
pub fn sent(run: &Run) -> Vec<String> {
    let line = |request: &HttpRequest| {
        let verb = if request.method == Method::Post { "POST" } else { "GET" };
        format!("{verb} {}", request.url.strip_prefix(API).unwrap_or(&request.url))
    };
    run.gate_seen().requests().iter().map(line).collect()
}

/// The body of a request.
pub fn body(run: &Run, request: usize) -> Value {
    let body = run.gate_seen().requests().remove(request).body;
    bulkhead_sdk::serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default()
}
