//! Checkpoints leave the hub for places that whoever has the database cannot change.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::support::{
    hub::{ADMIN, Folder, Hub, VIEWER, eventually},
    testbed::testbed,
    upstream::Upstream,
};

/// A config whose checkpoints go there.
fn with(sinks: &str) -> String {
    format!("{}audit: {{ checkpoints: [{sinks}] }}\n", testbed(&[]))
}

fn verified(hub: &Hub, arguments: &[&str]) -> (bool, String) {
    let output = hub.program().args(["audit", "verify"]).args(arguments).output().expect("it runs");
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
}

#[tokio::test]
async fn a_sink_that_fails_degrades_health_and_holds_no_call_until_it_is_mended() {
    let hub = Hub::start(&with("{ file: away/checkpoints.jsonl }"));
    let (admin, viewer) = (hub.token(ADMIN), hub.token(VIEWER));
    let note = json!({ "text": "a" });
    assert_eq!(hub.call(&admin, "testbed/write.note", &note).await.status, 200);
    let health = async |token: Option<&str>| hub.get("/health", token).await;
    let told = async || health(Some(&viewer)).await.json()["checkpoint_error"].as_str().map(str::to_owned);
    let why = eventually("health says so", told).await;
    assert!(why.contains("away/checkpoints.jsonl") && why.contains("No such file"), "{why}");
    let reply = health(None).await;
    assert_eq!((reply.status, reply.json()["status"].as_str()), (503, Some("degraded")), "{reply:?}");
    assert!(!reply.text.contains("away") && reply.text.contains("ask with a token"), "{reply:?}");
    assert_eq!(hub.call(&admin, "testbed/write.note", &note).await.status, 200, "calls go on");

    fs::create_dir(hub.folder().join("away")).expect("made");
    let mended = async || health(Some(&viewer)).await.json()["checkpoint_error"].is_null().then_some(());
    eventually("it is given what it missed", mended).await;
    let file = hub.folder().join("away/checkpoints.jsonl");
    assert_eq!(fs::read_to_string(&file).expect("a file").lines().count(), 1);
    let (ok, told) = verified(&hub, &["--checkpoint", file.to_str().expect("a path")]);
    assert!(ok, "{told}");
}

#[tokio::test]
async fn checkpoints_go_to_a_place_on_the_web_with_a_token_of_the_vault() {
    let upstream = Upstream::start();
    let sinks = format!("{{ https: {{ url: '{}', secret: collector }} }}", upstream.url("/echo?of=this"));
    let mut hub = Hub::start(&with(&sinks));
    let (admin, viewer) = (hub.token(ADMIN), hub.token(VIEWER));
    assert_eq!(hub.call(&admin, "testbed/write.note", &json!({ "text": "a" })).await.status, 200);
    // The token is not there yet; what is told does not say more than the host.
    let told = async || {
        let health = hub.get("/health", Some(&viewer)).await.json();
        health["checkpoint_error"].as_str().filter(|why| why.contains("collector")).map(str::to_owned)
    };
    let why = eventually("health says so", told).await;
    assert!(why.starts_with(&format!("http://{}: its token: ", upstream.address)) && !why.contains("/echo"), "{why}");
    assert!(upstream.seen().is_empty(), "nothing is sent without it");
    hub.set_secret("collector", "a-token-for-the-collector");
    eventually("it is sent", async || (!upstream.seen().is_empty()).then_some(())).await;
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.header("authorization"), "Bearer a-token-for-the-collector");
    assert_eq!((seen.header("content-type"), seen.uri.query()), ("application/json", Some("of=this")));
    let mended = async || hub.get("/health", Some(&viewer)).await.json()["checkpoint_error"].is_null().then_some(());
    eventually("it is well again", mended).await;
    // The last one, at the end.
    assert_eq!(hub.call(&admin, "testbed/write.note", &json!({ "text": "b" })).await.status, 200);
    let before = upstream.seen().len();
    hub.stop();
    let last = upstream.seen().pop().expect("one more");
    assert!(upstream.seen().len() > before);
    let file = hub.folder().join("from-elsewhere.jsonl");
    fs::write(&file, &last.body).expect("written");
    let (ok, told) = verified(&hub, &["--checkpoint", file.to_str().expect("a path")]);
    assert!(ok, "{told}");

    // A place that does not take it.
    hub.configure(&with(&format!("{{ https: {{ url: '{}' }} }}", upstream.url("/redirect/9"))));
    hub.run();
    assert_eq!(hub.call(&admin, "testbed/write.note", &json!({ "text": "c" })).await.status, 200);
    let told = async || {
        let health = hub.get("/health", Some(&viewer)).await.json();
        health["checkpoint_error"].as_str().filter(|why| why.contains("it answers 30")).map(str::to_owned)
    };
    eventually("health says so", told).await;
}

#[tokio::test]
async fn checkpoints_go_to_standard_output_one_in_a_line_and_one_at_the_end() {
    let hub = Hub::start(&with("stdout"));
    let mut child = hub
        .program()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.next().is_some_and(|line| line.starts_with("listening on")));
    let ended = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(ended.expect("kill runs").success());
    let rest: Vec<Value> =
        lines.filter(|line| line != "ready").map(|line| serde_json::from_str(&line).expect("JSON")).collect();
    assert!(child.wait().expect("a child").success());
    assert!(
        !rest.is_empty() && rest.iter().all(|line| line["heads"].is_array() && line["signature"].is_string()),
        "{rest:?}"
    );
}

#[tokio::test]
async fn an_older_copy_that_is_put_back_is_found_with_a_checkpoint_that_was_printed() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    let note = json!({ "text": "a" });
    assert_eq!(hub.call(&token, "testbed/write.note", &note).await.status, 200);
    assert_eq!(hub.stop(), Some(0));
    let (database, kept) = (hub.data().join("ops.db"), Folder::new());
    let (older, file) = (kept.path().join("older.db"), kept.path().join("checkpoint"));
    fs::copy(&database, &older).expect("copied");
    hub.run();
    assert_eq!(hub.call(&token, "testbed/write.note", &note).await.status, 200);
    // Also while the hub writes.
    fs::write(&file, hub.command(&["audit", "checkpoint"])).expect("written");
    hub.kill();
    let checked = ["--checkpoint", file.to_str().expect("a path")];
    assert!(verified(&hub, &checked).0);
    ["", "-wal", "-shm"].iter().for_each(|end| drop(fs::remove_file(format!("{}{end}", database.display()))));
    fs::copy(&older, &database).expect("put back");
    assert!(verified(&hub, &[]).0, "the older copy is whole");
    let (ok, told) = verified(&hub, &checked);
    assert!(!ok && told.contains("an older copy of the database was put back"), "{told}");

    fs::write(&file, "").expect("emptied");
    let (ok, told) = verified(&hub, &checked);
    assert!(!ok && told.contains("holds no checkpoint"), "{told}");
}

#[tokio::test]
async fn a_head_that_nobody_has_signed_is_named_by_no_hub() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    assert_eq!(hub.call(&token, "testbed/write.note", &json!({ "text": "a" })).await.status, 200);
    hub.stop();
    let database = super::tamper(&hub);
    database
        .execute_batch(
            "INSERT INTO audit_batches SELECT max(position) + 7, randomblob(32), randomblob(64) FROM audit_batches; \
             INSERT INTO audit_writers VALUES (900, randomblob(16)); \
             INSERT INTO audit_batches VALUES ((900 << 40) + 1, randomblob(32), randomblob(64))",
        )
        .expect("added");
    let printed = hub.command(&["audit", "checkpoint"]);
    hub.run();
    assert!(hub.log().contains("no key of this hub's has signed the end of this chain"), "{}", hub.log());
    assert!(!verified(&hub, &[]).0, "as long as it is there");
    database
        .execute_batch(
            "DROP TRIGGER audit_batches_no_delete; DROP TRIGGER audit_writers_no_delete; \
             DELETE FROM audit_batches WHERE position >> 40 = 900; DELETE FROM audit_writers WHERE number = 900; \
             DELETE FROM audit_batches WHERE length(signature) = 64 AND position IN \
             (SELECT b.position FROM audit_batches b WHERE NOT EXISTS (SELECT 1 FROM run_events e WHERE e.position = b.position) \
              AND NOT EXISTS (SELECT 1 FROM audit_statements s WHERE s.position = b.position) \
              AND NOT EXISTS (SELECT 1 FROM run_intents i WHERE i.position = b.position)); \
             CREATE TRIGGER audit_batches_no_delete BEFORE DELETE ON audit_batches BEGIN SELECT RAISE(ABORT, 'ops.audit_batches is append-only'); END; \
             CREATE TRIGGER audit_writers_no_delete BEFORE DELETE ON audit_writers BEGIN SELECT RAISE(ABORT, 'ops.audit_writers is append-only'); END;",
        )
        .expect("removed");
    let file = hub.folder().join("printed.jsonl");
    fs::write(&file, printed).expect("written");
    let (ok, told) = verified(&hub, &["--checkpoint", file.to_str().expect("a path")]);
    assert!(ok, "nobody has said that it was there: {told}");
}
