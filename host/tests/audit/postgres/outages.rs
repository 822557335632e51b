//! A server that goes away, and hubs that are taken for dead.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{assert_not_recorded, count, count_intents, hub_beside, hub_on, rows_of, verified};
use crate::{
    audit::reaching,
    support::{
        hub::{ADMIN, Hub, Reply, eventually},
        postgres::Postgres,
        testbed::testbed,
        upstream::Upstream,
    },
};

/// Calls a hub until told to stop, eight at once, and gives what it answered.
async fn load(hub: &Hub, token: &str, stop: &AtomicBool) -> Vec<Reply> {
    let callers = (0..8).map(async |caller| {
        let mut replies = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let input = json!({ "text": format!("{caller}") });
            let reply = hub.call(token, "testbed/write.note", &input).await;
            let pause = if reply.status == 503 { 50 } else { 1 };
            replies.push(reply);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        replies
    });
    futures::future::join_all(callers).await.into_iter().flatten().collect()
}

/// Each call that was answered has its row, and each other was told that it has none.
async fn each_answered_has_its_row(server: &Postgres, replies: &[Reply]) -> usize {
    let mut answered = 0;
    for reply in replies {
        if reply.status == 200 {
            answered += 1;
            assert_eq!(rows_of(server, reply.header("x-call-id")).await, 1, "{reply:?}");
        } else {
            assert_not_recorded(reply);
        }
    }
    answered
}

#[tokio::test]
async fn while_the_server_is_down_nothing_is_answered_as_if_it_were_recorded_and_then_all_goes_on() {
    let mut server = Postgres::start().await;
    let hub = hub_on(&server, &testbed(&[]));
    let (token, stop) = (hub.token(ADMIN), AtomicBool::new(false));
    let outage = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.stop();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let health = hub.get("/health", None).await;
        assert_eq!(health.status, 503, "{health:?}");
        let at = Instant::now();
        server.run().await;
        eventually("calls are answered again", async || {
            (hub.call(&token, "testbed/write.note", &json!({ "text": "a" })).await.status == 200).then_some(())
        })
        .await;
        assert!(at.elapsed() < Duration::from_secs(15), "by itself, and soon: {:?}", at.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (replies, ()) = futures::future::join(load(&hub, &token, &stop), outage).await;
    let answered = each_answered_has_its_row(&server, &replies).await;
    assert!(answered > 20 && replies.len() - answered > 20, "{answered} of {}", replies.len());
    let refused = count(&server, "operation = 'refuse' AND times > 20").await;
    assert_eq!(refused, 1, "one row tells of those who were turned away");
    let events = count(&server, "operation = 'call_tool' AND outcome = 'interrupted'").await;
    assert_eq!(events, 0, "nobody took it for dead");
    verified(&server, &hub);
}

#[tokio::test]
async fn connections_that_are_cut_at_any_moment_lose_and_double_nothing() {
    let server = Postgres::start().await;
    let hub = hub_on(&server, &testbed(&[]));
    let (token, stop) = (hub.token(ADMIN), AtomicBool::new(false));
    let cuts = async {
        for n in 0..30_u64 {
            tokio::time::sleep(Duration::from_millis(300 + n * 7 % 40)).await;
            server.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hub'").await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (replies, ()) = futures::future::join(load(&hub, &token, &stop), cuts).await;
    let answered = each_answered_has_its_row(&server, &replies).await;
    assert!(answered > 100, "{answered} of {}", replies.len());
    // Everything that was announced was run and has an event, whatever its caller was told.
    eventually("all is written", async || {
        (count(&server, "id IN (SELECT id FROM ops.run_intents)").await
            == count(&server, "operation = 'call_tool' AND times = 1 AND outcome = 'ok'").await)
            .then_some(())
    })
    .await;
    verified(&server, &hub);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_which_nobody_knows_is_looked_up_before_anything_else_is_written() {
    let server = Postgres::start().await;
    let url = server.url_that_loses_commits("hub").await;
    let hub = Hub::start_with(&testbed(&[]), &["--database-url", &url]);
    let (token, stop) = (hub.token(ADMIN), AtomicBool::new(false));
    let end = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (replies, ()) = futures::future::join(load(&hub, &token, &stop), end).await;
    let answered = each_answered_has_its_row(&server, &replies).await;
    assert!(answered > 10 && replies.len() - answered > 10, "{answered} of {}: {}", replies.len(), hub.log());
    let announced = "SELECT FROM ops.run_intents i WHERE i.id = run_events.id";
    eventually("all that was announced has its event", async || {
        let events = count(&server, &format!("EXISTS ({announced})")).await;
        (events == count_intents(&server).await).then_some(())
    })
    .await;
    verified(&server, &hub);
}

#[tokio::test]
async fn a_hub_that_was_taken_for_dead_goes_on_under_a_new_name() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let sleeps = hub_on(&server, &reaching(&upstream, 30_000));
    let lives = hub_beside(&sleeps, &server);
    let token = sleeps.token(ADMIN);
    // Its processes are stopped in the middle of a scan, as those of a machine are that is suspended.
    let input = json!({ "url": upstream.url("/wait") }).to_string();
    let request = sleeps.client().post(format!("{}/providers/testbed/scan.slow", sleeps.url)).body(input);
    let scan = tokio::spawn({
        let token = token.clone();
        async move { Hub::send(request.header("content-type", "application/json"), Some(&token)).await }
    });
    eventually("the scan runs", async || (!upstream.seen().is_empty()).then_some(())).await;
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &sleeps.pid().to_string()]).status().expect("kill runs").success());
    };
    signal("-STOP");
    let started = Instant::now();
    while count(&server, "outcome = 'interrupted'").await == 0 {
        assert!(started.elapsed() < Duration::from_secs(45), "it is not answered: {}", lives.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    signal("-CONT");
    upstream.release();
    let scan = scan.await.expect("a task");
    eventually("it goes on", async || {
        (sleeps.call(&token, "testbed/calls.count", &json!({})).await.status == 200).then_some(())
    })
    .await;
    assert!(sleeps.log().contains("under a new name"), "{}", sleeps.log());
    assert_eq!(count(&server, "outcome = 'interrupted'").await, 1, "{scan:?}");
    // What really became of it has a row of its own.
    assert_eq!(count(&server, "error LIKE 'substitute for %, which was answered already%'").await, 1, "{scan:?}");
    verified(&server, &lives);
}
