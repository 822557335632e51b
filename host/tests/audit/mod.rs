//! The audit trail: every operation is one row, on disk before its answer, and nobody changes it unseen.

mod archives;
mod checkpoints;
mod commands;
mod copy;
mod denials;
mod floods;
mod kept;
mod keys;
mod masks;
mod postgres;
mod proofs;
mod purge;
mod replays;
mod search;
mod supabase;
mod tampering;
mod trail;
mod usage;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER, eventually};
use crate::support::testbed::{Testbed, testbed};
use crate::support::upstream::Upstream;

fn field<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_else(|| panic!("{name} in {event}"))
}

/// The database for whoever wants to tamper with it.
fn tamper(hub: &Hub) -> Connection {
    let connection = Connection::open(hub.data().join("ops.db")).expect("a database");
    connection.busy_timeout(Duration::from_secs(5)).expect("set");
    connection
}

/// A testbed that may reach the upstream.
fn reaching(upstream: &Upstream, timeout_ms: u32) -> String {
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    Testbed { with: &[&hosts], timeout_ms, ..Testbed::default() }.yaml()
}

#[tokio::test]
async fn a_success_leaves_a_row_with_every_field() {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream, 5000));
    let user = Uuid::new_v4();
    let token = hub.command(&["token", "--role", OPERATOR, "--user", &user.to_string(), "--team", "blue"]);
    let input = json!({ "url": upstream.url("/echo") });
    let before = Utc::now();
    let request = hub.client().post(format!("{}/providers/testbed/fetch.get", hub.url)).body(input.to_string());
    let request = request.header("content-type", "application/json").header("x-correlation-id", "req-7");
    let reply = Hub::send(request, Some(&token)).await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let [event] = &hub.events()[..] else { panic!("one row: {:?}", hub.events()) };
    for (name, value) in [
        ("provider", "testbed"),
        ("tool", "fetch.get"),
        ("caller_id", &user.to_string()),
        ("caller_role", OPERATOR),
        ("team", "blue"),
        ("payload", &input.to_string()),
        ("result", &reply.json().to_string()),
        ("hostname", &upstream.address.to_string()),
        ("outcome", "ok"),
        ("operation", "call_tool"),
        ("surface", "rest"),
        ("correlation_id", "req-7"),
        ("id", reply.header("x-call-id")),
    ] {
        assert_eq!(field(event, name), value, "{name}");
    }
    assert!(event["error"].is_null() && event["error_code"].is_null(), "{event}");
    assert!(event["duration_ms"].as_u64().is_some_and(|ms| ms < 5000), "{event}");
    assert_eq!(field(event, "revision").len(), 64);
    assert_eq!(field(event, "id").parse::<Uuid>().expect("a UUID").get_version_num(), 7);
    let at = field(event, "created_at");
    assert!(at.len() == 24 && at.ends_with('Z'), "RFC 3339 with milliseconds: {at}");
    let at: DateTime<Utc> = at.parse().expect("a time");
    assert!((at - before).num_seconds().abs() < 10, "{at}");
}

#[tokio::test]
async fn every_other_ending_leaves_exactly_one_row_too() {
    let strict = Testbed { name: "strict", min_role: "ops_admin", timeout_ms: 200, ..Testbed::default() }.yaml();
    let disabled = "  off: { enabled: false, component: x.wasm, tools: [] }\n";
    let limits = "rate_limits: { ops_viewer: { writes: 1/hour } }";
    let hub = Hub::start(&format!("{}{strict}{disabled}", testbed(&[limits])));
    let (viewer, admin) = (hub.token(VIEWER), hub.token(ADMIN));
    let note = json!({ "text": "a" });
    assert_eq!(hub.call(&viewer, "testbed/write.note", &note).await.status, 200);
    let fail = json!({ "code": "upstream-failed", "message": "it is broken" });
    let late = json!({ "code": "upstream-timeout", "message": "it is slow" });
    let empty = json!({});
    let cases: [(&str, &str, &Value, u16, &str, &str); 9] = [
        (&viewer, "strict/write.note", &note, 403, "denied", "role_too_low"),
        (&viewer, "testbed/write.note", &note, 429, "denied", "rate_limited"),
        (&viewer, "testbed/fetch.get", &empty, 400, "invalid", "input_invalid"),
        (&viewer, "testbed/fail.with", &fail, 502, "failed", "upstream_failed"),
        (&viewer, "testbed/fail.with", &late, 504, "timeout", "upstream_timeout"),
        (&admin, "strict/spin.forever", &empty, 504, "timeout", "timeout"),
        (&viewer, "testbed/no.such", &empty, 404, "invalid", "unknown_tool"),
        (&viewer, "nobody/no.such", &empty, 404, "invalid", "unknown_provider"),
        (&viewer, "off/no.such", &empty, 503, "failed", "provider_unavailable"),
    ];
    for (token, path, input, status, outcome, code) in cases {
        let rows = hub.events().len();
        let reply = hub.call(token, path, input).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (status, Some(code)), "{path}: {reply:?}");
        assert_eq!(hub.events().len(), rows + 1, "{path}");
        let event = hub.last_event();
        assert_eq!((field(&event, "outcome"), field(&event, "error_code")), (outcome, code), "{event}");
        assert_eq!(field(&event, "id"), reply.header("x-call-id"));
        assert_eq!(format!("{}/{}", field(&event, "provider"), field(&event, "tool")), path);
        let ran = matches!(code, "upstream_failed" | "upstream_timeout" | "timeout");
        let payload = if ran { json!(input.to_string()) } else { Value::Null };
        assert_eq!(event["payload"], payload, "what never ran keeps none: {path}");
        assert_eq!(field(&event, "error"), reply.json()["detail"].as_str().expect("text"));
        assert!(event["result"].is_null() && event["caller_id"].is_string(), "{event}");
    }
    let rows = hub.events().len();
    for (body, status, code) in [("{ no", 400, "input_malformed"), ("[1]", 400, "input_invalid")] {
        let reply = hub.post("/providers/testbed/write.note", Some(&admin), body).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (status, Some(code)));
        assert_eq!(field(&hub.last_event(), "error_code"), code);
    }
    assert_eq!(hub.events().len(), rows + 2);
}

#[tokio::test]
async fn a_refused_identity_leaves_a_row_without_a_caller() {
    let hub = Hub::start(&testbed(&[]));
    for (token, code) in [(None, "token_missing"), (Some("not.a.token"), "token_malformed")] {
        let rows = hub.events().len();
        let reply = hub.post("/providers/testbed/write.note", token, r#"{"text":"a"}"#).await;
        assert_eq!(reply.status, 401);
        let event = hub.last_event();
        assert_eq!(hub.events().len(), rows + 1);
        let told = (field(&event, "outcome"), field(&event, "error_code"), field(&event, "operation"));
        assert_eq!(told, ("denied", code, "authenticate"));
        assert_eq!(field(&event, "correlation_id"), reply.header("x-correlation-id"));
        assert!(event["caller_id"].is_null() && event["payload"].is_null(), "{event}");
    }
}

#[tokio::test]
async fn the_row_is_on_disk_when_the_answer_arrives() {
    let hub = Hub::start_with(&testbed(&[]), &["--max-calls-per-caller", "100"]);
    let token = hub.token(ADMIN);
    let calls = (0..100).map(async |n| {
        let reply = hub.call(&token, "testbed/write.note", &json!({ "text": format!("note {n}") })).await;
        let id = reply.header("x-call-id").to_owned();
        let query = "SELECT count(*) FROM events WHERE id = ?1 AND outcome = 'ok'";
        let rows: i64 = hub.database().query_row(query, [&id], |row| row.get(0)).expect("a count");
        (rows, id)
    });
    let answered = futures::future::join_all(calls).await;
    assert!(answered.iter().all(|(rows, _)| *rows == 1), "{answered:?}");
    let ids: BTreeSet<_> = answered.iter().map(|(_, id)| id).collect();
    assert_eq!((ids.len(), hub.events().len()), (100, 100), "one each");
}

#[tokio::test]
async fn a_large_payload_is_kept_as_its_digest_and_a_preview() {
    let hub = Hub::start(&testbed(&[]));
    let input = json!({ "text": "x".repeat(100_000) });
    assert_eq!(hub.call(&hub.token(ADMIN), "testbed/write.note", &input).await.status, 200);
    let kept: Value = serde_json::from_str(field(&hub.last_event(), "payload")).expect("JSON");
    let document = input.to_string();
    let digest = digest::digest(&digest::SHA256, document.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&kept["bytes"], &kept["sha256"]), (&json!(document.len()), &json!(hex)));
    assert!(document.starts_with(kept["preview"].as_str().expect("text")));
    assert!(kept.to_string().len() < 4096);
}

#[tokio::test]
async fn rows_can_only_be_added() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    for _ in 0..3 {
        hub.call(&token, "testbed/write.note", &json!({ "text": "a" })).await;
    }
    let (before, database) = (hub.events(), tamper(&hub));
    let columns = "provider, tool, caller_id, caller_role, payload, payload_salt, result, result_salt, error, duration_ms, \
        hostname, created_at, recorded_at, outcome, error_code, operation, surface, correlation_id, team, revision, times";
    let one = "FROM run_events WHERE tool IS NOT NULL LIMIT 1";
    for statement in [
        "UPDATE run_events SET result = 'forged'".to_owned(),
        "DELETE FROM run_events".to_owned(),
        // The same row again, another in its place, and the same elsewhere.
        format!("INSERT OR REPLACE INTO run_events SELECT * {one}"),
        format!("INSERT OR REPLACE INTO run_events (position, id, {columns}) SELECT position, x'00', {columns} {one}"),
        format!(
            "INSERT OR REPLACE INTO run_events (position, id, {columns}) SELECT position + 1000, id, {columns} {one}"
        ),
        format!(
            "INSERT INTO run_events (position, id, {columns}) SELECT position, id, {columns} FROM run_events \
             WHERE tool IS NOT NULL ON CONFLICT (id) DO UPDATE SET result = 'forged'"
        ),
        "UPDATE run_intents SET tool = 'forged'".to_owned(),
        "DELETE FROM run_intents".to_owned(),
        "INSERT OR REPLACE INTO run_intents SELECT * FROM run_intents".to_owned(),
        "UPDATE audit_writers SET writer = x'00'".to_owned(),
        "DELETE FROM audit_writers".to_owned(),
        "INSERT OR REPLACE INTO audit_writers SELECT * FROM audit_writers".to_owned(),
        "UPDATE audit_batches SET head = x'00'".to_owned(),
        "DELETE FROM audit_statements".to_owned(),
        "DELETE FROM audit_batches".to_owned(),
        "INSERT OR REPLACE INTO audit_batches SELECT * FROM audit_batches".to_owned(),
    ] {
        let refused = database.execute(&statement, []);
        let error = refused.map_or_else(|error| error.to_string(), |rows| format!("{rows} rows changed"));
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
    assert_eq!(hub.events(), before);
}

/// A trail of two runs of a hub, with the hub stopped.
async fn trail() -> Hub {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    for run in 0..2 {
        for n in 0..4 {
            let input = json!({ "text": format!("note {n} of run {run}") });
            assert_eq!(hub.call(&token, "testbed/write.note", &input).await.status, 200);
        }
        assert_eq!(hub.stop(), Some(0));
        if run == 0 {
            hub.run();
        }
    }
    hub
}

fn verified(hub: &Hub) -> (bool, String) {
    let output = hub.program().args(["audit", "verify"]).output().expect("it runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test]
async fn a_clean_trail_verifies_also_while_the_hub_writes_it() {
    let mut hub = trail().await;
    let (ok, report) = verified(&hub);
    assert!(ok && report.contains("from 2 hub runs: nothing was changed or removed"), "{report}");
    hub.run();
    let token = hub.token(ADMIN);
    hub.call(&token, "testbed/write.note", &json!({ "text": "a" })).await;
    let (ok, report) = verified(&hub);
    assert!(ok && report.contains("from 3 hub runs"), "{report}");
}

#[tokio::test]
async fn a_hub_that_is_killed_in_the_middle_of_a_scan_leaves_an_interrupted_row() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream, 30_000));
    let user = Uuid::new_v4();
    let token = hub.token_for(OPERATOR, user);
    let input = json!({ "url": upstream.url("/wait") }).to_string();
    let scan =
        hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).bearer_auth(token).body(input.clone());
    let scan = tokio::spawn(scan.send());
    eventually("the scan runs", async || (!upstream.seen().is_empty()).then_some(())).await;
    let intent: String =
        hub.database().query_row("SELECT lower(hex(id)) FROM run_intents", [], |row| row.get(0)).expect("an intent");
    assert!(hub.events().is_empty(), "it has not ended");
    hub.kill();
    assert!(scan.await.expect("a task").is_err(), "no answer");

    hub.run();
    let [event] = &hub.events()[..] else { panic!("one row: {:?}", hub.events()) };
    assert_eq!((field(event, "outcome"), &*field(event, "id").replace('-', "")), ("interrupted", intent.as_str()));
    assert_eq!((field(event, "tool"), field(event, "payload")), ("scan.slow", input.as_str()));
    assert_eq!((field(event, "caller_id"), field(event, "caller_role")), (&*user.to_string(), OPERATOR));
    hub.stop();
    hub.run();
    assert_eq!(hub.events().len(), 1, "it is told once");
    assert!(verified(&hub).0);
}

#[tokio::test]
async fn a_hub_that_is_asked_to_end_lets_a_call_under_way_finish() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream, 30_000));
    let request = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).bearer_auth(hub.token(ADMIN));
    let call = tokio::spawn(Hub::send(request.body(json!({ "url": upstream.url("/wait") }).to_string()), None));
    eventually("the call runs", async || (!upstream.seen().is_empty()).then_some(())).await;
    let id = hub.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    let url = format!("{}/livez", hub.url);
    let closed = async || reqwest::Client::builder().no_proxy().build().ok()?.get(&url).send().await.err();
    eventually("it takes no new connections", closed).await;
    upstream.release();
    let reply: Reply = call.await.expect("a task");
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(200)));
    assert_eq!(hub.stop(), Some(0));
    assert_eq!(field(&hub.last_event(), "id"), reply.header("x-call-id"));
}

/// Calls a tool while another writer holds the database until the hub has given up on it, as a full disk would make it.
async fn called_while_nothing_can_be_recorded(hub: &Hub, token: &str, path: &str, input: &Value) -> Reply {
    let lock = tamper(hub);
    let checks = "SELECT count(*) FROM run_events WHERE surface = 'probe'";
    let checked = async || lock.query_row(checks, [], |row| row.get::<_, i64>(0)).ok().filter(|rows| *rows > 0);
    eventually("the monitor has nothing to record any more", checked).await;
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let given_up = async || hub.log().contains("operations could not be recorded").then_some(());
    let release = async {
        eventually("the hub gives up", given_up).await;
        lock.execute_batch("ROLLBACK").expect("unlocked");
    };
    tokio::join!(hub.call(token, path, input), release).0
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    let reply = called_while_nothing_can_be_recorded(&hub, &token, "testbed/calls.count", &json!({})).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("not_recorded")), "{reply:?}");
    assert!(!reply.text.contains("count\":") && !reply.text.contains("ops.db"), "{reply:?}");
    recovered(&hub, &token, "testbed/calls.count", &json!({})).await;
    let events = hub.events();
    let ran: Vec<_> = events.iter().filter(|event| event["outcome"] == "ok").collect();
    assert_eq!((ran.len(), field(ran[0], "id")), (2, reply.header("x-call-id")), "its row has come: {events:?}");
    let (ok, report) = verified(&hub);
    assert!(ok, "{report}");
}

/// Calls until that works again.
async fn recovered(hub: &Hub, token: &str, path: &str, input: &Value) {
    let works = async || (hub.call(token, path, input).await.status == 200).then_some(());
    eventually("it recovers", works).await;
}

#[tokio::test]
async fn a_scan_that_cannot_be_announced_does_not_run() {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream, 5000));
    let (token, input) = (hub.token(ADMIN), json!({ "url": upstream.url("/echo") }));
    let reply = called_while_nothing_can_be_recorded(&hub, &token, "testbed/scan.slow", &input).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("not_recorded")), "{reply:?}");
    assert!(upstream.seen().is_empty());
    recovered(&hub, &token, "testbed/scan.slow", &input).await;
    let events = hub.events();
    let told = events.iter().find(|event| field(event, "id") == reply.header("x-call-id")).expect("a row");
    assert_eq!(field(told, "error_code"), "not_recorded");
}
