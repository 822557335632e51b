//! What Prometheus reads, and what is made of it: promtool judges all of it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{
    hub::{Hub, OPERATOR, VIEWER, eventually},
    killable::Killable,
    testbed::testbed,
    tools::test_tool,
};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

/// Runs promtool on something, and gives what it complains of.
fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(test_tool("promtool", "bin/promtool"));
    command.args(arguments).current_dir(deploy("prometheus"));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let told = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&told).into_owned())
}

/// What the hub tells on its listener for metrics.
async fn metrics(hub: &Hub) -> String {
    let told = async || {
        let log = hub.log();
        let line = log.lines().find(|line| line.contains("metrics are told there"))?;
        let (_, address) = line.split_once("address=")?;
        Some(address.split_whitespace().next()?.trim_matches('"').to_owned())
    };
    let address = eventually("it listens for Prometheus", told).await;
    let answer = Hub::send(hub.client().get(format!("http://{address}/metrics")), None).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4"), "{answer:?}");
    answer.text
}

/// The value of a series, which must be there.
fn value(told: &str, series: &str) -> f64 {
    let line = told.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not there: {told}")).parse().expect("a number")
}

/// A hub of which each metric has been told once.
async fn used(upstream: &mut Killable) -> Hub {
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let with = [&*hosts, "breaker: { open_s: 600 }"];
    let hub = Hub::start_with(&testbed(&with), &["--metrics-listen", "127.0.0.1:0"]);
    let (viewer, operator) = (hub.token(VIEWER), hub.token(OPERATOR));
    let input = json!({ "url": upstream.url(200) });
    assert_eq!(hub.call(&viewer, "testbed/fetch.get", &input).await.status, 200);
    let input = json!({ "url": upstream.url(404) });
    assert_eq!(hub.call(&viewer, "testbed/fetch.get", &input).await.status, 200);
    for name in ["no-such/tool.x", "testbed/no.such-tool", "\u{7}forged/{}"] {
        assert_ne!(hub.call(&viewer, name, &json!({})).await.status, 200);
    }
    let read = json!({ "uri": "testbed+testbed://items/a-callers-own-word" });
    hub.mcp(&viewer, "resources/read", &read).await;
    assert_eq!(hub.post("/providers/testbed/calls.count", None, "{}").await.status, 401);
    upstream.kill();
    let open = async || {
        let reply = hub.call(&operator, "testbed/fetch.get", &json!({ "url": upstream.url(200) })).await;
        (reply.json()["code"] == "circuit_open").then_some(())
    };
    eventually("the breaker is open", open).await;
    hub
}

#[tokio::test]
async fn what_is_told_is_what_happened_and_promtool_finds_no_fault() {
    let mut upstream = Killable::start();
    let hub = used(&mut upstream).await;
    let told = metrics(&hub).await;
    assert_eq!(promtool(&["check", "metrics"], &told), None, "{told}");
    let host = upstream.host();
    let sent = |status: &str| {
        let of = format!(r#"host="{host}",provider="testbed",status="{status}""#);
        value(&told, &format!("bulkhead_outbound_requests_total{{{of}}}"))
    };
    assert_eq!((sent("2xx"), sent("4xx")), (1.0, 1.0));
    assert!(sent("no_connection") >= 4.0, "{told}");
    assert_eq!(value(&told, r#"bulkhead_denials_total{rule="token_missing"}"#), 1.0);
    assert_eq!(value(&told, r#"bulkhead_breakers_open{provider="testbed"}"#), 1.0);
    assert_eq!(value(&told, r#"bulkhead_provider_status{provider="testbed",status="down"}"#), 1.0);
    assert_eq!((value(&told, "bulkhead_ready"), value(&told, "bulkhead_recording")), (1.0, 1.0));
    assert!(value(&told, r#"bulkhead_sandbox_memory_bytes_sum{provider="testbed"}"#) > 65_536.0);
    assert!(value(&told, "bulkhead_audit_commit_duration_seconds_count") >= 1.0);
    assert!(value(&told, r#"bulkhead_reloads_total{result="ok"}"#) >= 1.0);
    for own in ["no-such", "no.such-tool", "forged", "a-callers-own-word"] {
        assert!(!told.contains(own), "{own} is a caller's word: {told}");
    }
    assert_eq!(promtool(&["check", "metrics"], "no metric at all {").map(|_| ()), Some(()), "it can find fault");
}

#[tokio::test]
async fn without_a_listener_for_them_there_are_none() {
    let hub = Hub::start(&testbed(&[]));
    assert_eq!(hub.get("/metrics", None).await.status, 404);
    assert_eq!(hub.get("/metrics", Some(&hub.token(VIEWER))).await.status, 404);
}

#[test]
fn each_alert_fires_and_clears() {
    assert_eq!(promtool(&["check", "rules", "alerts.yaml"], ""), None);
    assert_eq!(promtool(&["test", "rules", "alerts.test.yaml"], ""), None);
    let read = |file: &str| fs::read_to_string(deploy(file)).expect("a file");
    let (rules, tests) = (read("prometheus/alerts.yaml"), read("prometheus/alerts.test.yaml"));
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n          - ")), "{alert} fires");
        assert!(tests.contains(&format!("alertname: {alert}, exp_alerts: [] }}")), "{alert} clears");
    }
}

#[tokio::test]
async fn each_metric_that_alerts_and_dashboard_name_is_told() {
    let mut upstream = Killable::start();
    let hub = used(&mut upstream).await;
    let told = metrics(&hub).await;
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(deploy("grafana/bulkhead.json")).expect("a file")).expect("JSON");
    let rules = fs::read_to_string(deploy("prometheus/alerts.yaml")).expect("a file");
    let named = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let words = words.filter(|word| word.starts_with("bulkhead_"));
        words.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let named: BTreeSet<_> = named(&dashboard.to_string()).into_iter().chain(named(&rules)).collect();
    assert!(named.len() > 15, "{named:?}");
    let there: BTreeSet<_> = told.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let missing: Vec<_> = named.iter().filter(|name| !there.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} of {there:?}");
}
