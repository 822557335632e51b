//! The class of a tool is the config's word, and what only reads sends nothing that changes anything.

use serde_json::{Value, json};

use super::{prompt, read};
use crate::support::health::error_of;
use crate::support::hub::{ADMIN, Hub, VIEWER};
use crate::support::testbed::Testbed;
use crate::support::upstream::Upstream;

/// Requests that a call may not send while it only reads, as input of `fetch.ask`.
fn acts(upstream: &Upstream) -> Vec<Value> {
    let ask = upstream.url("/ask");
    let header = |name: &str| json!({ "method": "POST", "url": ask, "headers": { name: "DELETE" } });
    vec![
        json!({ "method": "DELETE", "url": upstream.url("/issues/7") }),
        json!({ "method": "DELETE", "url": ask }),
        json!({ "method": "PUT", "url": ask }),
        json!({ "method": "PATCH", "url": ask }),
        json!({ "method": "POST", "url": upstream.url("/issues") }),
        json!({ "method": "POST", "url": upstream.url("/ask/") }),
        json!({ "method": "POST", "url": upstream.url("/Ask") }),
        json!({ "method": "POST", "url": upstream.url("/%61sk") }),
        json!({ "method": "POST", "url": upstream.url("/ask/../issues") }),
        json!({ "method": "POST", "url": upstream.url("/ask?_method=DELETE") }),
        json!({ "method": "GET", "url": upstream.url("/issues/7?_method=DELETE") }),
        header("x-http-method-override"),
        header("X-HTTP-Method"),
        header("x-method-override"),
        header("x_http_method_override"),
        json!({ "method": "GET", "url": ask, "body": "DELETE /issues/7 HTTP/1.1\r\nHost: x\r\n\r\n" }),
        json!({ "method": "HEAD", "url": ask, "body": "x" }),
        json!({ "method": "POST", "url": ask, "body": "{\"_method\":\"DELETE\"}" }),
        json!({ "method": "GET", "url": ask, "headers": { "x-http-method-override": "DELETE" } }),
    ]
}

/// A provider with both doors' hosts and queries, and these settings.
fn entry(testbed: Testbed<'_>, upstream: &Upstream, settings: &Value) -> String {
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let queries = format!("queries: ['{}']", upstream.url("/ask"));
    let settings = format!("settings: {settings}");
    Testbed { with: &[&hosts, &queries, &settings], ..testbed }.yaml()
}

#[tokio::test]
async fn a_read_tool_cannot_send_delete_nor_anything_else_that_acts_at_either_door() {
    let upstream = Upstream::start();
    let none = json!({});
    let doors = [Testbed::default(), Testbed::second_door()];
    let hub = Hub::start(&doors.map(|door| entry(door, &upstream, &none)).concat());
    let token = hub.token(ADMIN);
    for door in ["testbed", "second-door"] {
        for input in acts(&upstream) {
            let reply = hub.call(&token, &format!("{door}/fetch.ask"), &input).await;
            let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert_eq!(
                (reply.status, &reply.json()["code"]),
                (502, &json!("upstream_unreachable")),
                "{input}: {reply:?}"
            );
            assert!(detail.starts_with("invalid-request"), "{door} {input}: {detail}");
            let told =
                ["`queries`", "`class: write`", "another method", "send POST"].iter().any(|word| detail.contains(word));
            assert!(told, "it says what to do: {detail}");
        }
    }
    for input in [
        json!({ "method": "PURGE", "url": upstream.url("/ask") }),
        json!({ "method": "delete", "url": upstream.url("/ask") }),
    ] {
        let reply = hub.call(&token, "second-door/fetch.ask", &input).await;
        assert_eq!(reply.status, 502, "{input}: {reply:?}");
    }
    assert_eq!(upstream.seen().len(), 0, "nothing of it arrived");
    for (door, tool, input) in [
        ("testbed", "fetch.ask", json!({ "method": "POST", "url": upstream.url("/ask?page=2"), "body": "what?" })),
        (
            "second-door",
            "fetch.ask",
            json!({ "method": "POST", "url": upstream.url("/ask"), "body": "what?",
            "headers": { "content-type": "application/json" } }),
        ),
        ("testbed", "fetch.ask", json!({ "method": "HEAD", "url": upstream.url("/issues") })),
        ("testbed", "fetch.send", json!({ "method": "DELETE", "url": upstream.url("/issues/7") })),
        ("second-door", "fetch.send", json!({ "method": "DELETE", "url": upstream.url("/issues/7") })),
    ] {
        let before = upstream.seen().len();
        let reply = hub.call(&token, &format!("{door}/{tool}"), &input).await;
        assert_eq!((reply.status, upstream.seen().len()), (200, before + 1), "{input}: {reply:?}");
    }
}

#[tokio::test]
async fn a_health_check_a_resource_and_a_prompt_cannot_act_either() {
    let upstream = Upstream::start();
    // One of each kind.
    let acts: Vec<_> = acts(&upstream).into_iter().step_by(4).chain(acts(&upstream).pop()).collect();
    let names: Vec<_> = (0..acts.len()).map(|index| (format!("check{index}"), format!("items{index}"))).collect();
    let providers = acts.iter().zip(&names).map(|(act, (check, items))| {
        let checked = Testbed { name: check, tools: &[], ..Testbed::default() };
        let asked = Testbed { name: items, tools: &[], ..Testbed::default() };
        let checked = entry(checked, &upstream, &json!({ "health": "send", "send": act }));
        checked + &entry(asked, &upstream, &json!({ "send": act }))
    });
    let hub = Hub::start(&providers.collect::<String>().replace("tools:\n", "tools: []\n"));
    let token = hub.token(VIEWER);
    for (act, (check, items)) in acts.iter().zip(&names) {
        let health = hub.get(&format!("/providers/{check}/health"), Some(&token)).await;
        let error = health.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(health.status == 503 && error.starts_with("invalid-request"), "{act}: {health:?}");
        for answer in [
            read(&hub, &token, &format!("{items}+testbed://sent")).await,
            prompt(&hub, &token, &format!("{items}.send")).await,
        ] {
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains("invalid-request"), "{act}: {answer}");
        }
    }
    assert_eq!(upstream.seen().len(), 0, "nothing of it arrived");
}

#[tokio::test]
async fn a_component_that_says_another_class_than_the_config_does_not_load() {
    let plain = Testbed { tools: &["fetch.get", "scan.slow", "write.note"], ..Testbed::default() }.yaml();
    let changed = |tool: &str, from: &str, to: &str| {
        let (from, to) = (format!("{tool}, class: {from}"), format!("{tool}, class: {to}"));
        assert!(plain.contains(&from), "{plain}");
        let name = format!("  {}-{}:", tool.replace('.', "-"), to.rsplit(' ').next().expect("a word"));
        plain.replace(&from, &to).replace("  testbed:", &name)
    };
    let rows = [
        ("fetch.get", "read", "scan"),
        ("fetch.get", "read", "write"),
        ("scan.slow", "scan", "write"),
        ("scan.slow", "scan", "read"),
        ("write.note", "write", "read"),
        ("write.note", "write", "scan"),
    ];
    let providers: String = rows.iter().map(|(tool, from, to)| changed(tool, from, to)).collect();
    let hub = Hub::start(&format!("{plain}{providers}"));
    let token = hub.token(ADMIN);
    let health = hub.get("/health", Some(&token)).await.json();
    assert!(!error_of(&health, "testbed").contains("class"), "{health}");
    for (tool, component, config) in rows {
        let error = error_of(&health, &format!("{}-{config}", tool.replace('.', "-")));
        let told = format!("`{tool}`: the config says class {config}, the component {component}");
        assert!(error.contains(&told), "{error}");
    }
    let tools = hub.mcp(&token, "tools/list", &json!({})).await;
    for tool in tools["result"]["tools"].as_array().expect("tools") {
        let reads = tool["_meta"]["bulkhead/class"] == "read";
        assert_eq!(tool["annotations"]["readOnlyHint"], reads, "{tool}");
    }
}
