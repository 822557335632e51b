//! Providers that load, and misbehave when they are asked how they are.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CALM, entry, row, rows, well_described};
use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{Folder, Hub, VIEWER};
use crate::support::raw::Raw;
use crate::support::testbed::replace;

const FILE: &str = include_str!("checks.wat");
/// A status and a reason, for all rows.
const HEALTH: &str =
    "(func $health (param $status i32) (param $at i32) (param $len i32) (result i32) (local $result i32)
  (local.set $result (call $alloc (i32.const 12)))
  (i32.store8 (local.get $result) (local.get $status))
  (i32.store offset=4 (local.get $result) (local.get $at))
  (i32.store offset=8 (local.get $result) (local.get $len))
  (local.get $result))\n";
/// A check takes five seconds at most.
const LATEST: Duration = Duration::from_millis(5500);

/// A row of the file, the health that is told, what is said to be wrong, and whether calls are let through.
const ROWS: &[(&str, &str, &str, bool)] = &[
    ("check-loops", "degraded", "the health check timed out: no answer within 5000 ms", true),
    ("check-recurses", "down", "stack limit 512 KiB reached", false),
    ("check-traps", "down", "the provider crashed: wasm trap: wasm `unreachable` instruction executed", false),
    ("check-grows", "down", "memory limit 64 MiB reached", false),
    ("check-outside", "down", "the provider crashed", false),
    ("status-out-of-range", "down", "the provider crashed", false),
    ("reason-outside", "down", "the provider crashed", false),
    ("reason-no-text", "down", "the provider crashed", false),
    ("reason-20-mib", "down", "output limit 10 MiB reached", false),
    ("reason-9-mib", "degraded", "aaaaaaaa", true),
    ("reason-forges", "degraded", r#"tired\n"}],"status":"ok"\r\u{1b}[2J\u{202e}\u{e0041}"#, true),
    ("down-and-forges", "down", r"tired\nhello-rs: ok", false),
    ("ok-with-a-reason", "ok", "", true),
];

fn named<'a>(health: &'a Value, provider: &str) -> &'a Value {
    let providers = health["providers"].as_array().expect("providers");
    providers.iter().find(|one| one["provider"] == provider).expect("it is there")
}

#[tokio::test]
async fn whatever_a_health_check_does_its_provider_alone_is_what_it_says() {
    assert_eq!(rows(FILE), ROWS.iter().map(|row| row.0).collect::<Vec<_>>(), "each row of the file has its end");
    let folder = Folder::new();
    let entries = ROWS.iter().map(|(name, ..)| {
        let text = format!("{CALM}{HEALTH}{}", row(FILE, name));
        let bytes = Raw { text: &text, description: Some(well_described()), ..Raw::default() }.build();
        entry(name, &replace(folder.path(), &format!("{name}.wasm"), &bytes).display().to_string())
    });
    let hub = Hub::start(&format!("{HELLO}{}", entries.collect::<String>()));
    let token = hub.token(VIEWER);
    let mut wrong = String::new();
    for (name, status, reason, serves) in ROWS {
        let before = hub.events().len();
        let started = Instant::now();
        let reply = hub.get(&format!("/providers/{name}/health"), Some(&token)).await;
        let took = started.elapsed();
        let health = reply.json();
        let told = health["error"].as_str().unwrap_or_default();
        let fits = told.starts_with(reason) && told.len() <= 1000 && told.is_empty() == reason.is_empty();
        let code = if *status == "down" { 503 } else { 200 };
        if (reply.status, health["status"].as_str()) != (code, Some(status)) || !fits || took > LATEST {
            writeln!(wrong, "{name} after {took:?}: {:.500}", reply.text).expect("a string");
        }
        let all = hub.get("/health", Some(&token)).await.json();
        if error_of(&all, name) != told || named(&all, name)["status"] != *status {
            writeln!(wrong, "{name} in all: {:.500}", named(&all, name)).expect("a string");
        }
        assert_eq!(named(&all, "hello-rs")["error"], Value::Null, "after {name}: {all}");
        let events = hub.events();
        let row = &events[events.len() - 1];
        if events.len() != before + 1 || row["operation"] != "check_health" || row["provider"] != *name {
            writeln!(wrong, "{name} left {} rows: {row}", events.len() - before).expect("a string");
        }
        let call = hub.call(&token, &format!("{name}/calm"), &json!({})).await;
        if (call.status == 200) != *serves || !(call.status == 200 || call.json()["code"] == "provider_unavailable") {
            writeln!(wrong, "{name} is called: {call:.500?}").expect("a string");
        }
        assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200, "after {name}");
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(hub.get("/health", None).await.json()["status"], "degraded", "some of it works");
    hub.command(&["audit", "verify"]);
}
