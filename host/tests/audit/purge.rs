//! Bodies are removed by a statement that says so, and by nothing else: rows, digests and proof stay.

use serde_json::{Value, json};
use sqlx_core::{raw_sql::raw_sql, sql_str::AssertSqlSafe};
use uuid::Uuid;

use super::{
    postgres::{hub_on, said, verify},
    reaching, tamper, verified,
};
use crate::support::{
    hub::{ADMIN, Hub},
    postgres::Postgres,
    testbed::testbed,
    upstream::Upstream,
};

const TEXT: &str = "swordfish-for-nobody";

async fn hub_with_calls() -> (Hub, Vec<String>) {
    let upstream = Upstream::start();
    let hub = Hub::start(&reaching(&upstream, 5000));
    let token = hub.token(ADMIN);
    let mut ids = Vec::new();
    for n in 0..4 {
        let reply = hub.call(&token, "testbed/write.note", &json!({ "text": format!("{TEXT} {n}") })).await;
        assert_eq!(reply.status, 200);
        ids.push(reply.header("x-call-id").to_owned());
    }
    (hub, ids)
}

/// Payloads and results that are there, of events and of intents.
fn bodies(hub: &Hub) -> (i64, i64) {
    let count = "SELECT (SELECT count(payload) + count(result) FROM run_events WHERE surface = 'rest'), \
        (SELECT count(payload) FROM run_intents)";
    hub.database().query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("counts")
}

fn refused(hub: &Hub, arguments: &[&str]) -> String {
    let output = hub.program().args(["audit", "purge"]).args(arguments).output().expect("it runs");
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn bodies_are_removed_by_a_statement_and_their_rows_and_proof_stay() {
    let (mut hub, ids) = hub_with_calls().await;
    assert_eq!(bodies(&hub), (8, 4));
    // Beside a hub that runs.
    let told = hub.command(&["audit", "purge", &ids[0], &ids[1], &ids[0]]);
    assert!(told.starts_with("6 bodies are removed"), "{told}");
    assert_eq!(bodies(&hub), (4, 2));
    let shown: Value = serde_json::from_str(&hub.command(&["audit", "show", &ids[0], "--json"])).expect("JSON");
    assert_eq!((&shown["event"]["tool"], &shown["event"]["outcome"]), (&json!("write.note"), &json!("ok")));
    assert!(shown["event"].get("payload").is_none() && shown["event"].get("result").is_none(), "{shown}");
    let (ok, report) = verified(&hub);
    assert!(ok, "{report}");
    let reply = hub.call(&hub.token(ADMIN), "testbed/write.note", &json!({ "text": "it goes on" })).await;
    assert_eq!(reply.status, 200, "{}", hub.log());
    let acts = hub.command(&["audit", "list", "--operation", "audit_purge", "--json"]);
    let act: Value = serde_json::from_str(acts.lines().next().expect("a row")).expect("JSON");
    assert_eq!((&act["surface"], &act["outcome"]), (&json!("cli"), &json!("ok")), "{act}");
    assert!(hub.command(&["audit", "purge", &ids[0]]).starts_with("0 bodies"), "they are gone already");

    let (from, to) = ("2026-01-01", "2100-01-01");
    let told = hub.command(&["audit", "purge", "--from", from, "--to", to, "--tool", "write.note"]);
    assert!(told.starts_with("9 bodies are removed"), "{told}");
    assert_eq!(bodies(&hub), (0, 0));
    hub.stop();
    let told = hub.command(&["audit", "purge", "--from", from, "--to", to]);
    assert!(told.contains("bodies are removed"), "{told}");
    let (ok, report) = verified(&hub);
    assert!(ok, "{report}");
    for file in std::fs::read_dir(hub.data()).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let bytes = if file.is_file() { std::fs::read(&file).expect("read") } else { Vec::new() };
        let found = memchr::memmem::find(&bytes, TEXT.as_bytes());
        assert_eq!(found, None, "{}", file.display());
    }
}

#[tokio::test]
async fn what_is_removed_or_put_back_without_a_statement_is_found() {
    let (mut hub, ids) = hub_with_calls().await;
    let kept = "SELECT payload, payload_salt FROM run_events WHERE position = ?1";
    let position: i64 = hub
        .database()
        .query_row("SELECT position FROM events WHERE id = ?1", [&ids[0]], |row| row.get(0))
        .expect("a row");
    let (payload, salt): (String, Vec<u8>) =
        hub.database().query_row(kept, [position], |row| Ok((row.get(0)?, row.get(1)?))).expect("a payload");
    hub.command(&["audit", "purge", &ids[0]]);
    hub.stop();
    assert!(verified(&hub).0);
    let clean = hub.folder().join("clean.db");
    tamper(&hub).execute("VACUUM INTO ?1", [clean.to_str().expect("a path")]).expect("copied");
    let digest_of_another = format!(
        "UPDATE run_events SET payload_digest = (SELECT payload_digest FROM run_events WHERE position = {position}), \
         payload = NULL, payload_salt = NULL WHERE position = (SELECT max(position) FROM run_events WHERE payload IS NOT NULL)"
    );
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    let put_back = format!(
        "UPDATE run_events SET payload = '{payload}', payload_salt = x'{salt}', payload_digest = NULL WHERE position = {position}"
    );
    let purge = "SELECT position FROM audit_statements WHERE kind = 'purge' LIMIT 1";
    for (what, sql, told) in [
        ("a body is put back", put_back.as_str(), "was purged, and is there again"),
        ("another body is removed", &digest_of_another, "was changed"),
        (
            "a digest is forgotten",
            &format!("UPDATE run_events SET payload_digest = NULL WHERE position = {position}"),
            "hub run",
        ),
        (
            "it is as if it never had been kept",
            &format!("UPDATE run_events SET digests_only = 1, result_digest = NULL WHERE position = {position}"),
            "hub run",
        ),
        (
            "the statement names less",
            &format!("UPDATE audit_statements SET body = '{{\"bodies\":[]}}' WHERE position = ({purge})"),
            "was changed",
        ),
        (
            "the statement is gone",
            &format!("DELETE FROM audit_statements WHERE position = ({purge})"),
            "nobody has said so",
        ),
    ] {
        let copy = hub.folder().join("tampered.db");
        std::fs::copy(&clean, &copy).expect("copied");
        let database = rusqlite::Connection::open(&copy).expect("a database");
        let triggers: Vec<(String, String)> = {
            let mut statement =
                database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").expect("a query");
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
            rows.collect::<Result<_, _>>().expect("rows")
        };
        triggers.iter().for_each(|(name, _)| database.execute_batch(&format!("DROP TRIGGER {name}")).expect("dropped"));
        database.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        triggers.iter().for_each(|(_, sql)| database.execute_batch(sql).expect("made"));
        drop(database);
        let url = format!("sqlite:{}", copy.display());
        let output = hub.program().args(["audit", "verify", "--database-url", &url]).output().expect("it runs");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && report.contains(told), "{what}: {report}");
    }
}

#[tokio::test]
async fn it_takes_calls_that_there_are_or_a_range() {
    let (hub, ids) = hub_with_calls().await;
    let nobody = Uuid::now_v7().to_string();
    for (arguments, told) in [
        (&[][..], "name the calls whose bodies"),
        (&["--tool", "write.note"], "give the range"),
        (&["--tool", "write.note", "--from", "2026-01-01"], "give the range"),
        (&[&ids[0], "--tool", "write.note"], "not both"),
        (&[&ids[0], &nobody], "Nothing was removed"),
    ] {
        let error = refused(&hub, arguments);
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
    assert_eq!(bodies(&hub), (8, 4));
}

#[tokio::test]
async fn what_is_in_an_archive_stays_as_it_is_and_what_was_purged_stays_so_there() {
    let (mut hub, ids) = hub_with_calls().await;
    hub.command(&["audit", "purge", &ids[0]]);
    hub.stop();
    let archive = ["audit", "archive", "--before", &chrono::Utc::now().to_rfc3339()];
    hub.command(&archive);
    assert_eq!(bodies(&hub), (0, 0), "all is in an archive");
    let shown: Value = serde_json::from_str(&hub.command(&["audit", "show", &ids[1], "--json"])).expect("JSON");
    assert!(shown["event"]["payload"]["text"].as_str().is_some_and(|text| text.starts_with(TEXT)), "{shown}");
    let error = refused(&hub, &[&ids[1]]);
    assert!(error.contains("what is in an archive stays as it is"), "{error}");
    let shown: Value = serde_json::from_str(&hub.command(&["audit", "show", &ids[0], "--json"])).expect("JSON");
    assert!(shown["event"].get("payload").is_none(), "{shown}");
    let export = hub.command(&["audit", "export", "--tool", "write.note"]);
    assert_eq!(export.lines().filter(|line| line.starts_with("{\"purge\"")).count(), 1, "{export}");
    let (ok, report) = verified(&hub);
    assert!(ok, "{report}");
}

#[tokio::test]
async fn on_postgresql_only_the_owner_removes_bodies() {
    let server = Postgres::start().await;
    let hub = hub_on(&server, &testbed(&[]));
    let token = hub.command(&["token", "--role", ADMIN, "--database-url", &server.url("hub")]);
    let call = async || hub.call(&token, "testbed/write.note", &json!({ "text": TEXT })).await;
    let (reply, other) = (call().await, call().await);
    let id = reply.header("x-call-id");
    let purge = |user: &str, id: &str| {
        let url = server.url(user);
        hub.program().args(["audit", "purge", id, "--database-url", &url]).output().expect("it runs")
    };
    let refused = purge("hub", id);
    assert!(!refused.status.success() && said(&refused).contains("does not own the tables"), "{}", said(&refused));
    let removed = purge("owner", id);
    assert!(removed.status.success() && said(&removed).contains("3 bodies are removed"), "{}", said(&removed));
    assert_eq!(call().await.status, 200, "the hub goes on: {}", hub.log());
    let (shown, kept) = (format!("/audit/events/{id}"), format!("/audit/events/{}", other.header("x-call-id")));
    let shown = hub.get(&shown, Some(&token)).await.json();
    assert!(shown["event"].get("payload").is_none() && shown["intent"].get("payload").is_none(), "{shown}");
    assert_eq!(hub.get(&kept, Some(&token)).await.json()["event"]["payload"]["text"], TEXT);
    let verified = verify(&server, &hub);
    assert!(verified.status.success(), "{}", said(&verified));
    let export = hub.command(&["audit", "export", "--tool", "write.note", "--database-url", &server.url("hub")]);
    assert_eq!(export.lines().filter(|line| line.starts_with("{\"purge\"")).count(), 1, "{export}");
    let mut superuser = server.connect("postgres", "ops").await;
    let put_back = format!(
        "SET session_replication_role = replica; UPDATE ops.run_events e SET payload = o.payload, \
         payload_salt = o.payload_salt, payload_digest = NULL FROM ops.run_events o WHERE e.id = '{id}' AND o.id = '{}'",
        other.header("x-call-id")
    );
    raw_sql(AssertSqlSafe(put_back)).execute(&mut superuser).await.expect("put back");
    let found = verify(&server, &hub);
    assert!(said(&found).contains("was purged, and is there again"), "{}", said(&found));
}
