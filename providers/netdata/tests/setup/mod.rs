//! What the tests of every tool begin with.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};

/// Where the Agent of these tests is.
pub const AGENT: &str = "http://127.0.0.1:19999";

/// A request to this path of the Agent is answered so.
pub fn at(gate: FakeGate, path: &str, reply: Reply) -> FakeGate {
    gate.on(Method::Get, &format!("{AGENT}{path}"), reply)
}

/// An Agent of version 1, which answers to v3 as the real one does.
pub fn agent_v1() -> FakeGate {
    at(FakeGate::new(), "/api/v3/", Reply::text(404, "Unsupported API version: v3").header("content-type", "text/html"))
}

/// The provider, set up for an Agent.
pub fn with_agent(gate: FakeGate) -> Run {
    testing::run(netdata::provider()).settings(json!({ "agent_url": format!("{AGENT}/") })).gate(gate)
}

/// The provider, set up for Cloud, whose every answer is this one.
pub fn with_cloud(reply: Reply) -> Run {
    let gate = FakeGate::new().secret("netdata_token");
    let gate = gate.on(Method::Post, "https://app.netdata.cloud/", reply.clone());
    let gate = gate.on(Method::Get, "https://app.netdata.cloud/", reply);
    testing::run(netdata::provider()).settings(json!({ "cloud": { "space": "s-1", "room": "r-1" } })).gate(gate)
}

/// A recorded answer.
pub fn ok(body: &str) -> Reply {
    Reply::text(200, body)
}
