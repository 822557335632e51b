//! `alerts.list` and `contexts.list` against answers as real Agents and Cloud give them.

mod setup;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing::FakeGate;
use setup::{agent_v1, at, ok, with_agent, with_cloud};

#[test]
fn raised_alarms_of_v1_are_readable_and_the_worst_comes_first() {
    let run = with_agent(at(agent_v1(), "/api/v1/alarms", ok(include_str!("answers/v1-alarms.json"))));
    let expected = json!({
        "alerts": [
            {
                "name": "load", "status": "critical", "value": 2.9, "units": "load", "chart": "system.load", "node": "web-1",
                "since": "2025-12-31T23:50:00Z", "critical_when": "$this >= 0",
            },
            {
                "name": "up", "status": "warning", "value": 1541.168, "units": "seconds", "chart": "system.uptime",
                "node": "web-1", "info": "up & running", "since": "2025-12-31T23:50:00Z",
                "warning_when": "$this > 0 && $now > 1",
            },
        ],
        "total": 2,
    });
    assert_eq!(run.call("alerts.list", json!({})).unwrap(), expected);
    assert!(!run.gate_seen().requests()[1].url.contains("all="));
}

#[test]
fn other_statuses_of_v1_are_filtered_here() {
    let names = |status: &str| {
        let run = with_agent(at(agent_v1(), "/api/v1/alarms?all=true", ok(include_str!("answers/v1-alarms.json"))));
        let output = run.call("alerts.list", json!({ "status": status, "limit": 2 })).unwrap();
        let names: Vec<_> = output["alerts"].as_array().unwrap().iter().map(|alert| alert["name"].clone()).collect();
        (Value::from(names), output["total"].clone())
    };
    assert_eq!(names("clear"), (json!(["ram"]), json!(1)));
    assert_eq!(names("all"), (json!(["load", "up"]), json!(3)));
}

#[test]
fn v3_alerts_name_their_node() {
    let run = with_agent(at(FakeGate::new(), "/api/v3/alerts", ok(include_str!("answers/v3-alerts.json"))));
    let alerts = &run.call("alerts.list", json!({})).unwrap()["alerts"];
    assert_eq!((&alerts[0]["status"], &alerts[0]["node"]), (&json!("critical"), &json!("web-1")));
    assert_eq!(alerts[0]["info"], json!("Load"), "the summary stands in for missing details");
    assert!(alerts[0].get("value").is_none());
    assert_eq!((&alerts[1]["context"], &alerts[1]["node"]), (&json!("system.load"), &json!("db-1")));
    assert!(run.gate_seen().requests()[0].url.ends_with("&status=critical,warning"));
}

#[test]
fn cloud_is_asked_in_upper_case() {
    let run = with_cloud(ok(include_str!("answers/v3-alerts.json")));
    assert_eq!(run.call("alerts.list", json!({ "status": "critical" })).unwrap()["total"], json!(1));
    let request = run.gate_seen().requests().remove(0);
    assert_eq!(request.url, "https://app.netdata.cloud/api/v2/spaces/s-1/rooms/r-1/alerts");
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body["status"], json!(["CRITICAL"]));
}

#[test]
fn contexts_are_filtered_and_paged() {
    let page = |input: Value| {
        let run = with_agent(at(agent_v1(), "/api/v1/contexts", ok(include_str!("answers/v1-contexts.json"))));
        run.call("contexts.list", input).unwrap()
    };
    let first = page(json!({ "filter": "system.*", "limit": 2 }));
    let expected = json!({
        "contexts": [
            { "context": "system.cpu", "title": "Total CPU utilization", "units": "percentage", "live": true },
            { "context": "system.io", "title": "Disk I/O", "units": "KiB/s", "live": true },
        ],
        "total": 3,
        "next_cursor": "system.io",
    });
    assert_eq!(first, expected);
    let second = page(json!({ "filter": "system.*", "limit": 2, "cursor": "system.io" }));
    assert_eq!(second["contexts"][0]["context"], json!("system.load"));
    assert!(second.get("next_cursor").is_none());
    assert_eq!(page(json!({}))["total"], json!(4));
}

#[test]
fn v3_and_cloud_filter_themselves() {
    let body = include_str!("answers/v3-contexts.json");
    let agent = with_agent(at(FakeGate::new(), "/api/v3/contexts", ok(body)));
    let output = agent.call("contexts.list", json!({ "filter": "*io" })).unwrap();
    assert_eq!(
        output["contexts"],
        json!([{ "context": "system.io", "title": "Disk I/O", "units": "KiB/s", "live": false }])
    );
    assert!(agent.gate_seen().requests()[0].url.contains("scope_contexts=%2Aio"));

    let cloud = with_cloud(ok(body));
    assert_eq!(cloud.call("contexts.list", json!({})).unwrap()["total"], json!(2));
    assert!(cloud.gate_seen().requests()[0].url.ends_with("/api/v3/spaces/s-1/rooms/r-1/contexts"));
}
