//! What the tests of every tool begin with.
#![allow(dead_code)] // no test file needs all of it

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};

/// Where the organization of these tests is.
pub const ORG: &str = "https://us.sentry.io/api/0/organizations/acme";

/// An issue, with every field that the vendor's OpenAPI demands.
pub const ISSUE: &str = include_str!("../answers/issue.json");

/// An event of it.
pub const EVENT: &str = include_str!("../answers/event.json");

/// The provider, set up with a token and an organization.
pub fn with_token(gate: FakeGate) -> Run {
    with_settings(json!({ "org": "acme", "base_url": "https://us.sentry.io/" }), gate.secret("sentry_auth_token"))
}

/// The provider with these settings and nothing else.
pub fn with_settings(settings: Value, gate: FakeGate) -> Run {
    testing::run(sentry::provider()).settings(settings).gate(gate)
}

/// A GET of this path of the organization is answered so.
pub fn get(gate: FakeGate, path: &str, reply: Reply) -> FakeGate {
    gate.on(Method::Get, &format!("{ORG}{path}"), reply)
}

/// A recorded answer with the headers that every answer of Sentry has.
pub fn ok(body: &str) -> Reply {
    Reply::text(200, body)
        .header("content-type", "application/json")
        .header("x-sentry-rate-limit-limit", "40")
        .header("x-sentry-rate-limit-remaining", "39")
        .header("x-sentry-rate-limit-reset", "1767225601")
}

/// The `Link` header of a page; Sentry always gives both links and says by `results` where there is something.
pub fn link(more: bool, cursor: &str) -> String {
    format!(
        r#"<{ORG}/issues/?cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", <{ORG}/issues/?cursor={cursor}>; rel="next"; results="{more}"; cursor="{cursor}""#
    )
}

/// The issue with other values for some fields.
pub fn issue(changes: &Value) -> Value {
    let mut issue: Value = serde_json::from_str(ISSUE).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        issue[key] = value.clone();
    }
    issue
}
