//! Clients that take their time: with the head, with the body, with reading the answer.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use super::{ECHO, HELLO, still_serves};
use crate::support::{
    hub::{ADMIN, Hub, VIEWER, eventually},
    socket::{Socket, host, post},
    testbed::testbed,
    upstream::Upstream,
};

const DRIP: Duration = Duration::from_millis(500);

/// Sends a byte from time to time until the connection is closed; gives the time until then.
async fn drips(socket: &mut Socket, bytes: &[u8]) -> Duration {
    let started = Instant::now();
    for byte in bytes.iter().cycle() {
        if !socket.send([*byte]).await || started.elapsed() > Duration::from_secs(30) {
            break;
        }
        sleep(DRIP).await;
    }
    started.elapsed()
}

#[tokio::test]
async fn a_head_that_does_not_come_in_ten_seconds_never_comes() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let begin = format!("GET /livez HTTP/1.1\r\nhost: {}\r\nx: ", host(&hub));
    let cases = [
        ("nothing at all", String::new(), ""),
        ("a drip of a header", begin.clone(), "x"),
        ("a drip of a method", String::new(), "G"),
        ("half a preface of HTTP/2", "PRI * HTTP/2.0\r\n".to_owned(), ""),
        ("a preface and nothing more", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(), ""),
        ("a drip after an answer", format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", host(&hub)), "G"),
    ];
    let each = cases.iter().flat_map(|case| std::iter::repeat_n(case, 8)).map(async |(name, begin, drip)| {
        let mut socket = Socket::open(&hub).await;
        assert!(socket.send(begin).await, "{name}");
        let took = if drip.is_empty() {
            socket.closes(Duration::from_secs(16)).await
        } else {
            drips(&mut socket, drip.as_bytes()).await
        };
        assert!((9..=14).contains(&took.as_secs()), "{name}: {took:?}");
    });
    let meanwhile = async {
        for _ in 0..10 {
            still_serves(&hub, &token).await;
            sleep(Duration::from_millis(800)).await;
        }
    };
    tokio::join!(join_all(each), meanwhile);
    still_serves(&hub, &token).await;
}

#[tokio::test]
async fn a_connection_that_pauses_between_requests_is_kept() {
    let hub = Hub::start(HELLO);
    let mut socket = Socket::open(&hub).await;
    let request = format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", host(&hub));
    for _ in 0..2 {
        assert!(socket.send(&request).await);
        assert_eq!(socket.answer().await.expect("an answer").status, 200);
        sleep(Duration::from_secs(13)).await;
    }
    assert!(socket.send(&request).await);
    assert_eq!(socket.answer().await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_body_that_drips_is_a_408_and_a_row() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let drip = async |path: &str| {
        let mut socket = Socket::open(&hub).await;
        let whole = post(&hub, path, &token, &"x".repeat(1000));
        let (head, _) = whole.split_once("\r\n\r\n").expect("a head");
        let started = Instant::now();
        assert!(socket.send(format!("{head}\r\n\r\n")).await);
        while started.elapsed() < Duration::from_secs(19) {
            assert!(socket.send("{").await, "{path}");
            sleep(Duration::from_secs(1)).await;
        }
        let answer = socket.answer().await.unwrap_or_else(|| panic!("{path}: no answer"));
        assert!((19..=25).contains(&started.elapsed().as_secs()), "{path}: {:?}", started.elapsed());
        answer
    };
    let (rest, mcp) = tokio::join!(drip(ECHO), drip("/mcp"));
    assert_eq!((rest.status, rest.json()["code"].as_str()), (408, Some("input_too_slow")), "{rest:?}");
    assert_eq!((mcp.status, &mcp.json()["error"]["code"]), (408, &json!(-32600)), "{mcp:?}");
    let slow: Vec<_> = hub.events().into_iter().filter(|event| event["error_code"] == "input_too_slow").collect();
    assert_eq!(slow.len(), 2, "{slow:?}");
    assert!(slow.iter().all(|event| event["outcome"] == "invalid" && event["caller_id"].is_string()), "{slow:?}");
    still_serves(&hub, &token).await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up_and_holds_only_its_callers_permits() {
    let hub = Hub::start_with(HELLO, &["--max-calls-per-caller", "4"]);
    let (token, other) = (hub.token(ADMIN), hub.token(ADMIN));
    let large = json!({ "message": "x".repeat(7_000_000) }).to_string();
    let stalled = async || {
        let mut socket = Socket::open_narrow(&hub).await;
        assert!(socket.send(post(&hub, ECHO, &token, &large)).await);
        socket
    };
    let mut first = stalled().await;
    eventually("the first is answered", async || hub.events().pop()).await;
    let started = Instant::now();
    let mut others = vec![stalled().await, stalled().await, stalled().await];
    eventually("all are answered", async || (hub.events().len() == 4).then_some(())).await;
    let reply = super::echo(&hub, &token).await;
    assert_eq!((reply.status, &reply.json()["code"]), (429, &json!("too_many_calls")), "{reply:?}");
    assert_eq!(reply.header("retry-after"), "1");
    still_serves(&hub, &other).await;

    let freed = async || (super::echo(&hub, &token).await.status == 200).then_some(());
    while freed().await.is_none() {
        assert!(started.elapsed() < Duration::from_secs(45), "the permits are not given back");
        sleep(Duration::from_secs(1)).await;
    }
    assert!(started.elapsed() > Duration::from_secs(25), "{:?}", started.elapsed());
    // The others came a little later.
    sleep(Duration::from_secs(10)).await;
    others.push(first);
    for socket in &mut others {
        assert!(socket.answer().await.is_none(), "its connection is closed in the middle of the answer");
    }
    first = stalled().await;
    assert_eq!(first.answer().await.expect("an answer").status, 200, "one who reads gets all of it");
}

#[tokio::test]
async fn a_client_that_reads_slowly_and_steadily_gets_its_whole_answer() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let large = json!({ "message": "x".repeat(3_000_000) }).to_string();
    let mut socket = Socket::open_narrow(&hub).await;
    assert!(socket.send(post(&hub, ECHO, &token, &large)).await);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(socket.answer().await.expect("an answer").body.len(), large.len());
}

#[tokio::test]
async fn a_hub_that_ends_does_not_wait_for_clients_that_do_nothing() {
    let upstream = Upstream::start();
    let mut hub = Hub::start(&testbed(&[&format!("allowed_hosts: ['{}']", upstream.host())]));
    let mut idle = vec![];
    for begin in ["", "GET / HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut socket = Socket::open(&hub).await;
        assert!(socket.send(begin).await);
        idle.push(socket);
    }
    let mut kept = Socket::open(&hub).await;
    assert!(kept.send(format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", host(&hub))).await);
    assert_eq!(kept.answer().await.expect("an answer").status, 200);
    let started = Instant::now();
    assert_eq!(hub.stop(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}
