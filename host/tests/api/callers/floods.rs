//! Floods over HTTP/2, frame by frame.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpStream;

use super::{ECHO, HELLO, still_serves};
use crate::support::{
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, field,
        frame, open, parse, request,
    },
    hub::{ADMIN, Hub, VIEWER, eventually},
    socket::{Socket, host, memory},
    testbed::testbed,
    upstream::Upstream,
};

const QUIET: Duration = Duration::from_millis(1500);
const MIB: usize = 1024 * 1024;

/// A client that opens streams and takes them back, as fast as it can; how many it could before it was cut off.
async fn rapid_reset(hub: &Hub, token: &str, streams: u32) -> u32 {
    let stream = TcpStream::connect(host(hub)).await.expect("a connection");
    let (mut client, connection) = h2::client::handshake(stream).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    for number in 0..streams {
        let Ok(mut ready) = client.ready().await else { return number };
        let request =
            http::Request::post(format!("{}{ECHO}", hub.url)).header("authorization", format!("Bearer {token}"));
        let Ok((_, mut body)) = ready.send_request(request.body(()).expect("a request"), false) else { return number };
        let _ = body.send_data(Bytes::from_static(b"{"), false);
        body.send_reset(h2::Reason::CANCEL);
        client = ready;
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    connection.abort();
    streams
}

#[tokio::test]
async fn streams_that_are_taken_back_at_once_cost_the_client_its_connection() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let before = memory(&hub);
    let mut cut = vec![];
    for token in ["garbage", &token] {
        for _ in 0..5 {
            cut.push(rapid_reset(&hub, token, 20_000).await);
        }
        still_serves(&hub, &hub.token(VIEWER)).await;
    }
    println!("streams until the connection was closed: {cut:?}");
    let grown = memory(&hub).saturating_sub(before);
    println!("{} MiB more", grown / MIB);
    assert!(cut.iter().all(|streams| *streams < 20_000), "{cut:?}");
    assert!(grown < 48 * MIB, "{grown} bytes more");
    // No permit is lost on calls that were taken back.
    let admin = json!({ "message": "hi" });
    eventually("the permits are free", async || {
        let calls = (0..32).map(|_| hub.call(&token, "hello-rs/echo.v1", &admin));
        let replies = futures::future::join_all(calls).await;
        replies.iter().all(|reply| reply.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_no_more() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let mut socket = open(&hub, &[]).await;
    let head = request(&hub, "POST", ECHO, &token);
    let streams = (0..200).map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &head));
    assert!(socket.send(streams.collect::<Vec<_>>().concat()).await);
    let frames = parse(&socket.bytes(QUIET).await);
    let announced = frames.iter().find(|(kind, flags, ..)| *kind == SETTINGS && *flags == 0).expect("settings");
    assert!(announced.3.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 64]), "64 streams: {announced:?}");
    let refused = frames.iter().filter(|(kind, .., code)| *kind == RST_STREAM && code == &[0, 0, 0, 7]).count();
    let gone = frames.iter().any(|(kind, ..)| *kind == GOAWAY);
    assert!(refused >= 100 || gone, "{refused} streams were refused: {frames:?}");
    still_serves(&hub, &hub.token(VIEWER)).await;
}

#[tokio::test]
async fn floods_of_frames_are_borne_or_cut_off() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let head = request(&hub, "POST", ECHO, &token);
    let open_stream = frame(HEADERS, END_HEADERS, 1, &head);
    let field = field("x", &"y".repeat(8000));
    let continued = [frame(HEADERS, 0, 1, &head), frame(CONTINUATION, 0, 1, &field).repeat(2000)].concat();
    let empty_continued = [frame(HEADERS, 0, 1, &head), frame(CONTINUATION, 0, 1, &[]).repeat(100_000)].concat();
    let large_head = [
        frame(HEADERS, 0, 1, &head),
        frame(CONTINUATION, 0, 1, &field).repeat(5),
        frame(CONTINUATION, END_HEADERS, 1, &[]),
    ]
    .concat();
    let made_to_reset = (0..5000).flat_map(|number| {
        let stream = 2 * number + 1;
        [frame(HEADERS, END_HEADERS, stream, &head), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
    });
    let before = memory(&hub);
    for (name, flood, cut) in [
        ("continuations without end", continued, true),
        ("empty continuations without end", empty_continued, true),
        ("a head of 40 KB", large_head, false),
        ("pings", frame(PING, 0, 0, &[0; 8]).repeat(300_000), false),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]).repeat(300_000), false),
        ("empty data", [open_stream.clone(), frame(DATA, 0, 1, &[]).repeat(300_000)].concat(), false),
        (
            "windows without end",
            [open_stream, frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(10)].concat(),
            true,
        ),
        ("made to reset", made_to_reset.collect(), true),
        ("data of no stream", frame(DATA, END_STREAM, 7, b"x"), true),
        ("a frame too large", [&[0xff, 0xff, 0xff][..], &[DATA, 0, 0, 0, 0, 1]].concat(), true),
        ("garbage", b"garbage, and more of it".repeat(100), true),
    ] {
        let mut socket = open(&hub, &[]).await;
        let sent = socket.send(&flood).await;
        let started = Instant::now();
        let frames = parse(&socket.bytes(QUIET).await);
        let gone = !sent || frames.iter().any(|(kind, ..)| *kind == GOAWAY) || started.elapsed() < QUIET;
        println!("{name}: {}", if gone { "cut off" } else { "borne" });
        assert!(gone || !cut, "{name} goes on: {frames:?}");
        still_serves(&hub, &token).await;
    }
    let grown = memory(&hub).saturating_sub(before);
    println!("{} MiB more", grown / MIB);
    assert!(grown < 48 * MIB, "{grown} bytes more");
}

#[tokio::test]
async fn answers_that_wait_for_a_window_are_given_up() {
    let hub = Hub::start_with(HELLO, &["--max-calls-per-caller", "4"]);
    let (token, other) = (hub.token(ADMIN), hub.token(ADMIN));
    // SETTINGS_INITIAL_WINDOW_SIZE is 0, and nothing is ever added to it.
    let mut socket = open(&hub, &[(4, 0)]).await;
    let head = request(&hub, "POST", ECHO, &token);
    for stream in [1, 3, 5, 7] {
        let call =
            [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, br#"{"message":"hi"}"#)];
        assert!(socket.send(call.concat()).await);
    }
    eventually("all have run", async || (hub.events().len() == 4).then_some(())).await;
    let started = Instant::now();
    assert_eq!(super::echo(&hub, &token).await.status, 429, "each still has its permit");
    still_serves(&hub, &other).await;
    while super::echo(&hub, &token).await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(45), "the permits are not given back");
        // A client that shows that it is there is given up all the same.
        for (kind, flags, _, payload) in parse(&socket.bytes(Duration::from_millis(500)).await) {
            assert_ne!(kind, DATA, "it has no window");
            if kind == PING && flags == 0 {
                socket.send(frame(PING, 1, 0, &payload)).await;
            }
        }
    }
    assert!(started.elapsed() > Duration::from_secs(25), "{:?}", started.elapsed());
}

#[tokio::test]
async fn calls_that_are_taken_back_end_and_are_on_record_once() {
    let upstream = Upstream::start();
    let hub = Hub::start(&testbed(&[&format!("allowed_hosts: ['{}']", upstream.host())]));
    let token = hub.token(ADMIN);
    let wait = json!({ "url": upstream.url("/wait") }).to_string();
    let mut socket = open(&hub, &[]).await;
    let head = request(&hub, "POST", "/providers/testbed/fetch.get", &token);
    for stream in (0..10).map(|number| 2 * number + 1) {
        let call = [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, wait.as_bytes())];
        assert!(socket.send(call.concat()).await);
    }
    eventually("all wait", async || (upstream.seen().len() == 10).then_some(())).await;
    for stream in (0..10).map(|number| 2 * number + 1) {
        assert!(socket.send(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).await);
    }
    let cancelled = async || {
        let events = hub.events();
        (events.len() == 10 && events.iter().all(|event| event["outcome"] == "cancelled")).then_some(())
    };
    eventually("all are on record", cancelled).await;
    // Nobody is left to wait for this connection.
    drop(socket);
    let mut fresh = Socket::open(&hub).await;
    assert!(fresh.send(format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", host(&hub))).await);
    assert_eq!(fresh.answer().await.expect("an answer").status, 200);
}
