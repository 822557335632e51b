//! More calls than the hub takes at once: those that are let in go on, the others are told, and whoever looks after the hub is
//! answered meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    campaign::size,
    hub::{ADMIN, Hub, VIEWER, eventually},
    testbed::{Testbed, testbed},
    upstream::Upstream,
};

/// Calls at once, of as many callers as it takes: more than the hub runs over all providers.
const CALLS: usize = 256;
const CALLERS: usize = 8;
/// Clients that call whether answers come or not: fewer than the hub has connections, so that none is evicted.
const CLIENTS: usize = 600;

#[tokio::test]
async fn whoever_looks_after_a_hub_is_answered_while_every_place_in_it_is_taken() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let with = [&*hosts, "sandbox: { concurrent_calls: 128 }"];
    let one = |name| Testbed { name, with: &with, timeout_ms: 30_000, ..Testbed::default() }.yaml();
    let hub = Hub::start(&format!("{}{}", one("testbed"), one("other")));
    let (admin, viewer) = (hub.token(ADMIN), hub.token(VIEWER));
    let callers: Vec<_> = (0..CALLERS).map(|_| hub.token(VIEWER)).collect();
    let is_healthy = async || (hub.get("/health", None).await.status == 200).then_some(());
    eventually("both were checked", is_healthy).await;

    let (input, told) = (json!({ "url": upstream.url("/wait") }), AtomicUsize::new(0));
    let calls = join_all((0..CALLS).map(|call| {
        let (hub, input, told) = (&hub, &input, &told);
        let (provider, token) = (["testbed", "other"][call % 2], &callers[call % CALLERS]);
        async move {
            let reply = hub.call(token, &format!("{provider}/fetch.get"), input).await;
            told.fetch_add(1, SeqCst);
            reply
        }
    }));
    let meanwhile = async {
        let all_decided = async || (upstream.seen().len() + told.load(SeqCst) == CALLS).then_some(());
        eventually("each call runs or was told", all_decided).await;
        let running = upstream.seen().len();
        assert!((100..=192).contains(&running), "{running} run");
        // Nothing has let the calls go on: what is answered now waits for none of them.
        for path in ["/livez", "/readyz", "/health"] {
            assert_eq!(hub.get(path, None).await.status, 200, "{path}");
        }
        for path in ["/admin/providers", "/audit/events", "/providers/testbed/health", "/openapi.json"] {
            assert_eq!(hub.get(path, Some(&admin)).await.status, 200, "{path}");
        }
        assert_eq!(
            hub.call(&viewer, "other/calls.count", &json!({})).await.status,
            200,
            "a caller who has none gets one"
        );
        upstream.release();
    };
    let (calls, ()) = tokio::join!(calls, meanwhile);
    for reply in &calls {
        let code = reply.json()["code"].clone();
        assert!(reply.status == 200 || (reply.status == 503 && code == "provider_busy"), "{reply:?}");
    }
    let let_in = calls.iter().filter(|reply| reply.status == 200).count();
    assert!((100..=192).contains(&let_in), "{let_in} were let in");
}

/// How long it takes until each answer is there; and how many answers were of another sort.
#[derive(Debug, Default)]
struct Took {
    admitted: Vec<Duration>,
    refused: usize,
}

impl Took {
    fn note(&mut self, (status, took): (u16, Duration)) {
        match status {
            200 => self.admitted.push(took),
            429 | 503 => self.refused += 1,
            other => panic!("neither answered nor told: {other}"),
        }
    }

    fn told(&mut self) -> String {
        self.admitted.sort_unstable();
        let at = |percent: usize| self.admitted.get(self.admitted.len() * percent / 100).copied().unwrap_or_default();
        format!("{} admitted, p50 {:?}, p99 {:?}; {} refused", self.admitted.len(), at(50), at(99), self.refused)
    }
}

async fn one_call(hub: &Hub, token: &str) -> (u16, Duration) {
    let started = Instant::now();
    let reply = hub.call(token, "testbed/calls.count", &json!({})).await;
    (reply.status, started.elapsed())
}

#[tokio::test]
async fn under_three_times_what_the_machine_can_do_each_call_is_answered_or_told() {
    let time = size(Duration::from_secs(1), Duration::from_secs(20));
    let hub = Arc::new(Hub::start(&testbed(&[])));
    let callers: Arc<Vec<_>> = Arc::new((0..24).map(|_| hub.token(ADMIN)).collect());

    let until = Instant::now() + time;
    let clients = join_all((0..16).map(|client| {
        let (hub, callers) = (&hub, &callers);
        async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                took.push(one_call(hub, &callers[client]).await);
            }
            took
        }
    }));
    let mut alone = Took::default();
    for (status, took) in clients.await.into_iter().flatten() {
        assert_eq!(status, 200);
        alone.admitted.push(took);
    }
    let rate = (alone.admitted.len() as f64 / time.as_secs_f64()).max(1.0);
    eprintln!("16 clients, one call after the other: {:.0}/s, {}", rate, alone.told());

    // Whether answers come or not: a call each so often, as from many who know nothing of each other.
    let (mut under_way, mut health) = (JoinSet::new(), Vec::new());
    let (started, every) = (Instant::now(), Duration::from_secs_f64(1.0 / (3.0 * rate)));
    let (mut loaded, mut due, mut sent, mut left_out) = (Took::default(), 0_u32, 0_usize, 0_usize);
    while started.elapsed() < time {
        while every * due < started.elapsed() {
            due += 1;
            if under_way.len() >= CLIENTS {
                // Each client has one connection, and all of them wait for an answer.
                left_out += 1;
                continue;
            }
            let (hub, callers, caller) = (Arc::clone(&hub), Arc::clone(&callers), sent % 24);
            under_way.spawn(async move { one_call(&hub, &callers[caller]).await });
            sent += 1;
        }
        while let Some(ended) = under_way.try_join_next() {
            loaded.note(ended.expect("it ends"));
        }
        let asked = Instant::now();
        assert!(hub.get("/livez", None).await.status == 200 && !hub.get("/health", None).await.text.is_empty());
        health.push(asked.elapsed());
    }
    while let Some(ended) = under_way.join_next().await {
        loaded.note(ended.expect("it ends"));
    }
    assert_eq!(loaded.admitted.len() + loaded.refused, sent);
    assert!(!loaded.admitted.is_empty() && !health.is_empty());
    let mut health = Took { admitted: health, refused: 0 };
    eprintln!(
        "three times as many: {}; {left_out} for which there was no client; /livez and /health: {}",
        loaded.told(),
        health.told()
    );
}
