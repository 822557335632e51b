//! A hub on a server that is killed at random moments under load. Others answer for the dead once their leases have run out.

use sqlx_core::{query_as::query_as, sql_str::AssertSqlSafe};
use sqlx_postgres::Postgres as Database;

use super::{hub_on, verified};
use crate::{
    audit::{
        reaching,
        trail::kills::{Callers, Moments},
    },
    support::{
        campaign,
        hub::{ADMIN, eventually_within},
        postgres::Postgres,
        upstream::Upstream,
    },
};

/// A lease runs out, and the next look finds that.
const ANSWERED: std::time::Duration = std::time::Duration::from_secs(40);

#[tokio::test]
async fn every_call_that_reached_the_upstream_has_one_row_whenever_the_hub_is_killed() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut hub = hub_on(&server, &reaching(&upstream, 30_000));
    let (token, target) = (hub.token(ADMIN), upstream.url("/echo"));
    let (mut moments, mut callers) = (Moments::new(0x5eed_0010), Callers::default());
    for _ in 0..campaign::size(5, 100) {
        callers.until_killed(&mut hub, &token, &target, &mut moments).await;
    }
    let rows = async || {
        let sql = "SELECT payload::text, outcome FROM ops.run_events WHERE tool = 'scan.slow'".to_owned();
        let mut connection = server.connect("postgres", "ops").await;
        query_as::<Database, (String, String)>(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("rows")
    };
    let complete = async || callers.missed(&rows().await, &upstream).is_none().then_some(());
    eventually_within(ANSWERED, "whatever reached the upstream has its row", complete).await;
    callers.end();
    verified(&server, &hub);
}
