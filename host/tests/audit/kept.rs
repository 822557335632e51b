//! How much of inputs and outputs is kept: as the config says, and nobody can make it look otherwise.

use rusqlite::Connection;
use serde_json::json;

use super::{field, tamper, verified};
use crate::support::{
    hub::{ADMIN, Hub},
    testbed::Testbed,
};

#[tokio::test]
async fn the_trail_keeps_as_much_of_bodies_as_the_config_says() {
    let provider = |name, keep| Testbed { name, with: &[keep], ..Testbed::default() }.yaml();
    let all = [
        provider("whole", "keep: {}"),
        provider("digests", "keep: { payload: digest, result: digest }"),
        provider("nothing", "keep: { payload: none, result: none }"),
        provider("outputs", "keep: { payload: digest, result: full }"),
    ];
    let mut hub = Hub::start(&all.concat());
    let (token, note) = (hub.token(ADMIN), json!({ "text": "for my eyes only" }));
    let bodies = "SELECT payload IS NOT NULL, payload_salt IS NOT NULL, payload_digest IS NOT NULL, result IS NOT NULL, \
        result_digest IS NOT NULL FROM run_events WHERE provider = ?1 AND tool = 'write.note'";
    for (name, expected) in [
        ("whole", [true, true, false, true, false]),
        ("digests", [false, false, true, false, true]),
        ("nothing", [false, false, false, false, false]),
        ("outputs", [false, false, true, true, false]),
    ] {
        let reply = hub.call(&token, &format!("{name}/write.note"), &note).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(field(&hub.last_event(), "provider"), name);
        let database = hub.database();
        let found: [bool; 5] = database
            .query_row(bodies, [name], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
            .expect("a row");
        assert_eq!(found, expected, "{name}: payload, its salt, its digest, result, its digest");
        let kept = "SELECT count(*) FROM run_intents WHERE payload IS NOT NULL AND position = \
            (SELECT max(position) FROM run_intents)";
        let announced: i64 = database.query_row(kept, [], |row| row.get(0)).expect("a count");
        assert_eq!(announced == 1, expected[0], "{name}: the intent keeps no more");
    }
    hub.stop();
    assert!(verified(&hub).0);
    for (what, statement) in [
        (
            "a body that was kept is taken away as if it never had been",
            "UPDATE run_events SET payload = NULL, payload_salt = NULL, payload_digest = zeroblob(32), digests_only = 1 \
             WHERE provider = 'whole'",
        ),
        ("nobody wanted less", "UPDATE run_events SET digests_only = NULL WHERE provider = 'digests'"),
        ("another digest", "UPDATE run_events SET payload_digest = zeroblob(32) WHERE provider = 'outputs'"),
        ("a digest of nothing", "UPDATE run_events SET payload_digest = NULL WHERE provider = 'outputs'"),
    ] {
        let (ok, report) = verified_after(&hub, statement);
        assert!(!ok && (report.contains("hub run") || report.contains("was removed")), "{what}: {report}");
    }
}

/// Verifies a database that somebody has changed, and puts the honest one back.
fn verified_after(hub: &Hub, statement: &str) -> (bool, String) {
    let (file, clean) = (hub.data().join("ops.db"), hub.folder().join("clean.db"));
    tamper(hub).execute("VACUUM INTO ?1", [clean.to_str().expect("a path")]).expect("copied");
    let database = Connection::open(&file).expect("a database");
    let sql: String = database
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'run_events_no_update'", [], |row| row.get(0))
        .expect("a trigger");
    database.execute_batch(&format!("DROP TRIGGER run_events_no_update; {statement}; {sql}")).expect(statement);
    drop(database);
    let found = verified(hub);
    std::fs::rename(&clean, &file).expect("put back");
    found
}
