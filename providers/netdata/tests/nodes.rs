//! `nodes.list` against answers as real Agents and Cloud give them.

mod setup;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing::FakeGate;
use setup::{agent_v1, at, ok, with_agent, with_cloud};

fn old_agent(input: Value) -> Value {
    let run = with_agent(at(agent_v1(), "/api/v1/info", ok(include_str!("answers/v1-info.json"))));
    run.call("nodes.list", input).unwrap()
}

#[test]
fn an_old_agent_knows_itself_best() {
    let expected = json!({
        "nodes": [
            { "name": "db-1", "state": "stale" },
            { "name": "db-2", "state": "live" },
            { "name": "db-2", "state": "stale" },
            { "name": "web-1", "state": "live", "version": "v1.37.1", "os": "Debian GNU/Linux 12 (bookworm)" },
        ],
        "total": 4,
    });
    assert_eq!(old_agent(json!({})), expected);
}

#[test]
fn an_agent_that_gives_names_only_has_nodes_in_unknown_states() {
    let info = r#"{ "uid": "a", "version": "v1.10.0", "mirrored_hosts": ["web-1", "db-1"] }"#;
    let run = with_agent(at(agent_v1(), "/api/v1/info", ok(info)));
    let expected = json!({ "nodes": [{ "name": "db-1" }, { "name": "web-1" }], "total": 2 });
    assert_eq!(run.call("nodes.list", json!({})).unwrap(), expected);
}

#[test]
fn a_page_may_end_between_two_nodes_of_the_same_name() {
    let mut input = json!({ "filter": "db-*", "limit": 2 });
    let first = old_agent(input.clone());
    assert_eq!(first["nodes"], json!([{ "name": "db-1", "state": "stale" }, { "name": "db-2", "state": "live" }]));
    assert_eq!(first["total"], json!(3));
    input["cursor"] = first["next_cursor"].clone();
    let second = json!({ "nodes": [{ "name": "db-2", "state": "stale" }], "total": 3 });
    assert_eq!(old_agent(input), second);
}

#[test]
fn nothing_that_matches_is_an_empty_list() {
    assert_eq!(old_agent(json!({ "filter": "mail-*" })), json!({ "nodes": [], "total": 0 }));
    for nodes in ["[]", "null"] {
        let run = with_cloud(ok(&format!(r#"{{ "nodes": {nodes} }}"#)));
        assert_eq!(run.call("nodes.list", json!({})).unwrap(), json!({ "nodes": [], "total": 0 }));
    }
}

#[test]
fn a_v3_agent_filters_itself_and_knows_all() {
    let ask = |filter: &str| {
        let run = with_agent(at(FakeGate::new(), "/api/v3/nodes", ok(include_str!("answers/v3-nodes.json"))));
        let output = run.call("nodes.list", json!({ "filter": filter })).unwrap();
        (output["nodes"].clone(), run.gate_seen().requests().remove(0).url)
    };
    let (nodes, url) = ask("*-1");
    let expected = json!([
        { "name": "db-1", "state": "stale" },
        { "name": "web-1", "state": "live", "version": "v2.9.0", "os": "Debian GNU/Linux 12 (bookworm)" },
    ]);
    assert_eq!(nodes, expected);
    assert!(url.ends_with("/api/v3/nodes?scope_nodes=%2A-1&options=minify"), "{url}");
    assert_eq!(ask("74bfd78e*").0, json!([]), "the Agent finds nodes by id too; here names count");
}

#[test]
fn cloud_is_asked_for_the_room_and_an_unknown_state_is_left_out() {
    let run = with_cloud(ok(include_str!("answers/cloud-nodes.json")));
    let expected = json!([
        { "name": "5a8bb0ce-0000-4000-8000-000000000003" },
        { "name": "db-1", "state": "offline", "version": "v1.44.3", "os": "FreeBSD" },
        { "name": "web-1", "state": "live", "version": "v2.9.0", "os": "Debian GNU/Linux 12 (bookworm)" },
    ]);
    assert_eq!(run.call("nodes.list", json!({})).unwrap()["nodes"], expected);
    let request = run.gate_seen().requests().remove(0);
    assert_eq!(request.url, "https://app.netdata.cloud/api/v3/spaces/s-1/rooms/r-1/nodes");
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body, json!({ "scope": { "nodes": [] } }));
}

#[test]
fn nonsense_is_an_upstream_failure() {
    for body in ["<html>hello</html>", "[1]", r#"{ "nodes": {} }"#, r#"{ "nodes": [{ "nm": 1 }] }"#] {
        let new = with_agent(at(FakeGate::new(), "/api/v3/nodes", ok(body)));
        let old = with_agent(at(agent_v1(), "/api/v1/info", ok(body)));
        for run in [new, old, with_cloud(ok(body))] {
            assert_eq!(run.call("nodes.list", json!({})).unwrap_err().code, ErrorCode::UpstreamFailed, "{body}");
        }
    }
}
