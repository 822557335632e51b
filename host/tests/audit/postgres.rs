//! The trail in PostgreSQL: the same promises as in a file, on a server that goes away and that hubs share.

use std::{process::Output, time::Duration};

use serde_json::{Value, json};
use sqlx_core::{query::query, query_scalar::query_scalar, raw_sql::raw_sql, row::Row as _, sql_str::AssertSqlSafe};
use sqlx_postgres::Postgres as Database;
use uuid::Uuid;

mod kills;
mod outages;

use super::reaching;
use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, Reply, eventually},
    postgres::Postgres,
    testbed::{Testbed, testbed},
    upstream::Upstream,
};

pub(super) fn hub_on(server: &Postgres, providers: &str) -> Hub {
    Hub::start_with(providers, &["--database-url", &server.url("hub")])
}

/// Another on the same server.
fn hub_beside(other: &Hub, server: &Postgres) -> Hub {
    Hub::start_beside(other, &testbed(&[]), &["--database-url", &server.url("hub")])
}

async fn count(server: &Postgres, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM ops.run_events WHERE {condition}");
    let mut connection = server.connect("postgres", "ops").await;
    query_scalar::<Database, i64>(AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("a count")
}

/// Operations that were announced.
async fn count_intents(server: &Postgres) -> i64 {
    let mut connection = server.connect("postgres", "ops").await;
    query_scalar("SELECT count(*) FROM ops.run_intents").fetch_one(&mut connection).await.expect("a count")
}

async fn rows_of(server: &Postgres, id: &str) -> i64 {
    count(server, &format!("id = '{}'", id.parse::<Uuid>().expect("an id"))).await
}

pub(super) fn verify(server: &Postgres, hub: &Hub) -> Output {
    hub.program().args(["--database-url", &server.url("hub"), "audit", "verify"]).output().expect("it runs")
}

fn verified(server: &Postgres, hub: &Hub) {
    let output = verify(server, hub);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn assert_not_recorded(reply: &Reply) {
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("not_recorded")), "{reply:?}");
}

#[tokio::test]
async fn a_call_leaves_its_row_with_every_field_as_it_was_sealed() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut hub = hub_on(&server, &reaching(&upstream, 5000));
    let user = Uuid::new_v4();
    let (whose, url) = (user.to_string(), server.url("hub"));
    let token = hub.command(&["token", "--role", OPERATOR, "--user", &whose, "--team", "blue", "--database-url", &url]);
    let reply = hub.call(&token, "testbed/fetch.get", &json!({ "url": upstream.url("/echo") })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    // All of this is its own in JSON, and none of it may come back as something else.
    let odd = json!({ "text": "a\u{202e}\u{0}\n\u{1f980}" });
    let odd = hub.call(&token, "testbed/write.note", &odd).await;
    assert_eq!(odd.status, 200, "{odd:?}");
    let mut connection = server.connect("hub", "ops").await;
    let sql = "SELECT caller_id, team, outcome, payload->>'url' AS url, result::text AS result, \
        created_at = date_trunc('milliseconds', created_at) AS whole FROM ops.run_events WHERE id = $1";
    let id: Uuid = reply.header("x-call-id").parse().expect("an id");
    let row = query::<Database>(sql).bind(id).fetch_one(&mut connection).await.expect("one row");
    assert_eq!(row.get::<Uuid, _>("caller_id"), user);
    assert_eq!((row.get::<&str, _>("team"), row.get::<&str, _>("outcome")), ("blue", "ok"));
    assert_eq!(row.get::<String, _>("url"), upstream.url("/echo"));
    let result: Value = serde_json::from_str(row.get("result")).expect("JSON");
    assert_eq!(result, reply.json());
    assert!(row.get::<bool, _>("whole"));
    assert_eq!(rows_of(&server, odd.header("x-call-id")).await, 1);
    assert!(!hub.data().join("ops.db").exists(), "nothing is recorded in a file");
    verified(&server, &hub);
    assert_eq!(hub.stop(), Some(0));
    verified(&server, &hub);
    let leases: i64 =
        query_scalar("SELECT count(*) FROM ops.audit_leases").fetch_one(&mut connection).await.expect("a count");
    assert_eq!(leases, 0, "a hub that has ended has none");
}

#[tokio::test]
async fn what_is_no_more_than_a_digest_by_the_configs_will_cannot_be_made_so_by_others() {
    let server = Postgres::start().await;
    let digests = ["keep: { payload: digest, result: digest }"];
    let digests = Testbed { name: "digests", with: &digests, ..Testbed::default() }.yaml();
    let hub = hub_on(&server, &format!("{}{digests}", testbed(&[])));
    let token = hub.token(ADMIN);
    assert_eq!(hub.call(&token, "testbed/write.note", &json!({ "text": "a" })).await.status, 200);
    let reply = hub.call(&token, "digests/write.note", &json!({ "text": "for my eyes only" })).await;
    assert_eq!(reply.status, 200);
    assert_eq!(count(&server, "payload IS NULL AND payload_kept = 'digest' AND result_kept = 'digest'").await, 1);
    verified(&server, &hub);
    let mut connection = server.connect("postgres", "ops").await;
    for change in [
        "SET session_replication_role = replica; UPDATE ops.run_events SET payload_kept = NULL WHERE payload_kept IS NOT NULL",
        "UPDATE ops.run_events SET payload_kept = 'digest' WHERE payload_digest IS NOT NULL; \
         UPDATE ops.run_events SET payload = '{\"text\":\"for my eyes only\"}' WHERE payload_kept IS NOT NULL",
    ] {
        raw_sql(change).execute(&mut connection).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        let output = verify(&server, &hub);
        assert!(!output.status.success() && said(&output).contains("problem"), "{change}: {}", said(&output));
    }
}

#[tokio::test]
async fn the_hubs_user_can_add_to_the_trail_and_change_nothing() {
    let server = Postgres::start().await;
    let hub = hub_on(&server, &testbed(&[]));
    let token = hub.token(ADMIN);
    assert_eq!(hub.call(&token, "testbed/write.note", &json!({ "text": "a" })).await.status, 200);
    for user in ["hub", "owner", "postgres"] {
        let mut connection = server.connect(user, "ops").await;
        for table in ["run_events", "run_intents", "audit_writers", "audit_statements", "audit_batches", "audit_ties"] {
            for change in ["UPDATE ops.@ SET writer = writer", "DELETE FROM ops.@", "TRUNCATE ops.@"] {
                let error = raw_sql(AssertSqlSafe(change.replace('@', table))).execute(&mut connection).await;
                let error = error.expect_err(change).to_string();
                // Whoever owns it has to remove the trigger first.
                let why = if user == "hub" { "permission denied" } else { "append-only" };
                assert!(error.contains(why), "{user}, {table}: {error}");
            }
        }
    }
    let mut connection = server.connect("hub", "ops").await;
    for change in [
        "ALTER TABLE ops.run_events DISABLE TRIGGER ALL",
        "ALTER TABLE ops.run_events ADD COLUMN mine int",
        "CREATE TRIGGER mine BEFORE INSERT ON ops.run_events EXECUTE FUNCTION ops.refuse_change()",
        "DROP TABLE ops.run_events",
        "CREATE TABLE ops.mine (a int)",
        "INSERT INTO ops.migrations (number) VALUES (99)",
        "SET session_replication_role = replica",
    ] {
        assert!(raw_sql(change).execute(&mut connection).await.is_err(), "{change}");
    }
    verified(&server, &hub);
}

#[tokio::test]
async fn a_hub_does_not_start_where_the_schema_or_the_user_is_not_as_it_should_be() {
    let server = Postgres::start_empty().await;
    server.admin("CREATE ROLE hub LOGIN").await;
    let folder = crate::support::hub::Folder::new();
    let serve = |user: &str| {
        let mut command = server.bulkhead(user);
        command.arg("--data").arg(folder.path().join("data")).arg("--config").arg(folder.path().join("none.yaml"));
        said(&command.args(["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs"))
    };
    assert!(serve("hub").contains("bulkhead migrate"), "{}", serve("hub"));
    let migrate = |user: &str| said(&server.bulkhead(user).arg("migrate").output().expect("it runs"));
    assert!(migrate("hub").contains("permission denied"), "{}", migrate("hub"));
    assert!(migrate("owner").contains(" now"), "it is made");
    assert!(migrate("owner").contains("already"), "once");
    assert!(serve("hub").contains("GRANT bulkhead_hub TO hub"), "{}", serve("hub"));
    server.admin("GRANT bulkhead_hub TO hub").await;
    assert!(serve("hub").contains("none.yaml"), "the database is as it should be: {}", serve("hub"));
    assert!(serve("owner").contains("may change what is recorded"), "{}", serve("owner"));
    server.admin("ALTER TABLE ops.audit_ties RENAME TO ties; CREATE VIEW ops.audit_ties AS TABLE ops.ties").await;
    assert!(serve("hub").contains("has no schema `ops` that user `hub` may use"), "{}", serve("hub"));
    server.admin("DROP VIEW ops.audit_ties; ALTER TABLE ops.ties RENAME TO audit_ties").await;
    server.admin("INSERT INTO ops.migrations (number) VALUES (99)").await;
    assert!(serve("hub").contains("newer hub"), "{}", serve("hub"));
    server.admin("DELETE FROM ops.migrations").await;
    assert!(serve("hub").contains("older version"), "{}", serve("hub"));
}

#[tokio::test]
async fn a_password_is_taken_from_a_file_or_the_environment_and_not_from_the_command_line() {
    let mut server = Postgres::start().await;
    server.admin("ALTER ROLE hub PASSWORD 'hunter2'").await;
    server.ask_for_passwords().await;
    let hub_with = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        let folder = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        command.arg("--data").arg(&folder).args(["--config", "/nowhere/none.yaml", "serve", "--listen", "127.0.0.1:0"]);
        let output = command.args(arguments).envs(environment.iter().copied()).output().expect("it runs");
        let _ = std::fs::remove_dir_all(folder);
        said(&output)
    };
    let (url, shown) = (server.url("hub"), server.url("hub:hunter2"));
    let refused = hub_with(&["--database-url", &shown], &[]);
    assert!(refused.contains("--database-password-file") && !refused.contains("hunter2"), "{refused}");
    assert!(hub_with(&["--database-url", &url], &[]).contains("password"), "none is refused");
    assert!(hub_with(&[], &[("BULKHEAD_DATABASE_URL", &shown)]).contains("none.yaml"), "from the environment");
    let file = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
    let named = ["--database-url", &url, "--database-password-file", file.to_str().expect("text")];
    for (password, told) in [("hunter1", "check the user and its password"), ("hunter2", "none.yaml")] {
        std::fs::write(&file, format!("{password}\n")).expect("written");
        let answer = hub_with(&named, &[]);
        assert!(answer.contains(told) && !answer.contains("hunter"), "{answer}");
    }
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn a_row_that_the_database_refuses_does_not_hold_up_its_neighbours() {
    let server = Postgres::start().await;
    // What the hub does not know of: a constraint of somebody else's.
    server.admin("ALTER TABLE ops.run_events ADD CHECK (payload->>'text' IS DISTINCT FROM 'refused')").await;
    let hub = hub_on(&server, &testbed(&[]));
    let token = hub.token(ADMIN);
    let calls = (0..24).map(async |n| {
        let text = if n % 6 == 0 { "refused".to_owned() } else { format!("{n}") };
        hub.call(&token, "testbed/write.note", &json!({ "text": text })).await
    });
    let replies = futures::future::join_all(calls).await;
    for (n, reply) in replies.iter().enumerate() {
        assert_eq!(reply.status, 200, "{reply:?}");
        let id = reply.header("x-call-id");
        if n % 6 != 0 {
            assert_eq!(rows_of(&server, id).await, 1, "{reply:?}");
        }
    }
    assert_eq!(count(&server, "error LIKE 'substitute for %'").await, 4);
    verified(&server, &hub);
}

#[tokio::test]
async fn two_hubs_write_side_by_side_and_each_stays_when_the_other_ends() {
    let server = Postgres::start().await;
    let mut one = hub_on(&server, &testbed(&[]));
    let other = hub_beside(&one, &server);
    let (token, others) = (one.token(ADMIN), other.token(ADMIN));
    let note = json!({ "text": "a" });
    let calls = async |hub: &Hub, token: &str| {
        for _ in 0..50 {
            let reply = hub.call(token, "testbed/write.note", &note).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(rows_of(&server, reply.header("x-call-id")).await, 1);
        }
    };
    futures::future::join(calls(&one, &token), calls(&other, &others)).await;
    assert_eq!(one.stop(), Some(0));
    calls(&other, &others).await;
    let report = said(&verify(&server, &other));
    assert!(report.contains("from 2 hub runs: nothing was changed or removed"), "{report}");
    assert_eq!(count(&server, "outcome = 'interrupted'").await, 0);
}

#[tokio::test]
async fn a_crash_leaves_an_interrupted_row_once_whoever_answers() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut crashes = hub_on(&server, &reaching(&upstream, 30_000));
    let token = crashes.token(ADMIN);
    let input = json!({ "url": upstream.url("/wait") }).to_string();
    let request =
        crashes.client().post(format!("{}/providers/testbed/scan.slow", crashes.url)).body(input).bearer_auth(&token);
    let call = tokio::spawn(request.header("content-type", "application/json").send());
    eventually("the scan runs", async || (!upstream.seen().is_empty()).then_some(())).await;
    // Two hubs live beside it, and another starts where it was.
    let _others = [hub_beside(&crashes, &server), hub_beside(&crashes, &server)];
    crashes.kill();
    assert!(call.await.expect("a task").is_err(), "no answer");
    crashes.run();
    let started = std::time::Instant::now();
    while count(&server, "outcome = 'interrupted'").await == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "it is not answered: {}", crashes.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(count(&server, "outcome = 'interrupted'").await, 1);
    verified(&server, &crashes);
}
