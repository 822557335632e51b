//! Denials in floods: every one is answered and counted, and they do not fill the disk.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

use futures::future::join_all;
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER, eventually},
    jwt::{self, Es256},
    testbed::Testbed,
};

/// A provider of which viewers may read twice an hour and no more.
fn strict() -> String {
    let quota = "rate_limits: { ops_viewer: { reads: 2/hour } }";
    let open = Testbed { with: &[quota], ..Testbed::default() }.yaml();
    format!("{open}{}", Testbed { name: "strict", min_role: OPERATOR, ..Testbed::default() }.yaml())
}

/// How many operations the rows stand for, by code.
fn counted(rows: &[Value]) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for row in rows {
        let code = row["error_code"].as_str().unwrap_or("ok").to_owned();
        *counted.entry(code).or_default() += row["times"].as_u64().expect("a number");
    }
    counted
}

fn verified(hub: &Hub) -> (bool, String) {
    let output = hub.program().args(["audit", "verify"]).output().expect("it runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test]
async fn a_flood_of_denials_is_counted_exactly_in_a_few_rows() {
    let hub = Hub::start_with(&strict(), &["--max-calls-per-caller", "10000", "--max-connections", "4000"]);
    let token = hub.token(VIEWER);
    let empty = json!({});
    for _ in 0..2 {
        assert_eq!(hub.call(&token, "testbed/calls.count", &empty).await.status, 200);
    }
    let started = Instant::now();
    let anonymous = join_all((0..1500).map(|_| hub.post("/providers/testbed/calls.count", None, "{}")));
    let forged = join_all((0..500).map(|_| hub.post("/mcp", Some("a.b.c"), "{}")));
    let forbidden = join_all((0..500).map(|_| hub.call(&token, "strict/calls.count", &empty)));
    let limited = join_all((0..500).map(|_| hub.call(&token, "testbed/calls.count", &empty)));
    let (anonymous, forged, forbidden, limited) = tokio::join!(anonymous, forged, forbidden, limited);
    let took = started.elapsed();
    for (replies, status) in [(&anonymous, 401), (&forged, 401), (&forbidden, 403), (&limited, 429)] {
        assert!(replies.iter().all(|reply| reply.status == status), "{:?}", replies.first());
    }
    let rows = hub.events();
    let expected =
        [("ok", 2), ("rate_limited", 500), ("role_too_low", 500), ("token_malformed", 500), ("token_missing", 1500)];
    assert_eq!(counted(&rows), expected.map(|(code, times)| (code.to_owned(), times)).into());
    println!("{} rows for 3,002 operations in {took:?}", rows.len());
    assert!(rows.len() < 300, "{} rows", rows.len());
    // Every answer names a row that stands for it.
    let mut named: BTreeMap<&str, u64> = BTreeMap::new();
    for reply in forbidden.iter().chain(&limited) {
        *named.entry(reply.header("x-call-id")).or_default() += 1;
    }
    for row in rows.iter().filter(|row| row["operation"] == "call_tool" && row["outcome"] == "denied") {
        assert_eq!(named.remove(row["id"].as_str().expect("an id")), row["times"].as_u64(), "{row}");
    }
    assert!(named.is_empty(), "answers without a row: {named:?}");
    assert!(hub.log().lines().count() < 400, "the log is not flooded either");
    let (ok, report) = verified(&hub);
    assert!(ok, "{report}");
}

#[tokio::test]
async fn the_first_twenty_are_told_at_once_and_the_others_wait_for_their_row() {
    let hub = Hub::start(&strict());
    let token = hub.token(VIEWER);
    let call = async || {
        let started = Instant::now();
        let reply = hub.call(&token, "strict/calls.count", &json!({})).await;
        assert_eq!(reply.status, 403);
        let on_record = hub.events().iter().any(|row| row["id"] == reply.header("x-call-id"));
        assert!(on_record, "the row is on disk when the answer arrives");
        started.elapsed()
    };
    let at_once = join_all((0..20).map(|_| call())).await;
    assert!(at_once.iter().all(|took| *took < Duration::from_millis(500)), "{at_once:?}");
    let later = join_all((0..5).map(|_| call())).await;
    let waits = |took: &Duration| *took > Duration::from_millis(100) && *took < Duration::from_secs(2);
    assert!(later.iter().all(waits), "{later:?}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(call().await < Duration::from_millis(500), "a new second begins");
    let times: Vec<_> = hub.events().iter().map(|row| row["times"].as_u64().expect("a number")).collect();
    assert_eq!(times, [vec![1; 20], vec![5, 1]].concat());
}

#[tokio::test]
async fn callers_tools_and_reasons_are_counted_apart() {
    let hub = Hub::start(&strict());
    let users: Vec<_> = (0..3).map(|_| Uuid::new_v4()).collect();
    let tokens: Vec<_> = users.iter().map(|user| hub.token_for(VIEWER, *user)).collect();
    let calls = tokens.iter().flat_map(|token| ["calls.count", "write.note"].map(|tool| (token, tool)));
    let calls: Vec<_> = calls.cycle().take(60).collect();
    let input = json!({ "text": "a" });
    join_all(calls.iter().map(async |(token, tool)| hub.call(token, &format!("strict/{tool}"), &input).await)).await;
    for user in users {
        for tool in ["calls.count", "write.note"] {
            let rows = hub.events().into_iter().filter(|row| row["caller_id"] == json!(user) && row["tool"] == tool);
            let rows: Vec<_> = rows.collect();
            assert_eq!(rows.iter().map(|row| row["times"].as_u64().expect("a number")).sum::<u64>(), 10, "{rows:?}");
            assert!(rows.iter().all(|row| row["payload"].is_null() && row["provider"] == "strict"), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn names_that_are_made_up_do_not_make_rows() {
    let hub = Hub::start_with(&strict(), &["--max-calls-per-caller", "1000"]);
    let nobody = Es256::of_hub(&hub).token(&json!({ "alg": "ES256" }), &jwt::claims("no-such-role"));
    let replies = join_all((0..300).map(|number| {
        let path = format!("/providers/made-up-{number}/tool-{number}");
        let token = &nobody;
        let hub = &hub;
        async move { hub.post(&path, Some(token), json!({ "number": number }).to_string()).await }
    }));
    let replies: Vec<Reply> = replies.await;
    assert!(replies.iter().all(|reply| reply.status == 403), "{:?}", replies.first());
    let rows = hub.events();
    assert!(rows.len() < 80, "{} rows", rows.len());
    assert_eq!(counted(&rows), [("role_too_low".to_owned(), 300)].into());
    let several: Vec<_> = rows.iter().filter(|row| row["times"].as_u64() > Some(1)).collect();
    let unnamed = |row: &&&Value| ["provider", "tool", "payload"].iter().all(|name| row[name].is_null());
    assert_eq!(
        several.iter().filter(unnamed).count(),
        several.len(),
        "a row of several names none of them: {several:?}"
    );
}

#[tokio::test]
async fn what_ran_is_never_counted_together() {
    let hub = Hub::start(&strict());
    let token = hub.token(ADMIN);
    let (fail, empty) = (json!({ "code": "upstream-failed", "message": "it is broken" }), json!({}));
    for _ in 0..2 {
        let (calls, failures) = tokio::join!(
            join_all((0..10).map(|_| hub.call(&token, "testbed/calls.count", &empty))),
            join_all((0..10).map(|_| hub.call(&token, "testbed/fail.with", &fail)))
        );
        assert!(calls.iter().all(|reply| reply.status == 200) && failures.iter().all(|reply| reply.status == 502));
    }
    let rows = hub.events();
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| row["times"] == 1), "{rows:?}");
}

#[tokio::test]
async fn a_hub_that_ends_writes_what_it_held() {
    let mut hub = Hub::start(&strict());
    let client = hub.client().clone();
    let url = format!("{}/providers/testbed/calls.count", hub.url);
    // Some clients wait for their answer, and some are gone before it.
    let ask = |patience: u64| {
        let request = client.post(&url).timeout(Duration::from_millis(patience)).send();
        async move { request.await.ok().map(|response| response.status().as_u16()) }
    };
    let (patient, impatient) = (join_all((0..50).map(|_| ask(10_000))), join_all((0..50).map(|_| ask(300))));
    let asked = tokio::spawn(async { tokio::join!(patient, impatient) });
    eventually("the first is on record", async || hub.events().pop()).await;
    tokio::time::sleep(Duration::from_millis(350)).await;
    let id = hub.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    let (patient, _) = asked.await.expect("a task");
    assert!(patient.iter().all(|status| *status == Some(401)), "{patient:?}");
    assert_eq!(hub.stop(), Some(0));
    let rows = hub.events();
    assert_eq!(counted(&rows), [("token_missing".to_owned(), 100)].into(), "{rows:?}");
    assert!(verified(&hub).0);
}

#[tokio::test]
async fn the_number_is_part_of_what_is_verified() {
    let mut hub = Hub::start(&strict());
    join_all((0..40).map(|_| hub.post("/providers/testbed/calls.count", None, "{}"))).await;
    hub.stop();
    assert!(verified(&hub).0);
    let connection = Connection::open(hub.data().join("ops.db")).expect("a database");
    let trigger: String = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'run_events_no_update'", [], |row| row.get(0))
        .expect("a trigger");
    let change = |statement: String, at: i64| {
        connection.execute_batch("DROP TRIGGER run_events_no_update").expect("dropped");
        connection.execute(&statement, [at]).expect("changed");
        connection.execute_batch(&trigger).expect("made again");
    };
    let position = |which: &str| -> i64 {
        let query = format!("SELECT position FROM run_events WHERE {which} AND surface = 'rest' LIMIT 1");
        connection.query_row(&query, [], |row| row.get(0)).expect("a row")
    };
    for (at, new, back) in [(position("times > 1"), "times - 1", "times + 1"), (position("times = 1"), "7", "1")] {
        change(format!("UPDATE run_events SET times = {new} WHERE position = ?1"), at);
        let (ok, report) = verified(&hub);
        assert!(!ok && report.contains("was changed"), "{report}");
        change(format!("UPDATE run_events SET times = {back} WHERE position = ?1"), at);
        assert!(verified(&hub).0);
    }
}

#[tokio::test]
async fn a_database_of_before_the_format_is_left_alone_and_told_of() {
    let mut hub = Hub::start(&strict());
    hub.stop();
    let connection = Connection::open(hub.data().join("ops.db")).expect("a database");
    connection.execute_batch("PRAGMA user_version = 2").expect("as it was");
    drop(connection);
    let output = hub.program().args(["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("start this hub with another --data"), "{told}");
}
