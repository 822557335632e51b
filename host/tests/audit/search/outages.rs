//! Reading from a server that is away, or has no time.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx_core::query_scalar::query_scalar;
use sqlx_postgres::Postgres as Database;

use super::{Kept, Store, code};
use crate::support::{
    hello::HELLO,
    hub::{Hub, VIEWER, eventually},
};

/// How long a read may take that somebody waits for, but for what a cancellation itself takes.
const READ_TIME: Duration = Duration::from_secs(4);

/// Queries of the hub's that take their time.
async fn slow(hub: &Kept) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'hub' AND wait_event = 'PgSleep'";
    let mut connection = hub.server().connect("postgres", "ops").await;
    query_scalar::<Database, i64>(sql).fetch_one(&mut connection).await.expect("a number")
}

#[tokio::test]
async fn a_read_ends_in_time_and_soon_when_nobody_waits_for_it() {
    let hub = Kept::start(Store::Postgres, HELLO).await;
    let token = hub.token(VIEWER);
    let request = hub.client().post(format!("{}/providers/hello-rs/echo.v1", hub.url)).body(r#"{"message":"x"}"#);
    let request = request.header("content-type", "application/json").header("x-correlation-id", "slow");
    assert_eq!(Hub::send(request, Some(&token)).await.status, 200);
    // A row that takes readers a minute to look at; the writer looks behind its own.
    let view = "ALTER TABLE ops.run_events RENAME TO hidden; CREATE VIEW ops.run_events AS SELECT * FROM ops.hidden \
        WHERE current_setting('transaction_read_only') = 'off' OR correlation_id <> 'slow' OR pg_sleep(60) IS NOT NULL; \
        GRANT SELECT, INSERT ON ops.run_events TO bulkhead_hub";
    hub.server().admin(view).await;
    let path = "/audit/events?correlation_id=slow";
    // What it costs a busy machine to look at the server is not the read's time: three tries, of which one has to do.
    let mut took = Vec::new();
    while took.iter().all(|time| *time >= READ_TIME) {
        assert!(took.len() < 3, "none ended before its time was over: {took:?}");
        let export = hub.get("/audit/export?correlation_id=slow", Some(&token));
        let is_seen = eventually("it is slow", async || (slow(&hub).await == 1).then_some(()));
        tokio::select! {
            reply = export => panic!("a row that takes a minute is there already: {reply:?}"),
            () = is_seen => {}
        }
        let left = Instant::now();
        eventually("it ends in the server", async || (slow(&hub).await == 0).then_some(())).await;
        took.push(left.elapsed());
    }

    let read = async {
        let reply = hub.get(path, Some(&token)).await;
        assert_eq!(code(&reply), (503, "search_too_long".to_owned()), "{reply:?}");
    };
    let calls = async {
        for _ in 0..20 {
            assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "x" })).await.status, 200);
        }
    };
    tokio::join!(read, calls);
    assert_eq!(hub.get("/audit/events?correlation_id=other", Some(&token)).await.status, 200, "others are answered");
    eventually("it ends in the server", async || (slow(&hub).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_server_that_was_away_is_read_again_when_it_is_back() {
    let mut hub = Kept::start(Store::Postgres, HELLO).await;
    let token = hub.token(VIEWER);
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "x" })).await.status, 200);
    let path = "/audit/events?tool=echo.v1";
    assert_eq!(hub.get(path, Some(&token)).await.json()["events"].as_array().map(Vec::len), Some(1));
    hub.server_mut().stop();
    // Nor can it be recorded that it was not read.
    for _ in 0..3 {
        let away = hub.get(path, Some(&token)).await;
        assert!(away.status == 503 && !away.text.contains("127.0.0.1"), "{away:?}");
    }
    hub.server_mut().run().await;
    let back = async || (hub.get(path, Some(&token)).await.status == 200).then_some(());
    eventually("it is read again", back).await;
}
