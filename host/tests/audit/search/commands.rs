//! `bulkhead audit list`, `show`, `export` and `tail` on the data folder of a hub that runs.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use super::{Scene, Store, exports::proven, on_both_stores};
use crate::support::hub::VIEWER;

on_both_stores! { commands_read_the_trail_for_people_and_for_programs, tail_shows_what_is_recorded_from_now_on }

async fn commands_read_the_trail_for_people_and_for_programs(store: Store) {
    let scene = Scene::new(store).await;
    let hub = &scene.hub;
    let listed = hub.command(&["audit", "list", "--operation", "call_tool", "--json"]);
    let events: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let tools: Vec<_> = events.iter().map(|event| event["tool"].as_str().expect("a tool")).collect();
    assert_eq!(tools, ["sum.v1", "sum.v1", "echo.v1", "echo.v1"]);
    let table = hub.command(&["audit", "list", "--outcome", "denied"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("recorded ") && lines[1].contains("hello-rs.sum.v1"), "{table}");
    assert_eq!(lines[0].find("outcome"), lines[1].find("denied"), "columns stand below each other: {table}");

    let id = events[0]["id"].as_str().expect("an id");
    let shown = hub.command(&["audit", "show", id]);
    assert!(shown.contains(r#"payload          {"numbers":[2]}"#), "{shown}");
    let shown: Value = serde_json::from_str(&hub.command(&["audit", "show", id, "--json"])).expect("JSON");
    assert_eq!(shown["event"]["result"], json!({ "sum": 2 }));
    assert!(shown["proof"]["batch"]["signature"].is_string(), "{shown}");

    let key = data_encoding::HEXLOWER.decode(hub.command(&["audit", "key"]).as_bytes()).expect("a key");
    let export = hub.command(&["audit", "export", "--provider", "hello-rs", "--tool", "echo.v1"]);
    assert_eq!(proven(&export, &key), Some(2), "{export}");
    let csv = hub.command(&["audit", "export", "--format", "csv", "--team", "blue"]);
    assert_eq!(csv.lines().count(), 2, "{csv}");

    for (arguments, told) in [
        (&["audit", "list", "--outcome", "fine"][..], "`outcome` cannot be `fine`: write one of ok, "),
        (&["audit", "list", "--text", "x"], "`text` is searched within a day"),
        (&["audit", "list", "--cursor", "x"], "a cursor is what an answer says"),
        (&["audit", "show", "01900000-0000-7000-8000-000000000000"], "there is no row"),
        (
            &["--database-url", "sqlite:/nonexistent/ops.db", "audit", "list"],
            "there is no audit trail at /nonexistent/ops.db",
        ),
    ] {
        let output = hub.program().args(arguments).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(told), "{arguments:?}: {error}");
    }
}

async fn tail_shows_what_is_recorded_from_now_on(store: Store) {
    let scene = Scene::new(store).await;
    let hub = &scene.hub;
    let mut command = hub.program();
    command.args(["audit", "tail", "--tool", "echo.v1", "--json"]).stdout(Stdio::piped());
    let mut tail = command.spawn().expect("it runs");
    let mut lines = BufReader::new(tail.stdout.take().expect("piped")).lines();
    let token = scene.token(VIEWER);
    let end = std::sync::atomic::AtomicBool::new(false);
    let reads = tokio::task::spawn_blocking(move || -> Vec<Value> {
        let next = || serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
        std::iter::repeat_with(next).take(2).collect()
    });
    let calls = async {
        // Until it has begun to look, which nothing tells.
        while !end.load(std::sync::atomic::Ordering::Relaxed) {
            hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "news" })).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let seen = async {
        let seen = reads.await.expect("lines");
        end.store(true, std::sync::atomic::Ordering::Relaxed);
        seen
    };
    let (seen, ()) = tokio::join!(seen, calls);
    tail.kill().and_then(|()| tail.wait()).expect("it ends");
    let seqs: Vec<_> = seen.iter().map(|event| event["seq"].as_i64().expect("a number")).collect();
    assert!(seqs.is_sorted_by(|one, next| one < next), "{seqs:?}");
    assert!(seen.iter().all(|event| event["tool"] == "echo.v1"), "{seen:?}");
    let there = hub.command(&["audit", "list", "--tool", "echo.v1", "--json"]);
    let oldest: Value = serde_json::from_str(there.lines().last().expect("a line")).expect("JSON");
    assert!(seqs[0] > oldest["seq"].as_i64().expect("a number"), "what was there before is not news");
}
