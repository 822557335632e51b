//! The provider `netdata` against a real Netdata Agent, through the hub.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, VIEWER, eventually},
    netdata::{CRITICAL_ALARM, Netdata, WARNING_ALARM},
    stdio::Stdio,
    upstreams::{Upstream, contract::Contract, netdata::relay},
};

/// The port of the shipped config.
const PORT: u16 = 19999;

/// The first two providers of the shipped config, with an agent at this address.
fn shipped(agent_url: &str) -> String {
    let shipped = include_str!("../../../provider-config.yaml");
    let (_, providers) = shipped.split_once("\nproviders:\n").expect("it has providers");
    // The others would go out to the Internet.
    let (providers, _) = providers.split_once("\n  osv:\n").expect("osv comes third");
    let mut text = providers.replace("http://127.0.0.1:19999", agent_url);
    for name in ["hello-rs", "netdata"] {
        text = text.replace(&format!("providers/{name}.wasm"), &format!("{{{name}.wasm}}"));
    }
    text
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The names of an MCP tools/list.
async fn listed(hub: &Hub, token: &str) -> Vec<String> {
    let list = hub.mcp(token, "tools/list", &json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap_or_else(|| panic!("{list}"));
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// What the agent itself says, oldest first, as `values` of metrics.query.
fn straight(agent: &Netdata, after: u64, before: u64) -> Vec<Value> {
    let path = format!(
        "/api/v1/data?chart=system.load&after={after}&before={before}&points=4&group=average&options=unaligned&format=json"
    );
    let answer: Value = serde_json::from_str(&agent.get(&path).expect("an answer")).expect("JSON");
    let rows = answer["data"].as_array().expect("rows").iter().rev();
    rows.map(|row| Value::from(row.as_array().expect("a row")[1..].to_vec())).collect()
}

#[tokio::test]
async fn numbers_and_alarms_of_the_agent_come_back_over_every_surface_and_are_recorded() {
    let agent = Netdata::start(PORT).expect("an agent");
    let hub = Hub::start(&shipped(&agent.url()));
    agent.wait_for_alarms().expect("alarms");
    let user = Uuid::new_v4();
    let token = hub.token_for(OPERATOR, user);
    let mut stdio = Stdio::start(&hub, &token);

    // A window in the past, so that everybody sees the same; the load is sampled every five seconds.
    let (after, before) = eventually("the load is charted", async || {
        let (after, before) = (now() - 26, now() - 6);
        straight(&agent, after, before).iter().any(|row| row[0].is_number()).then_some((after, before))
    })
    .await;
    let query = json!({ "context": "system.load", "after": after, "before": before, "points": 4 });
    for (tool, input) in [("metrics.query", query), ("alerts.list", json!({}))] {
        let params = json!({ "name": format!("netdata.{tool}"), "arguments": input });
        let started = Instant::now();
        let rest = hub.call(&token, &format!("netdata/{tool}"), &input).await;
        assert_eq!(rest.status, 200, "{rest:?}");
        let mcp = hub.mcp(&token, "tools/call", &params).await;
        let over_stdio = stdio.ask("tools/call", &params);
        let elapsed = started.elapsed().as_millis();

        let outputs = [&rest.json(), &mcp["result"]["structuredContent"], &over_stdio["result"]["structuredContent"]];
        for output in outputs {
            match tool {
                "metrics.query" => {
                    assert_eq!(output["dimensions"], json!(["load1", "load5", "load15"]));
                    let points = output["points"].as_array().expect("points");
                    let values: Vec<_> = points.iter().map(|point| point["values"].clone()).collect();
                    assert_eq!(values, straight(&agent, after, before));
                }
                _ => {
                    let alerts = output["alerts"].as_array().expect("alerts");
                    let raised: Vec<_> = alerts.iter().map(|alert| (&alert["name"], &alert["status"])).collect();
                    let (critical, warning) = (json!(CRITICAL_ALARM), json!(WARNING_ALARM));
                    assert_eq!(raised, [(&critical, &json!("critical")), (&warning, &json!("warning"))]);
                }
            }
        }

        let rows: Vec<_> = hub.events().into_iter().filter(|event| event["tool"] == tool).collect();
        let surfaces: Vec<_> = rows.iter().map(|row| row["surface"].as_str().expect("text")).collect();
        assert_eq!(surfaces, ["rest", "mcp", "stdio"], "one row each");
        for (row, output) in rows.iter().zip(outputs) {
            assert_eq!((row["provider"].as_str(), row["outcome"].as_str()), (Some("netdata"), Some("ok")));
            assert_eq!((&row["caller_id"], &row["caller_role"]), (&json!(user), &json!(OPERATOR)));
            let document =
                |field: &str| serde_json::from_str::<Value>(row[field].as_str().expect("JSON")).expect("JSON");
            assert_eq!((document("payload"), &document("result")), (input.clone(), output));
            assert_eq!(row["hostname"], "127.0.0.1:19999");
            let duration = row["duration_ms"].as_u64().expect("a number");
            assert!(u128::from(duration) <= elapsed, "{duration} ms of {elapsed} ms");
        }
    }
}

#[tokio::test]
async fn a_gauge_set_to_42_comes_back_as_42() {
    let agent = Netdata::start(0).expect("an agent");
    let hub = Hub::start(&shipped(&agent.url()));
    let token = hub.token(ADMIN);
    let input = json!({ "chart": "statsd_test.answer_gauge", "after": -3, "points": 1 });
    let value = eventually("the gauge is charted", async || {
        // Again and again, because the agent may answer before its statsd listens.
        agent.set_gauge("test.answer", 42).expect("a gauge");
        let reply = hub.call(&token, "netdata/metrics.query", &input).await;
        Some(reply.json()["points"][0]["values"][0].clone()).filter(Value::is_number)
    })
    .await;
    assert_eq!(value, 42);
}

#[tokio::test]
async fn an_unknown_chart_is_an_error_that_says_what_to_do() {
    let agent = Netdata::start(0).expect("an agent");
    let hub = Hub::start(&shipped(&agent.url()));
    let (token, input) = (hub.token(VIEWER), json!({ "chart": "no.such_chart" }));
    let reply = hub.call(&token, "netdata/metrics.query", &input).await;
    assert_eq!((reply.status, reply.json()["code"].as_str().unwrap_or_default()), (404, "not_found"), "{reply:?}");
    assert!(reply.json()["detail"].as_str().expect("a detail").contains("contexts.list"), "{reply:?}");
    let event = hub.last_event();
    assert_eq!((event["outcome"].as_str(), event["error_code"].as_str()), (Some("failed"), Some("not_found")));

    let params = json!({ "name": "netdata.metrics.query", "arguments": input });
    let answer = hub.mcp(&token, "tools/call", &params).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().expect("text");
    assert!(text.starts_with("not_found: ") && text.contains("netdata.contexts.list"), "as it is called here: {text}");
    assert_eq!(answer["result"]["_meta"]["bulkhead"]["code"], "not_found");
}

#[tokio::test]
async fn a_stopped_agent_takes_its_tools_away_and_nothing_else_until_it_is_back() {
    let agent = Netdata::start(0).expect("an agent");
    let (url, port) = (agent.url(), agent.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port"));
    let hub = Hub::start(&shipped(&url));
    let token = hub.token(VIEWER);
    let all = listed(&hub, &token).await;
    assert_eq!(all.iter().filter(|name| name.starts_with("netdata.")).count(), 4, "{all:?}");

    // A check that is under way must not find the agent gone before the call does.
    assert_eq!(hub.get("/providers/netdata/health", Some(&token)).await.status, 200);
    drop(agent);
    let started = Instant::now();
    let reply = hub.call(&token, "netdata/alerts.list", &json!({})).await;
    let problem = reply.json();
    assert_eq!(
        (reply.status, problem["code"].as_str().unwrap_or_default()),
        (502, "upstream_unreachable"),
        "{reply:?}"
    );
    assert!(problem["detail"].as_str().expect("a detail").contains(&format!("No Netdata Agent answers at {url}")));

    // Whoever looks at its health makes the hub know at once; otherwise the monitor does.
    let reply = eventually("it is known to be down", async || {
        let reply = hub.get("/providers/netdata/health", Some(&token)).await;
        (reply.status == 503).then_some(reply)
    })
    .await;
    assert_eq!(reply.json()["status"], "down");
    let reply = hub.call(&token, "netdata/alerts.list", &json!({})).await;
    assert_eq!((reply.status, reply.json()["code"].as_str().unwrap_or_default()), (503, "provider_unavailable"));
    assert!(reply.json()["detail"].as_str().expect("a detail").contains(&url), "{reply:?}");
    assert_eq!(reply.header("retry-after"), "5");
    assert_eq!(hub.last_event()["hostname"], Value::Null, "nothing was sent");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(listed(&hub, &token).await, ["hello-rs.echo.v1", "hello-rs.sum.v1"]);
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "on" })).await.status, 200);

    let _agent = Netdata::start(port).expect("an agent again");
    eventually("it is back", async || (listed(&hub, &token).await == all).then_some(())).await;
    assert_eq!(hub.call(&token, "netdata/alerts.list", &json!({})).await.status, 200);
}

#[tokio::test]
async fn every_tool_asks_what_netdatas_contract_allows() {
    let agent = Netdata::start(0).expect("an agent");
    let upstream = Upstream::start(relay(agent.url())).await;
    let ca = upstream.ca();
    let hub = Hub::start(&format!("{}\noutbound: {{ extra_ca: {} }}\n", shipped(&upstream.url), ca.display()));
    let token = hub.token(ADMIN);
    for (tool, input) in [
        ("metrics.query", json!({ "context": "system.load", "after": -60, "points": 3 })),
        ("metrics.query", json!({ "chart": "system.load", "after": -60, "points": 3 })),
        ("alerts.list", json!({ "status": "warning" })),
        ("contexts.list", json!({ "limit": 5 })),
        ("nodes.list", json!({})),
    ] {
        // An agent that has just started has no numbers for a moment.
        eventually(&format!("{tool} {input}"), async || {
            (hub.call(&token, &format!("netdata/{tool}"), &input).await.status == 200).then_some(())
        })
        .await;
    }
    Contract::of("netdata").judge(&upstream.asked(), "").await;
}
