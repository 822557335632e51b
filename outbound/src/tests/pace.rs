//! Upstreams that send faster than anybody wants to read leave room for others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use tokio::time::Instant;

use crate::tests::upstream::{gate, get};
use crate::{Acting, Limits, OutboundError};

const DEADLINE: Duration = Duration::from_millis(500);

/// A server in a thread of its own that floods whoever asks, and tells when it could not go on.
fn flooding(first: &'static str, then: &str) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, end) = mpsc::channel();
    let flood = then.repeat(65_536 / then.len());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let mut sent = stream.write_all(first.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(flood.as_bytes());
        }
        let _ = ended.send(());
    });
    (address, end)
}

/// On the only thread that there is: how long it was held at a time while a gate read the flood.
async fn longest_hold(first: &'static str, then: &str) -> Duration {
    let (address, end) = flooding(first, then);
    let url = format!("http://{address}");
    let gate = gate(&[&url], Limits::default());
    let started = Instant::now();
    let exchange = tokio::spawn(async move {
        let answer =
            gate.send(gate.permit(get(format!("{url}/")), Acting::Anything).unwrap(), Instant::now() + DEADLINE).await;
        (answer, started.elapsed())
    });
    let mut longest = Duration::ZERO;
    while !exchange.is_finished() {
        let before = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        longest = longest.max(before.elapsed());
    }
    let (answer, took) = exchange.await.unwrap();
    assert_eq!(answer, Err(OutboundError::Timeout));
    assert!(took < DEADLINE + Duration::from_millis(500), "{took:?}");
    // Nobody reads on in the background.
    tokio::task::spawn_blocking(move || end.recv_timeout(Duration::from_secs(5)).expect("it is cut off"))
        .await
        .unwrap();
    longest
}

#[tokio::test]
async fn what_the_client_skips_by_itself_holds_nobody_up() {
    for (name, first, then) in [
        ("interim answers", "", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        ("a chunk's length without end", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0"),
        ("tiny chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
    ] {
        // The best of three: a machine that does other things as well holds everybody up now and then.
        let mut best = Duration::MAX;
        for _ in 0..3 {
            best = best.min(longest_hold(first, then).await);
        }
        eprintln!("{name}: a worker was held for {best:?} at a time");
        // Many times as long if the client could read on for as long as there is something.
        assert!(best < Duration::from_millis(200), "{name}: {best:?}");
    }
}
