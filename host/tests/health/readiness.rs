//! `/livez` and `/readyz`: what keeps calls away from a hub, and what does not.

use std::fs;

use crate::support::{
    health::error_of,
    hub::{Folder, Hub, VIEWER, eventually},
    sloth::sloth,
    testbed::{TOOLS, Testbed, replace, testbed},
};

async fn status(hub: &Hub, path: &str) -> u16 {
    hub.get(path, None).await.status
}

/// Why it is not ready.
async fn reasons(hub: &Hub) -> String {
    let readiness = hub.get("/readyz", None).await;
    let told = readiness.json();
    assert_eq!(readiness.status == 200, told["ready"] == true, "{readiness:?}");
    told["reasons"].to_string()
}

#[tokio::test]
async fn a_typo_in_the_config_and_a_broken_component_are_told_and_keep_no_calls_away() {
    let folder = Folder::new();
    let broken = replace(folder.path(), "broken.wasm", b"no component").display().to_string();
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(VIEWER);
    eventually("it is healthy", async || (status(&hub, "/health").await == 200).then_some(())).await;
    assert_eq!((status(&hub, "/readyz").await, reasons(&hub).await), (200, "[]".to_owned()));

    let config = fs::read_to_string(hub.config_path()).expect("the config");
    fs::write(hub.config_path(), config.replace("providers:", "provders:")).expect("written");
    eventually("health tells of it", async || (status(&hub, "/health").await == 503).then_some(())).await;
    assert_eq!((status(&hub, "/readyz").await, status(&hub, "/livez").await), (200, 200));
    assert_eq!(hub.call(&token, "testbed/calls.count", &serde_json::json!({})).await.status, 200);

    hub.configure(&format!("{}  broken: {{ component: {broken}, tools: [] }}\n", testbed(&[])));
    let is_told = async || {
        let health = hub.get("/health", Some(&token)).await.json();
        (!error_of(&health, "broken").is_empty()).then_some(())
    };
    eventually("health tells of the component", is_told).await;
    assert_eq!((status(&hub, "/health").await, status(&hub, "/readyz").await), (503, 200));
}

#[tokio::test]
async fn a_hub_that_cannot_record_is_alive_and_not_ready_until_it_can() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(VIEWER);
    let lock = rusqlite::Connection::open(hub.data().join("ops.db")).expect("a database");
    lock.execute_batch("BEGIN EXCLUSIVE").expect("held");
    let call = hub.call(&token, "testbed/calls.count", &serde_json::json!({})).await;
    assert_eq!(call.status, 503, "{call:?}");
    assert_eq!((status(&hub, "/readyz").await, status(&hub, "/livez").await), (503, 200));
    let why = reasons(&hub).await;
    assert!(why.contains("nothing can be recorded") && !why.contains("locked"), "no more without a token: {why}");
    lock.execute_batch("ROLLBACK").expect("free");
    eventually("it is ready again", async || (status(&hub, "/readyz").await == 200).then_some(())).await;
}

#[tokio::test]
async fn what_served_before_and_loads_again_keeps_calls_away_and_what_is_new_does_not() {
    let folder = Folder::new();
    let slow = replace(folder.path(), "sloth.wasm", &sloth()).display().to_string();
    let hub = Hub::start(&testbed(&[]));
    eventually("it is ready", async || (status(&hub, "/readyz").await == 200).then_some(())).await;
    hub.configure(&format!("{}  sloth: {{ component: {slow}, tools: [] }}\n", testbed(&[])));
    let loads = async || hub.get("/health", None).await.text.contains("loading").then_some(());
    eventually("the new one loads", loads).await;
    assert_eq!(status(&hub, "/readyz").await, 200);

    // Granted less, it may not go on as it was.
    let less = Testbed { component: &slow, tools: &TOOLS[1..], ..Testbed::default() };
    hub.configure(&less.yaml());
    eventually("it is awaited", async || (status(&hub, "/readyz").await == 503).then_some(())).await;
    let why = reasons(&hub).await;
    assert!(why.contains("still loading: testbed"), "{why}");
    assert_eq!(status(&hub, "/livez").await, 200);
    hub.configure(&testbed(&[]));
    eventually("it serves again", async || (status(&hub, "/readyz").await == 200).then_some(())).await;
}
