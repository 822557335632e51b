//! A trail is brought from a file to PostgreSQL with its proof: all of it, once, and nothing over what is there.

use std::process::Output;

use serde_json::json;
use sqlx_core::{query_scalar::query_scalar, raw_sql::raw_sql};
use sqlx_postgres::{PgConnection, Postgres as Database};

use super::{
    postgres::{said, verify},
    reaching,
};
use crate::support::{
    hub::{ADMIN, Hub, eventually},
    postgres::Postgres,
    upstream::Upstream,
};

fn copied(hub: &Hub, server: &Postgres) -> Output {
    let url = server.url("hub");
    hub.program().args(["audit", "copy", "--to-database-url", &url]).output().expect("it runs")
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

async fn work(hub: &Hub, upstream: &Upstream) {
    // That it was made is on record elsewhere.
    let elsewhere = format!("sqlite:{}", hub.folder().join("elsewhere.db").display());
    let token = hub.command(&["token", "--role", ADMIN, "--database-url", &elsewhere]);
    let cost = json!({ "event_type": "bulkhead.cost", "data": { "amount": "1.5", "unit": "USD" } });
    let odd = json!({ "text": "a\u{202e}\u{0}\n\u{1f980}", "n": [1.50, 1e-7] });
    for (tool, input) in [
        ("write.note", &json!({ "text": "a" })),
        ("scan.slow", &json!({ "url": upstream.url("/echo") })),
        ("event.emit", &cost),
        ("write.note", &odd),
        ("no.such", &json!({})),
    ] {
        hub.call(&token, &format!("testbed/{tool}"), input).await;
    }
}

async fn killed_in_the_middle_of_a_scan(hub: &mut Hub, upstream: &Upstream) {
    let seen = upstream.seen().len();
    let scan = hub.client().post(format!("{}/providers/testbed/scan.slow", hub.url)).bearer_auth(hub.token(ADMIN));
    let scan = tokio::spawn(scan.body(json!({ "url": upstream.url("/wait") }).to_string()).send());
    eventually("the scan runs", async || (upstream.seen().len() > seen).then_some(())).await;
    hub.kill();
    assert!(scan.await.expect("a task").is_err(), "no answer");
}

async fn number(connection: &mut PgConnection, query: &'static str) -> i64 {
    query_scalar::<Database, i64>(query).fetch_one(connection).await.expect(query)
}

fn number_here(hub: &Hub, query: &str) -> i64 {
    hub.database().query_row(query, [], |row| row.get(0)).expect(query)
}

#[tokio::test]
async fn a_trail_is_copied_whole_and_once_and_goes_on_where_it_was_interrupted() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream, 30_000));
    work(&hub, &upstream).await;
    let in_use = copied(&hub, &server);
    assert!(!in_use.status.success() && said(&in_use).contains("end it, then copy"), "{}", said(&in_use));
    killed_in_the_middle_of_a_scan(&mut hub, &upstream).await;
    hub.run();
    work(&hub, &upstream).await;
    assert_eq!(hub.stop(), Some(0));

    // Something in the way of the last run: what came before stays, and the next try goes on.
    server.admin("ALTER TABLE ops.run_events ADD CONSTRAINT odd CHECK (outcome <> 'interrupted')").await;
    let refused = copied(&hub, &server);
    assert!(!refused.status.success() && said(&refused).contains("run the command again"), "{}", said(&refused));
    server.admin("ALTER TABLE ops.run_events DROP CONSTRAINT odd").await;
    let first = told(&copied(&hub, &server));
    assert!(first.contains("the trail verifies there") && !first.contains("0 entries"), "{first}");

    let mut connection = server.connect("postgres", "ops").await;
    for (there, here) in [
        ("SELECT count(*) FROM ops.run_events WHERE operation <> 'audit_copy'", "SELECT count(*) FROM run_events"),
        ("SELECT count(*) FROM ops.run_intents", "SELECT count(*) FROM run_intents"),
        ("SELECT sum(cost)::bigint FROM ops.usage_rollups", "SELECT sum(cost) FROM usage_rollups"),
        (
            "SELECT sum(calls)::bigint FROM ops.usage_rollups r WHERE EXISTS (SELECT FROM ops.run_events e \
             WHERE e.writer = r.writer AND e.operation <> 'audit_copy')",
            "SELECT sum(calls) FROM usage_rollups",
        ),
    ] {
        assert_eq!(number(&mut connection, there).await, number_here(&hub, here), "{there}");
    }
    assert!(told(&copied(&hub, &server)).starts_with("0 entries of 0 hub runs"), "all is there");
    let acts = "SELECT count(*) FROM ops.run_events WHERE operation = 'audit_copy' AND surface = 'cli'";
    assert_eq!(number(&mut connection, acts).await, 4, "each is on record, those that were refused too");

    hub.run();
    work(&hub, &upstream).await;
    assert_eq!(hub.stop(), Some(0));
    assert!(told(&copied(&hub, &server)).contains("of 1 hub runs"), "what is new");
    assert!(verify(&server, &hub).status.success(), "{}", said(&verify(&server, &hub)));
}

#[tokio::test]
async fn what_is_there_otherwise_is_refused() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream, 5000));
    work(&hub, &upstream).await;
    assert_eq!(hub.stop(), Some(0));
    told(&copied(&hub, &server));
    let mut connection = server.connect("postgres", "ops").await;
    raw_sql("SET session_replication_role = replica").execute(&mut connection).await.expect("unlocked");
    for (change, undo, why) in [
        (
            "CREATE TABLE kept AS TABLE ops.audit_batches; UPDATE ops.audit_batches SET head = signature",
            "DELETE FROM ops.audit_batches; INSERT INTO ops.audit_batches TABLE kept; DROP TABLE kept",
            "is there already, and not as it is here",
        ),
        (
            "UPDATE ops.run_events SET tool = 'other' WHERE tool = 'write.note'",
            "UPDATE ops.run_events SET tool = 'write.note' WHERE tool = 'other'",
            "the trail there does not verify",
        ),
    ] {
        raw_sql(change).execute(&mut connection).await.expect(change);
        let refused = copied(&hub, &server);
        assert!(!refused.status.success() && said(&refused).contains(why), "{why}: {}", said(&refused));
        raw_sql(undo).execute(&mut connection).await.expect(undo);
    }
    let odd = "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = replace(sql, 'append-only', 'open') \
        WHERE name = 'run_events_no_update'";
    super::tamper(&hub).execute_batch(odd).expect("changed");
    let refused = copied(&hub, &server);
    assert!(said(&refused).contains("the trail here does not verify"), "{}", said(&refused));
    for (url, why) in [
        ("postgres://hub:hunter2@127.0.0.1/ops", "a password on the command line"),
        ("sqlite:other.db", "a trail is copied to PostgreSQL"),
    ] {
        let refused = hub.program().args(["audit", "copy", "--to-database-url", url]).output().expect("it runs");
        assert!(!refused.status.success() && said(&refused).contains(why), "{}", said(&refused));
    }
}

#[tokio::test]
async fn what_is_in_archives_is_copied_too() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut hub = Hub::start(&reaching(&upstream, 5000));
    work(&hub, &upstream).await;
    assert_eq!(hub.stop(), Some(0));
    hub.command(&["audit", "archive", "--before", &chrono::Utc::now().to_rfc3339()]);
    assert_eq!(number_here(&hub, "SELECT count(*) FROM run_events WHERE surface = 'rest'"), 0, "all is in an archive");
    let events = hub.command(&["audit", "list", "--limit", "500", "--json"]).lines().count();
    told(&copied(&hub, &server));
    let mut connection = server.connect("postgres", "ops").await;
    let there = number(&mut connection, "SELECT count(*) FROM ops.run_events WHERE operation <> 'audit_copy'").await;
    assert_eq!(there, i64::try_from(events).expect("few"));
    assert!(verify(&server, &hub).status.success(), "{}", said(&verify(&server, &hub)));
}
