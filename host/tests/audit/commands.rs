//! What commands change is on record as calls are.

use std::{io::Write as _, process::Stdio};

use serde_json::{Value, json};

use super::{field, verified};
use crate::support::{
    hub::{Hub, VIEWER},
    testbed::testbed,
};

/// The rows of commands, oldest first.
fn rows(hub: &Hub) -> Vec<(String, String, Value)> {
    let database = hub.database();
    let query = "SELECT operation, outcome, payload FROM events WHERE surface = 'cli' ORDER BY recorded_at, position";
    let mut statement = database.prepare(query).expect("a query");
    let row = |row: &rusqlite::Row<'_>| {
        let payload: String = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, serde_json::from_str(&payload).expect("JSON")))
    };
    statement.query_map([], row).expect("rows").collect::<Result<_, _>>().expect("rows")
}

#[tokio::test]
async fn a_command_that_changes_what_the_hub_trusts_has_a_row_without_what_is_secret() {
    let mut hub = Hub::start(&testbed(&[]));
    let token = hub.command(&["token", "--role", VIEWER, "--team", "blue", "--ttl", "1h"]);
    let mut set = hub.program();
    let mut set = set.args(["secrets", "set", "a_secret"]).stdin(Stdio::piped()).spawn().expect("it runs");
    set.stdin.take().expect("its input").write_all(b"swordfish-0123456789").expect("written");
    assert!(set.wait().expect("ended").success());
    hub.command(&["secrets", "remove", "a_secret"]);
    hub.command(&["secrets", "list"]);
    let rows = rows(&hub);
    let told: Vec<_> = rows.iter().map(|(operation, outcome, _)| (operation.as_str(), outcome.as_str())).collect();
    assert_eq!(told, [("mint_token", "ok"), ("set_secret", "ok"), ("remove_secret", "ok")], "a list changes nothing");
    assert_eq!(
        (&rows[0].2["role"], &rows[0].2["team"], &rows[0].2["seconds"]),
        (&json!(VIEWER), &json!("blue"), &json!(3600))
    );
    assert!(rows[0].2["user"].as_str().is_some_and(|user| user.len() == 36), "whose it is: {rows:?}");
    assert!(rows.iter().all(|(_, _, asked)| asked["uid"].is_u64()), "who ran it: {rows:?}");
    assert_eq!(rows[1].2["name"], "a_secret");
    let all = format!("{rows:?}");
    assert!(!all.contains("swordfish") && !all.contains(&token), "{all}");
    let reply = hub.call(&token, "testbed/calls.count", &json!({})).await;
    assert_eq!((reply.status, field(&hub.last_event(), "team")), (200, "blue"));
    hub.stop();
    assert!(verified(&hub).0);
}

#[tokio::test]
async fn a_command_that_cannot_be_recorded_does_nothing() {
    let mut hub = Hub::start(&testbed(&[]));
    hub.stop();
    let elsewhere = "sqlite:/proc/nowhere/ops.db";
    let output =
        hub.program().args(["token", "--role", VIEWER, "--database-url", elsewhere]).output().expect("it runs");
    assert!(!output.status.success() && output.stdout.is_empty(), "no token: {output:?}");
}
