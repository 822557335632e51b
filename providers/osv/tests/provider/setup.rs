//! What the tests share.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};

pub const QUERY: &str = "https://api.osv.dev/v1/query";
pub const BATCH: &str = "https://api.osv.dev/v1/querybatch";
pub const VULNS: &str = "https://api.osv.dev/v1/vulns/";

/// The provider behind a gate that answers one address, each reply in its turn.
pub fn provider(method: Method, address: &str, replies: impl IntoIterator<Item = Reply>) -> Run {
    let gate = replies.into_iter().fold(FakeGate::new(), |gate, reply| gate.on(method, address, reply));
    testing::run(osv::provider()).gate(gate)
}

/// A 200 with JSON.
pub fn ok(body: &Value) -> Reply {
    Reply::json(200, body)
}

/// A recorded advisory.
pub fn advisory(name: &str) -> Value {
    let text = match name {
        "lodash" => include_str!("answers/ghsa-lodash.json"),
        "hyper" => include_str!("answers/rustsec-hyper.json"),
        "poppler" => include_str!("answers/oss-fuzz-poppler.json"),
        other => panic!("there is no advisory {other}"),
    };
    serde_json::from_str(text).expect("the recorded advisory is JSON")
}

/// The bodies that were sent, in order.
pub fn sent(run: &Run) -> Vec<Value> {
    let bodies = run.gate_seen().requests().into_iter().filter_map(|request| request.body);
    bodies.map(|body| serde_json::from_slice(&body).expect("the body is JSON")).collect()
}

/// The ids of an output's advisories.
pub fn ids(output: &Value) -> Vec<&str> {
    output["vulns"].as_array().expect("vulns").iter().filter_map(|one| one["id"].as_str()).collect()
}
