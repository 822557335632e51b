//! How the hub says its providers are, and that no caller's load changes it.

mod breaker;
mod overload;
mod readiness;

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub, VIEWER, eventually};
use crate::support::sloth::sloth;
use crate::support::testbed::{Testbed, replace, testbed};
use crate::support::upstream::Upstream;

const DOWN: &str = "settings: { health: down }";

async fn count(hub: &Hub, token: &str) -> u16 {
    hub.call(token, "testbed/calls.count", &json!({})).await.status
}

async fn status_of(hub: &Hub, provider: &str) -> Value {
    let mut health = hub.get("/health", None).await.json();
    let providers = health["providers"].as_array_mut().expect("providers");
    providers.iter_mut().find(|one| one["provider"] == provider).map_or(Value::Null, |one| one["status"].take())
}

#[tokio::test]
async fn slow_calls_of_one_caller_leave_permits_for_others_and_health_as_it_was() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub = Hub::start(&testbed(&[&hosts]).replace("timeout_ms: 5000", "timeout_ms: 30000"));
    let (greedy, other) = (hub.token(VIEWER), hub.token(VIEWER));
    let health = async || (hub.get("/health", None).await.status == 200).then_some(());
    eventually("it was checked", health).await;
    let input = json!({ "url": upstream.url("/wait") });
    // As many as the provider runs at once, and as one caller may have under way.
    let slow = join_all((0..32).map(|_| hub.call(&greedy, "testbed/fetch.get", &input)));
    let meanwhile = async {
        eventually("half of the permits are taken", async || (upstream.seen().len() == 16).then_some(())).await;
        // Long enough for those that wait to be told, and for what the last check found to be stale.
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(1500) {
            assert_eq!(count(&hub, &other).await, 200, "another caller is served");
            assert_eq!(hub.get("/health", None).await.status, 200);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let check = hub.get("/providers/testbed/health", Some(&other)).await;
        assert_eq!((check.status, &check.json()["status"]), (200, &json!("ok")), "{check:?}");
        assert_eq!(hub.get("/health", None).await.status, 200);
        assert_eq!(upstream.seen().len(), 16, "one caller never has more than half");
        upstream.release();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    let ended = |status: u16| slow.iter().filter(|reply| reply.status == status).count();
    assert_eq!((ended(200), ended(503)), (16, 16), "those that got no permit are told: {slow:?}");
    let busy = slow.iter().find(|reply| reply.status == 503).expect("one of them");
    assert_eq!((&busy.json()["code"], busy.header("retry-after")), (&json!("provider_busy"), "1"), "{busy:?}");
    assert_eq!(count(&hub, &greedy).await, 200);
}

#[tokio::test]
async fn a_provider_whose_every_place_is_taken_is_checked_all_the_same() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let one = "sandbox: { concurrent_calls: 1, queued_calls: 0 }";
    let hub = Hub::start(&testbed(&[&hosts, one]).replace("timeout_ms: 5000", "timeout_ms: 30000"));
    let (slow, other) = (hub.token(VIEWER), hub.token(VIEWER));
    let input = json!({ "url": upstream.url("/wait") });
    let under_way = hub.call(&slow, "testbed/fetch.get", &input);
    let meanwhile = async {
        eventually("the permit is taken", async || (!upstream.seen().is_empty()).then_some(())).await;
        assert_eq!(count(&hub, &other).await, 503, "there is one permit");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let check = hub.get("/providers/testbed/health", Some(&other)).await;
        assert_eq!((check.status, &check.json()["status"]), (200, &json!("ok")), "{check:?}");
        assert_eq!(hub.get("/health", None).await.status, 200);
        upstream.release();
    };
    assert_eq!(tokio::join!(under_way, meanwhile).0.status, 200);
}

#[tokio::test]
async fn checks_at_once_share_one_run() {
    let hub = Hub::start(&testbed(&["settings: { health: forever }"]));
    let tokens: Vec<_> = (0..3).map(|_| hub.token(VIEWER)).collect();
    let started = Instant::now();
    let checks = join_all((0..9).map(|n| hub.get("/providers/testbed/health", Some(&tokens[n % tokens.len()])))).await;
    assert!(started.elapsed() < Duration::from_secs(9), "not one after the other: {:?}", started.elapsed());
    let first = checks[0].json();
    assert_eq!(first["status"], "degraded", "{first}");
    assert!(checks.iter().all(|check| check.json() == first), "one run, one answer: {checks:?}");
    let rows = hub.events();
    assert_eq!(rows.len(), 9, "each of them is on record: {rows:?}");
    assert!(rows.iter().all(|row| (&row["outcome"], &row["error_code"]) == (&json!("timeout"), &json!("timeout"))));
}

#[tokio::test]
async fn a_check_that_its_caller_breaks_off_is_taken_over_by_who_waits_for_it() {
    let hub = Hub::start(&testbed(&["settings: { health: forever }"]));
    let token = hub.token(VIEWER);
    let checked = async || {
        let health = hub.get("/health", Some(&token)).await.json();
        error_of(&health, "testbed").contains("timed out").then_some(())
    };
    eventually("it was checked", checked).await;
    // What the monitor found is stale, and its next check not due: the next one is a caller's.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let url = format!("{}/providers/testbed/health", hub.url);
    let hasty = hub.client().get(url).bearer_auth(&token).timeout(Duration::from_millis(500)).send();
    let patient = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        hub.get("/providers/testbed/health", Some(&token)).await
    };
    let (hasty, patient) = tokio::join!(hasty, patient);
    assert!(hasty.expect_err("it left").is_timeout());
    assert_eq!(patient.json()["status"], "degraded", "{patient:?}");
}

#[tokio::test]
async fn a_mended_config_is_checked_and_serves_at_once() {
    let hub = Hub::start(&testbed(&[DOWN]));
    let token = hub.token(VIEWER);
    eventually("it is down", async || (count(&hub, &token).await == 503).then_some(())).await;
    let down = hub.get("/providers/testbed/health", Some(&token)).await;
    assert_eq!(down.status, 503, "{down:?}");
    let before = hub.last_event();

    let changed = Instant::now();
    hub.configure(&testbed(&["settings: { health: ok }"]));
    eventually("it serves", async || (count(&hub, &token).await == 200).then_some(())).await;
    let after = hub.last_event();
    eventually("everything is healthy", async || (hub.get("/health", None).await.status == 200).then_some(())).await;
    // One that is down is looked at every five seconds.
    assert!(changed.elapsed() < Duration::from_secs(4), "{:?}", changed.elapsed());
    let revision = |row: &Value| row["revision"].as_str().expect("an id").to_owned();
    assert_ne!(revision(&before), revision(&after), "a revision is component and config");
    assert_eq!(revision(&after).len(), 64);

    hub.configure(&testbed(&[DOWN]));
    eventually("it is down again", async || (count(&hub, &token).await == 503).then_some(())).await;
    assert_eq!(revision(&hub.last_event()), revision(&before), "the same is the same");
}

#[tokio::test]
async fn a_change_of_what_is_well_does_not_make_the_hub_unwell() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(VIEWER);
    eventually("everything is healthy", async || (hub.get("/health", None).await.status == 200).then_some(())).await;
    hub.configure(&testbed(&["sandbox: { memory_mib: 65 }"]));
    let before = hub.get("/providers/testbed/health", Some(&token)).await;
    assert_eq!(before.status, 200);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        let health = hub.get("/health", None).await;
        assert_eq!(health.status, 200, "{health:?}");
    }
}

#[tokio::test]
async fn a_provider_that_goes_down_or_recovers_is_one_line_in_the_log_and_no_success_in_the_trail() {
    let hub = Hub::start(&testbed(&["settings: { health: ok }"]));
    let token = hub.token(VIEWER);
    let lines = |text: &str| hub.log().lines().filter(|line| line.contains(text)).count();
    let logged = || (lines("a provider is down"), lines("a provider is no longer down"));
    for round in 0..2 {
        hub.configure(&testbed(&[DOWN]));
        eventually("it is down", async || (status_of(&hub, "testbed").await == "down").then_some(())).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let down = hub.get("/providers/testbed/health", Some(&token)).await;
        assert_eq!((down.status, &down.json()["status"]), (503, &json!("down")), "{down:?}");
        let row = hub.last_event();
        assert_eq!((&row["outcome"], &row["error_code"]), (&json!("failed"), &json!("provider_down")), "{row}");
        assert_eq!(row["error"], "the settings say so", "{row}");
        assert_eq!(logged(), (round + 1, round));
        hub.configure(&testbed(&["settings: { health: ok }"]));
        eventually("it is back", async || (status_of(&hub, "testbed").await == "ok").then_some(())).await;
        assert_eq!(logged(), (round + 1, round + 1));
    }
    let sql = "SELECT count(*) FROM events WHERE result LIKE '%\"down\"%' AND outcome = ?";
    let rows = |outcome: &str| -> u32 { hub.database().query_row(sql, [outcome], |row| row.get(0)).expect("a number") };
    assert_eq!(rows("ok"), 0, "nor is one of the hub's own checks");
    assert!(rows("failed") >= 4, "{}", rows("failed"));
}

#[tokio::test]
async fn a_provider_that_loads_is_loading_and_one_that_is_disabled_is_disabled() {
    let folder = Folder::new();
    let component = replace(folder.path(), "sloth.wasm", &sloth()).display().to_string();
    let disabled = testbed(&["enabled: false"]);
    let hub = Hub::start(&format!("{HELLO}{disabled}"));
    let token = hub.token(ADMIN);
    eventually("a disabled one is no trouble", async || (hub.get("/health", None).await.status == 200).then_some(()))
        .await;
    assert_eq!(status_of(&hub, "testbed").await, "disabled");
    let check = hub.get("/providers/testbed/health", Some(&token)).await;
    assert_eq!((check.status, &check.json()["status"]), (503, &json!("disabled")), "{check:?}");

    hub.configure(&format!("{HELLO}{disabled}  sloth: {{ component: {component}, tools: [] }}\n"));
    eventually("it loads", async || (status_of(&hub, "sloth").await == "loading").then_some(())).await;
    assert_eq!(hub.get("/health", None).await.status, 503);
    let call = hub.call(&token, "sloth/any.tool", &json!({})).await;
    assert_eq!((call.status, &call.json()["code"]), (503, &json!("loading")), "{call:?}");
    assert_eq!(call.header("retry-after"), "2", "{call:?}");
    let check = hub.get("/providers/sloth/health", Some(&token)).await;
    assert_eq!((check.status, &check.json()["status"]), (503, &json!("loading")), "{check:?}");
    assert_eq!(check.header("retry-after"), "2", "{check:?}");
    for name in ["sloth.any.tool", "sloth__any_tool"] {
        let answer = hub.mcp(&token, "tools/call", &json!({ "name": name, "arguments": {} })).await;
        assert_eq!(answer["result"]["_meta"]["bulkhead"]["code"], "loading", "{answer}");
    }
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
    // One that could not be loaded is loading, too, once there is something else to load.
    replace(folder.path(), "sloth.wasm", b"no component");
    eventually("it has failed", async || (status_of(&hub, "sloth").await == "down").then_some(())).await;
    replace(folder.path(), "sloth.wasm", &sloth());
    eventually("it loads again", async || (status_of(&hub, "sloth").await == "loading").then_some(())).await;
    // What still loads holds up no change.
    hub.configure(&testbed(&[]));
    eventually("it serves", async || (count(&hub, &token).await == 200).then_some(())).await;
    assert_eq!(hub.call(&token, "sloth/any.tool", &json!({})).await.status, 404, "it is gone");
}

#[tokio::test]
async fn a_new_token_does_not_make_a_new_caller_where_places_are_shared() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let few = "sandbox: { concurrent_calls: 4, queued_calls: 0 }";
    let hub = Hub::start(&testbed(&[&hosts, few]).replace("timeout_ms: 5000", "timeout_ms: 30000"));
    let user = Uuid::new_v4();
    let tokens = [hub.token_for(VIEWER, user), hub.token_for(ADMIN, user)];
    let input = json!({ "url": upstream.url("/wait") });
    let slow = join_all((0..8).map(|n| hub.call(&tokens[n % 2], "testbed/fetch.get", &input)));
    let meanwhile = async {
        eventually("two run", async || (upstream.seen().len() == 2).then_some(())).await;
        assert_eq!(count(&hub, &hub.token(VIEWER)).await, 200);
        upstream.release();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    assert_eq!(slow.iter().filter(|reply| reply.status == 200).count(), 2, "{slow:?}");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_still_unknown() {
    let hub = Hub::start(&Testbed::default().yaml());
    let token = hub.token(VIEWER);
    let call = hub.call(&token, "nobody/any.tool", &json!({})).await;
    assert_eq!((call.status, &call.json()["code"]), (404, &json!("unknown_provider")), "{call:?}");
}
