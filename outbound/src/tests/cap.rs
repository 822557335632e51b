//! The cap on connections over all gates.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::tests::upstream::{Upstream, get, read_request};
use crate::{Allowlist, Connections, Gate, GateOptions, OutboundError};

/// A server that takes its time, and how many connections it has now and had at most.
struct Slow {
    upstream: Upstream,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Slow {
    async fn start(time: Duration) -> Self {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&now), Arc::clone(&most));
        let upstream = Upstream::start(move |mut stream| {
            let (now, most) = counts.clone();
            async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                while read_request(&mut stream).await.is_some() {
                    tokio::time::sleep(time).await;
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.is_err() {
                        break;
                    }
                }
                now.fetch_sub(1, SeqCst);
            }
        })
        .await;
        Self { upstream, now, most }
    }
}

fn gate(connections: &Arc<Connections>, upstreams: &[&Slow]) -> Gate {
    let entries: Vec<_> = upstreams.iter().map(|slow| format!("http://{}", slow.upstream.addr)).collect();
    let options = GateOptions { connections: Arc::clone(connections), ..GateOptions::default() };
    Gate::new(Allowlist::from_entries(entries.iter().map(String::as_str)).unwrap(), options).unwrap()
}

async fn ask(gate: &Gate, slow: &Slow) -> Result<u16, OutboundError> {
    let permitted = gate.permit(get(slow.upstream.url("/")), crate::Acting::Anything).unwrap();
    gate.send(permitted, Instant::now() + Duration::from_secs(5)).await.map(|answer| answer.status)
}

#[tokio::test]
async fn all_gates_together_have_so_many_connections_and_no_more() {
    let (connections, slow) = (Arc::new(Connections::new(8)), Slow::start(Duration::from_millis(150)).await);
    let gates = [gate(&connections, &[&slow]), gate(&connections, &[&slow]), gate(&connections, &[&slow])];
    let all = (0..45).map(|number| ask(&gates[number % 3], &slow));
    let answers = join_all(all).await;
    assert!(answers.iter().all(|answer| *answer == Ok(200)), "{answers:?}");
    let most = slow.most.load(SeqCst);
    assert!((4..=8).contains(&most), "{most} at once");
}

#[tokio::test]
async fn idle_connections_are_evicted_the_one_that_was_used_longest_ago_first() {
    let connections = Arc::new(Connections::new(4));
    let quick = Duration::ZERO;
    let (one, two, three) = (Slow::start(quick).await, Slow::start(quick).await, Slow::start(quick).await);
    let (first, second) = (gate(&connections, &[&one, &two, &three]), gate(&connections, &[&one, &two, &three]));
    for slow in [&one, &two, &three, &one] {
        assert_eq!(ask(&first, slow).await, Ok(200));
    }
    let open = || [&one, &two, &three].map(|slow| slow.now.load(SeqCst));
    assert_eq!(open(), [1, 1, 1]);
    assert_eq!(ask(&second, &one).await, Ok(200), "there is room for who has none");
    let started = Instant::now();
    assert_eq!(ask(&second, &three).await, Ok(200));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(open()[0..2], [2, 0], "the one to `two` was used longest ago");
    for slow in [&two, &three, &one, &two] {
        assert_eq!(ask(&first, slow).await, Ok(200), "whoever was evicted connects anew");
    }
}

#[tokio::test]
async fn a_gate_that_takes_all_it_can_leaves_room_for_others() {
    let connections = Arc::new(Connections::new(8));
    let (stuck, quick) = (Slow::start(Duration::from_mins(1)).await, Slow::start(Duration::ZERO).await);
    let (greedy, modest) = (gate(&connections, &[&stuck]), gate(&connections, &[&quick]));
    let started = Instant::now();
    let (refused, served) = tokio::join!(join_all((0..30).map(|_| ask(&greedy, &stuck))), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut served = Vec::new();
        for _ in 0..20 {
            served.push(ask(&modest, &quick).await);
        }
        (served, started.elapsed())
    });
    assert!(served.0.iter().all(|answer| *answer == Ok(200)), "{:?}", served.0);
    assert!(served.1 < Duration::from_secs(2), "at once: {:?}", served.1);
    let crowded = refused.iter().filter(|answer| **answer == Err(OutboundError::Crowded { most: 8 })).count();
    assert_eq!((crowded, stuck.most.load(SeqCst)), (24, 6), "{refused:?}");
    assert!(OutboundError::Crowded { most: 8 }.to_string().contains("try again"));
}
