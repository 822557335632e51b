//! The commands that read the trail, against a running hub.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{Scene, Store, exports::proven};
use crate::support::hub::{AUDITOR, VIEWER, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn commands_ask_a_running_hub_with_the_rights_of_the_token() {
    let scene = Scene::new(Store::Sqlite).await;
    let hub = &scene.hub;
    let run = |token: &str, arguments: &[&str]| {
        // Nothing but the URL and the token leads there.
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.args(["--data", "/nonexistent", "audit"]).args(arguments).args(["--hub", &hub.url]);
        command.env("BULKHEAD_TOKEN", token).output().expect("it runs")
    };
    let said = |token: &str, arguments: &[&str]| {
        let output = run(token, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let (viewer, auditor) = (scene.token(VIEWER), scene.token(AUDITOR));
    let tools = |token: &str| -> Vec<String> {
        let listed = said(token, &["list", "--operation", "call_tool", "--json"]);
        let events = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        events.map(|event| event["tool"].as_str().expect("a tool").to_owned()).collect()
    };
    assert_eq!(tools(&auditor), ["sum.v1", "sum.v1", "echo.v1", "echo.v1"]);
    assert_eq!(tools(&viewer), ["sum.v1", "echo.v1", "echo.v1"]);
    let table = said(&viewer, &["list", "--outcome", "denied"]);
    assert!(table.lines().count() == 2 && table.contains("hello-rs.sum.v1"), "{table}");
    let id = hub.events().await[0]["id"].as_str().expect("an id").to_owned();
    let shown: Value = serde_json::from_str(&said(&auditor, &["show", &id, "--json"])).expect("JSON");
    assert_eq!(shown["event"]["payload"], json!({ "message": "one" }));
    assert!(said(&auditor, &["show", &id]).contains(r#"payload          {"message":"one"}"#));
    let key = HEXLOWER.decode(hub.command(&["audit", "key"]).as_bytes()).expect("a key");
    assert_eq!(proven(&said(&auditor, &["export", "--tool", "echo.v1"]), &key), Some(2));

    let used = said(&viewer, &["usage", "--by", "tool", "--json"]);
    let mut used: Vec<Value> = used.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    used.retain(|sum| sum["tool"] == "echo.v1");
    assert_eq!(used.iter().map(|sum| sum["calls"].clone()).collect::<Vec<_>>(), [2], "its own");
    assert!(said(&auditor, &["usage"]).contains("echo.v1"));

    // From a file too, and never on the command line.
    let file = hub.folder().join("token");
    fs::write(&file, format!("{viewer}\n")).expect("written");
    assert!(said("none", &["list", "--token-file", file.to_str().expect("a path")]).contains("echo.v1"));
    for (token, arguments, told) in [
        ("none", &["list"][..], "the hub answers 401 token_malformed"),
        (&*viewer, &["show", "01900000-0000-7000-8000-000000000000"], "the hub answers 404 not_found"),
        (&*auditor, &["list", "--text", "x"], "`text` is searched within a day"),
        (&*viewer, &["usage", "--from", "2026-01-01T10:30:00Z"], "`from` has to be a whole hour"),
        (&*auditor, &["verify"], "a trail is verified where its database is"),
    ] {
        let output = run(token, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(told), "{arguments:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_a_hub_also_beyond_its_end() {
    let mut scene = Scene::new(Store::Sqlite).await;
    let (viewer, port) = (scene.token(VIEWER), scene.hub.url.rsplit_once(':').expect("a port").1.to_owned());
    let mut command = scene.hub.program();
    command.args(["audit", "tail", "--tool", "echo.v1", "--json", "--hub", &scene.hub.url]).stdout(Stdio::piped());
    let mut tail = command.env("BULKHEAD_TOKEN", &viewer).spawn().expect("it runs");
    let (sender, lines) = std::sync::mpsc::channel();
    let stdout = BufReader::new(tail.stdout.take().expect("piped"));
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let streams =
        |hub: &crate::support::hub::Hub| hub.events().iter().any(|event| event["operation"] == "audit_stream");
    eventually("it follows", async || streams(&scene.hub).then_some(())).await;
    let mut ids = Vec::new();
    let call = async |hub: &crate::support::hub::Hub| {
        let reply = hub.call(&viewer, "hello-rs/echo.v1", &json!({ "message": "news" })).await;
        assert_eq!(reply.status, 200);
        reply.header("x-call-id").to_owned()
    };
    ids.push(call(&scene.hub).await);
    let next = || {
        let line = lines.recv_timeout(std::time::Duration::from_secs(20)).expect("a line");
        serde_json::from_str::<Value>(&line).expect("JSON")["id"].as_str().expect("an id").to_owned()
    };
    assert_eq!(next(), ids[0]);
    scene.hub.stop();
    scene.hub.listen_at(&format!("127.0.0.1:{port}"));
    scene.hub.run();
    ids.push(call(&scene.hub).await);
    assert_eq!(next(), ids[1], "it goes on where it stood");
    tail.kill().and_then(|()| tail.wait()).expect("it ends");
}
