//! `metrics.query` against answers as real Agents and Cloud give them.

mod setup;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::{FakeGate, Reply};
use setup::{agent_v1, at, ok, with_agent, with_cloud};

#[test]
fn a_v3_agent_is_asked_once() {
    let run = with_agent(at(FakeGate::new(), "/api/v3/data", ok(include_str!("answers/v3-load.json"))));
    let input = json!({ "context": "system.load", "after": -20, "points": 2, "group": "max", "dimensions": ["load1", "load5"] });
    let expected = json!({
        "source": "agent-v3",
        "metric": "system.load",
        "title": "System Load Average (system.load)",
        "units": "load",
        "dimensions": ["load1", "load5"],
        "points": [
            { "time": "2025-12-31T23:59:50Z", "values": [1.5, 1.2] },
            { "time": "2026-01-01T00:00:00Z", "values": [null, 1.25] },
        ],
    });
    assert_eq!(run.call("metrics.query", input).unwrap(), expected);
    let requests = run.gate_seen().requests();
    assert_eq!(requests.len(), 1);
    for part in [
        "scope_contexts=system.load&after=-20&before=0&points=2",
        "time_group=max",
        "group_by=dimension",
        "dimensions=load1%7Cload5",
    ] {
        assert!(requests[0].url.contains(part), "{part} in {}", requests[0].url);
    }
}

#[test]
fn an_old_agent_is_asked_by_v1_and_its_rows_are_turned_round() {
    let gate = at(agent_v1(), "/api/v1/data", ok(include_str!("answers/v1-load.json")));
    let run = with_agent(at(gate, "/api/v1/context", ok(include_str!("answers/v1-context.json"))));
    let expected = json!({
        "source": "agent-v1",
        "metric": "system.load",
        "title": "System Load Average",
        "units": "load",
        "dimensions": ["load1", "load5", "load15"],
        "points": [
            { "time": "2025-12-31T23:59:55Z", "values": [null, 1.95, 1.3] },
            { "time": "2026-01-01T00:00:00Z", "values": [2.84, 1.97, 1.31] },
        ],
    });
    assert_eq!(run.call("metrics.query", json!({ "context": "system.load" })).unwrap(), expected);
}

#[test]
fn a_chart_is_asked_by_v1_and_42_stays_42() {
    let gate = at(FakeGate::new(), "/api/v1/data?chart=statsd", ok(include_str!("answers/v1-gauge.json")));
    let run = with_agent(at(gate, "/api/v1/chart", Reply::text(404, "")));
    let output = run.call("metrics.query", json!({ "chart": "statsd_hub.test.gauge_gauge" })).unwrap();
    assert_eq!(output["points"], json!([{ "time": "2026-01-01T00:00:00Z", "values": [42] }]));
    assert!(output.get("units").is_none(), "there is no description, which does no harm");
}

#[test]
fn several_charts_of_one_context_keep_apart() {
    let body = r#"{"chart_ids": ["disk.sda", "disk.sdb"], "result": {"labels": ["time", "reads", "reads"], "data": [[1, 2, 3]]}}"#;
    let gate = at(agent_v1(), "/api/v1/data", ok(body));
    let run = with_agent(at(gate, "/api/v1/context", Reply::text(404, "")));
    let output = run.call("metrics.query", json!({ "context": "disk.io" })).unwrap();
    assert_eq!(output["dimensions"], json!(["disk.sda/reads", "disk.sdb/reads"]));
}

#[test]
fn cloud_is_asked_for_one_context_only() {
    let run = with_cloud(ok(include_str!("answers/cloud-data.json")));
    let output = run
        .call("metrics.query", json!({ "context": "system.cpu", "group_by": "node", "aggregation": "sum" }))
        .unwrap();
    assert_eq!(output["source"], json!("cloud"));
    assert_eq!(output["units"], json!("percentage"));
    assert_eq!(output["points"], json!([{ "time": "2026-01-01T00:00:00Z", "values": [12.5] }]));

    let request = run.gate_seen().requests().remove(0);
    assert_eq!(request.url, "https://app.netdata.cloud/api/v3/spaces/s-1/rooms/r-1/data");
    let bearer = format!("Bearer {}", FakeGate::reference_to("netdata_token"));
    assert!(request.headers.contains(&("authorization".to_owned(), bearer)));
    let body: bulkhead_sdk::serde_json::Value = bulkhead_sdk::serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body["scope"], json!({ "contexts": ["system.cpu"] }));
    assert_eq!(body["window"], json!({ "after": -600, "before": 0, "points": 60 }));
    assert_eq!(body["aggregations"]["metrics"], json!([{ "group_by": ["node"], "aggregation": "sum" }]));
    assert_eq!(body["aggregations"]["time"], json!({ "time_group": "average" }));
}

#[test]
fn senseless_inputs_are_refused_before_anything_is_sent() {
    let run = with_agent(FakeGate::new());
    for (input, word) in [
        (json!({}), "exactly one"),
        (json!({ "context": "a.b", "chart": "a.b" }), "exactly one"),
        (json!({ "context": "system.*" }), "`context`"),
        (json!({ "chart": "a b" }), "`chart`"),
        (json!({ "context": "a.b", "dimensions": ["x,y"] }), "`dimensions`"),
        (json!({ "context": "a.b", "after": 600 }), "`after`"),
        (json!({ "context": "a.b", "after": -10, "before": 5 }), "`before`"),
        (json!({ "context": "a.b", "after": 0 }), "empty"),
        (json!({ "context": "a.b", "after": 1_900_000_000, "before": 1_900_000_100 }), "future"),
        (json!({ "chart": "a.b", "group_by": "node" }), "`group_by`"),
    ] {
        let error = run.call("metrics.query", input.clone()).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{input}");
        assert!(error.message.contains(word), "{input}: {error}");
    }
    assert!(run.gate_seen().requests().is_empty());
}

#[test]
fn cloud_has_no_charts() {
    let error = with_cloud(ok("{}")).call("metrics.query", json!({ "chart": "a.b" })).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(error.message.contains("give `context`"), "{error}");
}

#[test]
fn an_unknown_metric_is_not_found_and_says_where_to_look() {
    let no_match = || Reply::text(404, "No metrics where matched to query.");
    let old = with_agent(at(at(agent_v1(), "/api/v1/data", no_match()), "/api/v1/context", Reply::text(404, "")));
    let new = with_agent(at(FakeGate::new(), "/api/v3/data", no_match()));
    let empty = with_agent(at(FakeGate::new(), "/api/v3/data", ok(include_str!("answers/v3-nothing.json"))));
    for run in [old, new, empty] {
        let error = run.call("metrics.query", json!({ "context": "no.such" })).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(error.message.contains("contexts.list"), "{error}");
    }
}

#[test]
fn nonsense_is_an_upstream_failure() {
    for body in [
        "<html>hello</html>",
        r#"{"result": {"labels": ["time", "a"], "data": [[1, 2"#,
        r#"{"result": {"labels": "time", "data": []}}"#,
        r#"{"result": {"labels": ["time", "a"], "data": [[1]]}}"#,
        r#"{"result": {"labels": ["time", "a"], "data": [[]]}}"#,
        r#"{"result": {"labels": ["time", "a"], "data": [["noon", 1]]}}"#,
        "[]",
    ] {
        let run = with_agent(at(FakeGate::new(), "/api/v3/data", ok(body)));
        let error = run.call("metrics.query", json!({ "context": "system.cpu" })).unwrap_err();
        assert_eq!(error.code, ErrorCode::UpstreamFailed, "{body}");
    }
}
