//! A trail with everything in it that a trail can have, and copies of it to tamper with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use futures::future::join_all;
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Hub, VIEWER, eventually},
    stdio::Stdio,
    upstream::Upstream,
};

/// The tables of the trail.
pub const TABLES: [&str; 6] =
    ["run_events", "run_intents", "audit_statements", "audit_batches", "audit_writers", "audit_ties"];

/// The runs of the trail, by their numbers in `audit_writers`.
pub const FIRST: i64 = 1;
/// A stdio session beside the first.
pub const SESSION: i64 = 2;
/// Killed in the middle of a scan.
pub const KILLED: i64 = 3;
/// Ended after all others, so only a checkpoint outside the database knows of its end.
pub const LAST: i64 = 4;

/// A stdio session beside the last.
pub const LAST_SESSION: i64 = 5;

/// The hub with its trail; it does not run any more.
pub struct Trail {
    pub hub: Hub,
    clean: PathBuf,
    triggers: Vec<(String, String)>,
    /// Ids of the runs; that of number 1 comes first.
    runs: Vec<Uuid>,
}

/// The position of an entry.
pub fn at(run: i64, seq: i64) -> i64 {
    (run << 40) | seq
}

impl Trail {
    /// Three runs of a hub, one of them killed, with two stdio sessions beside them.
    pub async fn made() -> Self {
        Self::of(lived(&[], async || {}, async || {}).await)
    }

    fn of(hub: Hub) -> Self {
        let database = super::super::tamper(&hub);
        let triggers: Vec<(String, String)> = {
            let query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
            let mut statement = database.prepare(query).expect("a query");
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
            rows.collect::<Result<_, _>>().expect("rows")
        };
        assert_eq!(triggers.len(), 3 * TABLES.len(), "{triggers:?}");
        let runs = {
            let mut statement = database.prepare("SELECT writer FROM audit_writers ORDER BY number").expect("a query");
            let rows = statement.query_map([], |row| row.get(0).map(Uuid::from_bytes)).expect("rows");
            rows.collect::<Result<_, _>>().expect("rows")
        };
        let clean = hub.folder().join("clean.db");
        database.execute("VACUUM INTO ?1", [clean.to_str().expect("a path")]).expect("copied");
        Self { hub, clean, triggers, runs }
    }

    /// The id of a run.
    pub fn run(&self, number: i64) -> Uuid {
        self.runs[usize::try_from(number - 1).expect("from 1")]
    }

    /// The trail as it is, for looking something up.
    pub fn look(&self) -> Connection {
        Connection::open(&self.clean).expect("a database")
    }

    /// A copy that somebody has done something to, with the triggers out of the way meanwhile.
    pub fn tampered(&self, tamper: impl FnOnce(&Connection)) -> PathBuf {
        let copy = self.hub.folder().join("tampered.db");
        ["", "-wal", "-shm"].iter().for_each(|end| drop(fs::remove_file(format!("{}{end}", copy.display()))));
        fs::copy(&self.clean, &copy).expect("copied");
        let database = Connection::open(&copy).expect("a database");
        let without_triggers: String = self.triggers.iter().map(|(name, _)| format!("DROP TRIGGER {name};")).collect();
        database.execute_batch(&without_triggers).expect("dropped");
        tamper(&database);
        for (_, sql) in &self.triggers {
            // A table that is gone has none.
            let _ = database.execute_batch(sql);
        }
        copy
    }

    /// What `bulkhead audit verify` says of a database, and whether it is content.
    pub fn verified(&self, database: &Path, arguments: &[&str]) -> (bool, String) {
        let url = format!("sqlite:{}", database.display());
        let mut program = self.hub.program();
        let output = program.args(["audit", "verify", "--database-url", &url]).args(arguments).output();
        let output = output.expect("it runs");
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).expect("text"))
    }
}

/// A hub that has had three runs, one of them killed, with two stdio sessions beside them, and has ended.
pub async fn lived(arguments: &[&str], killed: impl AsyncFn(), answered: impl AsyncFn()) -> Hub {
    let upstream = Upstream::start();
    let checkpoints = "audit: { checkpoints: [{ file: checkpoints.jsonl }] }\n";
    let mut hub = Hub::start_with(&(super::super::reaching(&upstream, 30_000) + checkpoints), arguments);
    let token = hub.token(ADMIN);
    work(&hub, &token, &upstream).await;
    session(&hub, &token);
    assert_eq!(hub.stop(), Some(0));

    hub.run();
    killed_in_the_middle_of_a_scan(&mut hub, &token, &upstream).await;
    killed().await;

    hub.run();
    work(&hub, &token, &upstream).await;
    session(&hub, &token);
    answered().await;
    assert_eq!(hub.stop(), Some(0));
    hub
}

/// Writes, reads, scans, failures, and denials that share rows.
async fn work(hub: &Hub, token: &str, upstream: &Upstream) {
    for n in 0..3 {
        assert_eq!(hub.call(token, "testbed/write.note", &json!({ "text": format!("note {n}") })).await.status, 200);
    }
    assert_eq!(hub.call(token, "testbed/scan.slow", &json!({ "url": upstream.url("/echo") })).await.status, 200);
    let cost = json!({ "event_type": "bulkhead.cost", "data": { "amount": 0.025, "unit": "USD" }, "times": 2 });
    assert_eq!(hub.call(token, "testbed/event.emit", &cost).await.status, 200);
    let fail = json!({ "code": "upstream-failed", "message": "it is broken" });
    assert_eq!(hub.call(token, "testbed/fail.with", &fail).await.status, 502);
    // That it was made is on record elsewhere.
    let elsewhere = format!("sqlite:{}", hub.folder().join("elsewhere.db").display());
    let named = hub.command(&["token", "--role", VIEWER, "--team", "blue", "--database-url", &elsewhere]);
    let request = hub.client().post(format!("{}/providers/testbed/calls.count", hub.url)).body("{}");
    let request = request.header("content-type", "application/json").header("x-correlation-id", "ticket 7");
    assert_eq!(Hub::send(request, Some(&named)).await.status, 200);
    let denied = join_all((0..40).map(|_| hub.post("/providers/testbed/calls.count", None, "{}"))).await;
    assert!(denied.iter().all(|reply| reply.status == 401));
}

fn session(hub: &Hub, token: &str) {
    let mut session = Stdio::start(hub, token);
    for n in 0..3 {
        let params = json!({ "name": "testbed.write.note", "arguments": { "text": format!("line {n}") } });
        let answer: Value = session.ask("tools/call", &params);
        assert!(!answer["result"]["isError"].as_bool().unwrap_or_default(), "{answer}");
    }
    assert_eq!(session.close(), Some(0));
}

async fn killed_in_the_middle_of_a_scan(hub: &mut Hub, token: &str, upstream: &Upstream) {
    assert_eq!(hub.call(token, "testbed/write.note", &json!({ "text": "before" })).await.status, 200);
    let seen = upstream.seen().len();
    let scan = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).bearer_auth(token);
    let scan = tokio::spawn(scan.body(json!({ "url": upstream.url("/wait") }).to_string()).send());
    eventually("the scan runs", async || (upstream.seen().len() > seen).then_some(())).await;
    hub.kill();
    assert!(scan.await.expect("a task").is_err(), "no answer");
}

impl Trail {
    /// One number of the trail as it is.
    pub fn number(&self, query: &str) -> i64 {
        self.look().query_row(query, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The number of a run's last entry.
    pub fn end(&self, run: i64) -> i64 {
        self.number(&format!("SELECT max(position) FROM audit_batches WHERE position >> 40 = {run}")) - at(run, 0)
    }

    /// The positions of a run's notes, which are successes with payload and result.
    pub fn notes(&self, run: i64) -> Vec<i64> {
        let database = self.look();
        let query =
            "SELECT position FROM run_events WHERE position >> 40 = ?1 AND tool = 'write.note' ORDER BY position";
        let mut statement = database.prepare(query).expect("a query");
        let rows = statement.query_map([run], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    /// The positions of a run's rows in a table.
    pub fn positions(&self, run: i64, table: &str) -> Vec<i64> {
        let database = self.look();
        let query = format!("SELECT position FROM {table} WHERE position >> 40 = {run} ORDER BY position");
        let mut statement = database.prepare(&query).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }
}

/// Makes the sums of a run what its rows come to.
fn summed_again(run: i64) -> String {
    let made_up = "outcome IN ('denied', 'invalid') AND revision IS NULL";
    let unknown = "ifnull(error_code, '') IN ('unknown_tool', 'unknown_resource', 'unknown_prompt')";
    let key = format!(
        "recorded_at / 3600000, {run}, iif({made_up}, '', ifnull(provider, '')), \
         iif(({made_up}) OR {unknown}, '', ifnull(tool, '')), ifnull(caller_id, zeroblob(16)), ifnull(team, ''), outcome"
    );
    format!(
        "DELETE FROM usage_rollups WHERE writer = {run}; \
         INSERT INTO usage_rollups SELECT {key}, '', sum(times), sum(duration_ms), sum(ifnull(upstream_requests, 0)), \
         sum(ifnull(upstream_bytes, 0)), 0 FROM run_events WHERE position >> 40 = {run} GROUP BY 1, 2, 3, 4, 5, 6, 7; \
         INSERT INTO usage_rollups SELECT {key}, c.key, 0, 0, 0, 0, sum(c.value) FROM run_events, json_each(cost) c \
         WHERE position >> 40 = {run} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;"
    )
}

/// Removes all entries of a run from this one on, with their signatures, and what sums say of them.
pub fn cut(run: i64, from: i64) -> String {
    let range = format!("position BETWEEN {} AND {}", at(run, from), at(run + 1, 0) - 1);
    ["run_events", "run_intents", "audit_statements", "audit_batches"]
        .map(|table| format!("DELETE FROM {table} WHERE {range};"))
        .concat()
        + &summed_again(run)
}

/// Removes a run, and what the list of ties says of it and by it.
pub fn remove(run: i64) -> String {
    format!(
        "{} DELETE FROM audit_ties WHERE position >> 40 = {run} OR statement >> 40 = {run}; \
         DELETE FROM audit_writers WHERE number = {run};",
        cut(run, 0)
    )
}
