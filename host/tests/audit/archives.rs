//! What is old leaves the database for archives, and is as much a part of the trail as before.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use flate2::read::GzDecoder;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::tamper;
use crate::support::{
    hub::{ADMIN, Hub},
    testbed::testbed,
};

fn verified(hub: &Hub) -> (bool, String) {
    let output = hub.program().args(["audit", "verify"]).output().expect("it runs");
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
}

/// The ids of all events, by the command that lists them.
fn listed(hub: &Hub, filter: &[&str]) -> Vec<String> {
    let told = hub.command(&[&["audit", "list", "--limit", "500", "--json"], filter].concat());
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["id"].as_str().expect("an id").to_owned()
    };
    told.lines().map(id).collect()
}

/// Moves everything that there is by now.
fn archive(hub: &Hub) -> String {
    std::thread::sleep(Duration::from_millis(5));
    hub.command(&["audit", "archive", "--before", &Utc::now().to_rfc3339()])
}

fn archives(hub: &Hub) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(hub.data().join("archive")) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

fn rows(connection: &Connection) -> i64 {
    let count = "SELECT (SELECT count(*) FROM run_events) + (SELECT count(*) FROM run_intents)";
    connection.query_row(count, [], |row| row.get(0)).expect("counted")
}

async fn calls(hub: &Hub, token: &str, number: usize) {
    for n in 0..number {
        let (path, input) = match n % 3 {
            0 => ("testbed/write.note", json!({ "text": format!("note {n}") })),
            1 => ("testbed/write.note", json!({ "wrong": n })),
            _ => ("testbed/nothing", json!({})),
        };
        let status = hub.call(token, path, &input).await.status;
        assert!([200, 400, 404].contains(&status), "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_is_archived_while_the_hub_serves_and_is_still_found_shown_exported_and_verified() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    calls(&hub, &token, 30).await;
    let (before, rows_before) = (listed(&hub, &[]), rows(&tamper(&hub)));
    let size = hub.command(&["audit", "export"]).lines().count();

    let ended = Arc::new(AtomicBool::new(false));
    let request = hub.client().post(format!("{}/providers/testbed/write.note", hub.url)).bearer_auth(&token);
    let (request, is_ended) = (request.body(json!({ "text": "meanwhile" }).to_string()), Arc::clone(&ended));
    let busy = tokio::spawn(async move {
        let mut answers = 0;
        while !is_ended.load(Ordering::Relaxed) {
            let reply = request.try_clone().expect("a request").send().await.expect("an answer");
            assert_eq!(reply.status(), 200, "calls go on");
            answers += 1;
        }
        answers
    });
    let told = archive(&hub);
    ended.store(true, Ordering::Relaxed);
    let answers: usize = busy.await.expect("it called");
    assert!(answers > 0 && told.contains("entries") && told.contains("used again"), "{told}");

    assert!(rows(&tamper(&hub)) < rows_before + i64::try_from(2 * answers).expect("few"), "rows have left");
    let kept: i64 = tamper(&hub)
        .query_row("SELECT count(*) FROM run_events WHERE payload LIKE '%note 0%'", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(kept, 0, "the first call is not in the database any more");
    let after = listed(&hub, &[]);
    let old: Vec<_> = after.iter().filter(|id| before.contains(id)).collect();
    assert_eq!(old.len(), before.len(), "all are listed, each once");
    assert_eq!(old, before.iter().collect::<Vec<_>>(), "in their order");
    assert_eq!(after.len(), before.len() + answers + 1, "with what came, and the row of the archiving");
    assert!(hub.command(&["audit", "export"]).lines().count() > size);
    assert!(!hub.command(&["audit", "export"]).contains("unproved"), "each has its proof");
    let first = before.last().expect("one");
    let shown: Value = serde_json::from_str(&hub.command(&["audit", "show", first, "--json"])).expect("JSON");
    assert!(shown["event"].is_object() && shown["proof"].is_object(), "{shown}");
    let (ok, told) = verified(&hub);
    assert!(ok, "{told}");

    // And again, with the hub stopped: then the room comes back.
    calls(&hub, &token, 9).await;
    hub.stop();
    let large = fs::metadata(hub.data().join("ops.db")).expect("a file").len();
    assert!(archive(&hub).contains("smaller"));
    assert!(fs::metadata(hub.data().join("ops.db")).expect("a file").len() < large);
    assert_eq!(archives(&hub).len(), 2, "{:?}", archives(&hub));
    hub.run();
    calls(&hub, &token, 3).await;
    let (ok, told) = verified(&hub);
    assert!(ok, "{told}");
    // The one that was about to be listed is there, too: nothing is lost on the way.
    assert!(before.iter().all(|id| listed(&hub, &[]).contains(id)));
}

/// Writes an archive anew, with a change.
fn edited(archive: &Path, sql: &str) {
    let mut unpacked = Vec::new();
    GzDecoder::new(fs::File::open(archive).expect("a file")).read_to_end(&mut unpacked).expect("unpacked");
    let file = archive.with_extension("edited");
    fs::write(&file, unpacked).expect("written");
    let connection = Connection::open(&file).expect("a database");
    connection.execute_batch("DROP TRIGGER run_events_no_update; DROP TRIGGER run_events_no_delete;").expect("dropped");
    connection.execute_batch(sql).expect(sql);
    drop(connection);
    fs::remove_file(archive).expect("removed");
    let mut packed =
        flate2::write::GzEncoder::new(fs::File::create(archive).expect("made"), flate2::Compression::fast());
    std::io::copy(&mut fs::File::open(&file).expect("a file"), &mut packed).expect("packed");
    packed.finish().expect("packed");
    fs::remove_file(&file).expect("removed");
}

#[tokio::test]
async fn an_archive_that_is_gone_changed_or_not_stated_is_found() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    calls(&hub, &token, 12).await;
    hub.stop();
    archive(&hub);
    let [file] = &archives(&hub)[..] else { panic!("one: {:?}", archives(&hub)) };
    let original = fs::read(file).expect("read");
    let database = fs::read(hub.data().join("ops.db")).expect("read");
    let (ok, told) = verified(&hub);
    assert!(ok, "{told}");

    let expect = |what: &str, words: &[&str]| {
        let (ok, told) = verified(&hub);
        assert!(!ok && words.iter().all(|word| told.contains(word)), "{what}: {told}");
        told
    };
    fs::rename(file, file.with_extension("away")).expect("moved");
    let told = expect("it is gone", &["cannot be read", "Put it back"]);
    assert_eq!(told.lines().count(), 2, "one problem and the sum: {told}");
    assert!(!hub.program().args(["audit", "archive", "--before", "2026-01-01"]).status().expect("ran").success());
    fs::rename(file.with_extension("away"), file).expect("moved");
    for (what, sql, words) in [
        (
            "a row was changed",
            "UPDATE run_events SET outcome = 'ok' WHERE outcome <> 'ok'",
            &["not the file that it was"][..],
        ),
        ("a row was removed", "DELETE FROM run_events WHERE outcome = 'ok'", &["not the file that it was"]),
        (
            "a body was changed",
            "UPDATE run_events SET payload = '{}' WHERE payload IS NOT NULL",
            &["not the file that it was"],
        ),
        ("it is written otherwise", "VACUUM", &["not the file that it was"]),
    ] {
        edited(file, sql);
        expect(what, words);
        fs::remove_file(file).expect("removed");
        fs::write(file, &original).expect("written");
    }
    fs::write(file, &original[..original.len() / 2]).expect("written");
    expect("half of it", &["cannot be read"]);
    fs::write(file, &original).expect("written");
    for (what, sql) in [
        (
            "nobody states it",
            "DROP TRIGGER audit_statements_no_delete; DELETE FROM audit_statements WHERE kind = 'archive'",
        ),
        (
            "it states another digest",
            "DROP TRIGGER audit_statements_no_update; UPDATE audit_statements SET \
             body = replace(body, '\"sha256\":\"', '\"sha256\":\"00') WHERE kind = 'archive'",
        ),
    ] {
        tamper(&hub).execute_batch(sql).expect(sql);
        expect(what, &["hub run"]);
        for leftover in ["ops.db-wal", "ops.db-shm"] {
            let _ = fs::remove_file(hub.data().join(leftover));
        }
        fs::write(hub.data().join("ops.db"), &database).expect("written");
    }
    let (ok, told) = verified(&hub);
    assert!(ok, "as it was: {told}");
}

#[tokio::test]
async fn intents_that_somebody_puts_back_are_found_and_never_answered() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    calls(&hub, &token, 12).await;
    hub.stop();
    archive(&hub);
    let [file] = &archives(&hub)[..] else { panic!("one: {:?}", archives(&hub)) };
    let mut unpacked = Vec::new();
    GzDecoder::new(fs::File::open(file).expect("a file")).read_to_end(&mut unpacked).expect("unpacked");
    let other = hub.folder().join("rows.db");
    fs::write(&other, unpacked).expect("written");
    let connection = tamper(&hub);
    connection.execute("ATTACH DATABASE ?1 AS other", [other.to_str().expect("a path")]).expect("attached");
    connection.execute_batch("INSERT INTO run_intents SELECT * FROM other.run_intents").expect("put back");
    drop(connection);
    let (ok, told) = verified(&hub);
    assert!(!ok && told.contains("put it back"), "{told}");
    // A hub that starts looks for what crashed ones have left.
    hub.run();
    calls(&hub, &token, 3).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let outcomes: i64 = tamper(&hub)
        .query_row("SELECT count(*) FROM run_events WHERE outcome = 'interrupted'", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(outcomes, 0, "what ended is not said to have been interrupted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_archived_in_the_middle_of_a_load_has_its_proof_and_its_answers() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    let request = hub.client().post(format!("{}/providers/testbed/write.note", hub.url)).bearer_auth(&token);
    let request = request.body(json!({ "text": "load" }).to_string());
    let load: Vec<_> = (0..16)
        .map(|_| {
            let request = request.try_clone().expect("a request");
            tokio::spawn(async move {
                for _ in 0..40 {
                    let reply = request.try_clone().expect("a request").send().await.expect("an answer");
                    assert_eq!(reply.status(), 200);
                }
            })
        })
        .collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        archive(&hub);
    }
    for calls in load {
        calls.await.expect("it called");
    }
    let export = hub.command(&["audit", "export"]);
    assert!(!export.contains("unproved") && export.lines().count() > 640, "each has its proof");
    hub.kill();
    hub.run();
    calls(&hub, &token, 3).await;
    let (ok, told) = verified(&hub);
    assert!(ok, "{told}");
    assert!(!hub.command(&["audit", "export", "--format", "csv"]).contains("interrupted"), "every call had ended");
}

#[tokio::test]
async fn a_command_that_was_broken_off_is_finished_by_the_next_and_nobody_is_accused() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    calls(&hub, &token, 12).await;
    hub.stop();
    let whole = rows(&tamper(&hub));
    archive(&hub);
    let [file] = &archives(&hub)[..] else { panic!("one: {:?}", archives(&hub)) };
    // As if it had stopped behind the statement, and another one in the middle of packing.
    let mut unpacked = Vec::new();
    GzDecoder::new(fs::File::open(file).expect("a file")).read_to_end(&mut unpacked).expect("unpacked");
    let other = hub.data().join("rows.db");
    fs::write(&other, unpacked).expect("written");
    fs::write(hub.data().join("archive/20200101T000000000Z-20200201T000000000Z.db.gz"), b"half").expect("written");
    let connection = tamper(&hub);
    connection.execute("ATTACH DATABASE ?1 AS other", [other.to_str().expect("a path")]).expect("attached");
    connection
        .execute_batch(
            "INSERT INTO run_events SELECT * FROM other.run_events; INSERT INTO run_intents SELECT * FROM other.run_intents",
        )
        .expect("put back");
    let there = rows(&connection);
    drop(connection);
    assert!(there >= whole);
    let (ok, told) = verified(&hub);
    assert!(ok, "{told}");
    let ids = listed(&hub, &[]);
    archive(&hub);
    assert!(rows(&tamper(&hub)) < there - whole + 5, "what was stated is removed now");
    assert!(ids.iter().all(|id| listed(&hub, &[]).iter().filter(|other| *other == id).count() == 1));
    let (ok, told) = verified(&hub);
    assert!(ok, "{told}");
}
