//! Who reads the trail holds up nobody else who does.

use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use rusqlite::params;
use serde_json::json;
use uuid::Uuid;

use super::code;
use crate::support::{
    hello::HELLO,
    hub::{ADMIN, Hub, VIEWER},
};

/// So many rows of one caller, with bodies to search in.
fn crowd(hub: &Hub, caller: Uuid, rows: u32) {
    let mut database = super::super::tamper(hub);
    let adding = database.transaction().expect("begun");
    adding
        .execute("INSERT INTO audit_writers (number, writer) VALUES (900000, ?1)", [Uuid::now_v7().as_bytes()])
        .expect("a writer");
    let sql = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?3)
        INSERT INTO run_events (position, id, caller_id, caller_role, payload, payload_salt, duration_ms, created_at, recorded_at,
            outcome, operation, surface, correlation_id, times)
        SELECT (900000 << 40) + n, randomblob(16), ?1, 'ops_viewer', ?2, zeroblob(16), 1, 1, 1, 'ok', 'call_tool', 'rest', 'c', 1
        FROM n";
    let payload = json!({ "message": "x".repeat(600) }).to_string();
    adding.execute(sql, params![caller.as_bytes(), payload, rows]).expect("rows");
    adding.commit().expect("committed");
}

#[tokio::test]
async fn slow_searches_of_one_caller_hold_up_no_other() {
    let hub = Hub::start(HELLO);
    let (busy, admins) = (Uuid::new_v4(), hub.token(ADMIN));
    crowd(&hub, busy, 150_000);
    let (slow, other) = (hub.token_for(VIEWER, busy), hub.token(VIEWER));
    let search = async || {
        let started = Instant::now();
        let reply = hub.get("/audit/events?text=nowhere&total=true", Some(&slow)).await;
        (reply, started.elapsed())
    };
    search().await;
    // From memory now, as those to come.
    let one = search().await;
    assert_eq!(one.0.status, 200, "{one:?}");
    assert!(one.1 > Duration::from_millis(100), "such a search is slow: {:?}", one.1);
    let flood = join_all((0..24).map(|_| search()));
    let meanwhile = async {
        let mut waits = [Vec::new(), Vec::new()];
        for _ in 0..7 {
            tokio::time::sleep(one.1 / 3).await;
            for (token, waits) in [&other, &admins].into_iter().zip(&mut waits) {
                let started = Instant::now();
                let reply = hub.get("/audit/events?outcome=denied&limit=1", Some(token)).await;
                assert_eq!(reply.status, 200, "{reply:?}");
                waits.push(started.elapsed());
            }
        }
        for waits in &mut waits {
            waits.sort_unstable();
        }
        waits
    };
    let (flood, [own, all]) = join(flood, meanwhile).await;
    println!(
        "a search takes {:?}; beside a flood of them another caller's take {own:?}, and an admin's {all:?}",
        one.1
    );
    assert!(own[3] < one.1 * 3, "one search of the other caller at a time goes before: {own:?}, {:?}", one.1);
    assert!(all[3] < one.1, "nothing goes before: {all:?}, {:?}", one.1);
    let answered = flood.iter().filter(|(reply, _)| reply.status == 200).count();
    assert!((1..=8).contains(&answered), "{answered}: a few wait, the others are told");
    for (reply, took) in flood.iter().filter(|(reply, _)| reply.status != 200) {
        assert_eq!(code(reply), (429, "trail_busy".to_owned()));
        assert_eq!(reply.header("retry-after"), "1");
        assert!(*took < one.1 * 2, "they are told at once");
    }
}
