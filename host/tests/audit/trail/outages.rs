//! While nothing can be recorded nothing begins; what was under way has its row when it is over.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use super::{assert_not_recorded, reaching, recovered, rows_of, tamper, verified};
use crate::support::{
    hub::{ADMIN, Hub, Reply, VIEWER, eventually},
    upstream::Upstream,
};

/// Calls a scan that waits at the upstream; it runs when this returns.
async fn scan_under_way(hub: &Hub, token: &str, upstream: &Upstream) -> tokio::task::JoinHandle<Reply> {
    let input = json!({ "url": upstream.url("/wait") }).to_string();
    let request = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).body(input);
    let before = upstream.seen().len();
    let call = tokio::spawn({
        let token = token.to_owned();
        async move { Hub::send(request, Some(&token)).await }
    });
    eventually("the scan runs", async || (upstream.seen().len() > before).then_some(())).await;
    call
}

async fn refusing(hub: &Hub) {
    eventually("the hub refuses", async || hub.log().contains("operations could not be recorded").then_some(())).await;
}

#[tokio::test]
async fn a_scan_that_ran_while_the_database_was_held_has_its_row_when_it_is_free() {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream));
    let (token, viewer) = (hub.token(ADMIN), hub.token(VIEWER));
    let scan = scan_under_way(&hub, &token, &upstream).await;
    let lock = tamper(&hub);
    lock.execute_batch("BEGIN EXCLUSIVE").expect("held");
    upstream.release();
    let scan = scan.await.expect("a task");
    assert_not_recorded(&scan);

    // Nothing begins: no read, no check, and no token is judged.
    let asked = upstream.seen().len();
    let fetch = json!({ "url": upstream.url("/echo") });
    let refused = [
        hub.call(&viewer, "testbed/fetch.get", &fetch).await,
        hub.call(&token, "testbed/scan.slow", &fetch).await,
        hub.call(&token, "nobody/nothing", &fetch).await,
        hub.get("/providers/testbed/health", Some(&viewer)).await,
        hub.post("/providers/testbed/calls.count", None, "{}").await,
    ];
    refused.iter().for_each(assert_not_recorded);
    assert_eq!(upstream.seen().len(), asked);
    let message = hub.mcp(&token, "resources/read", &json!({ "uri": "testbed://leak" })).await;
    assert!(message.to_string().contains("not_recorded") || message["error"].is_object(), "{message}");

    let health = hub.get("/health", None).await;
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("degraded")), "{health:?}");
    let told = health.json()["audit_error"].as_str().expect("told").to_owned();
    assert!(told.contains("nothing can be recorded") && !told.contains("locked"), "no more without a token: {told}");
    let health = hub.get("/health", Some(&viewer)).await;
    assert!(health.json()["audit_error"].as_str().expect("told").contains("database is locked"), "{health:?}");

    lock.execute_batch("ROLLBACK").expect("free");
    recovered(&hub, &token).await;
    let [row] = &rows_of(&hub, scan.header("x-call-id"))[..] else { panic!("one row: {:?}", hub.events()) };
    assert_eq!((row["outcome"].as_str(), row["tool"].as_str()), (Some("ok"), Some("scan.slow")));
    let counted: Vec<_> = hub.events().into_iter().filter(|event| event["operation"] == "refuse").collect();
    let [counted] = &counted[..] else { panic!("one row: {counted:?}") };
    assert!(counted["times"].as_u64() >= Some(6), "{counted}");
    assert_eq!(counted["id"], refused[0].header("x-call-id"), "each answer names it");
    assert!(counted["error"].as_str().expect("told").contains("did not run"), "{counted}");
    let health = hub.get("/health", None).await;
    assert!(health.json()["audit_error"].is_null(), "{health:?}");
    verified(&hub);
}

#[tokio::test]
async fn a_scan_that_ran_before_a_stop_in_which_nothing_could_be_recorded_is_told_of_at_the_next_start() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream));
    let token = hub.token(ADMIN);
    let scan = scan_under_way(&hub, &token, &upstream).await;
    let lock = tamper(&hub);
    lock.execute_batch("BEGIN EXCLUSIVE").expect("held");
    upstream.release();
    let scan = scan.await.expect("a task");
    assert_not_recorded(&scan);
    assert_eq!(hub.stop(), Some(0), "it ends within its time");
    lock.execute_batch("ROLLBACK").expect("free");
    drop(lock);
    hub.run();
    let [row] = &rows_of(&hub, scan.header("x-call-id"))[..] else { panic!("one row: {:?}", hub.events()) };
    assert_eq!(row["outcome"], "interrupted");
    verified(&hub);
}

/// How large a file of the hub's may become from now on; `None` is as large as it likes.
fn limit_files(hub: &Hub, bytes: Option<u64>) {
    let pid = Pid::from_raw(hub.pid().try_into().expect("a process")).expect("a process");
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("set");
}

#[tokio::test]
async fn a_disk_that_takes_no_more_stops_everything_and_loses_nothing() {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream));
    let token = hub.token(ADMIN);
    let scan = scan_under_way(&hub, &token, &upstream).await;
    let log = std::fs::metadata(hub.data().join("ops.db-wal")).expect("there");
    limit_files(&hub, Some(log.len()));
    upstream.release();
    let scan = scan.await.expect("a task");
    assert_not_recorded(&scan);
    refusing(&hub).await;
    for _ in 0..5 {
        assert_not_recorded(&hub.call(&token, "testbed/calls.count", &json!({})).await);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    limit_files(&hub, None);
    recovered(&hub, &token).await;
    let [row] = &rows_of(&hub, scan.header("x-call-id"))[..] else { panic!("one row: {:?}", hub.events()) };
    assert_eq!(row["outcome"], "ok");
    verified(&hub);
}
