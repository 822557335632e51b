//! Heads that are too large, and heads that two readers would read in two ways.

use std::time::Duration;

use super::{ECHO, HELLO, MESSAGE, still_serves};
use crate::support::{
    hub::{Hub, VIEWER},
    socket::{Socket, host, memory, post},
};

const QUIET: Duration = Duration::from_millis(700);

/// Sends bytes on a connection of their own; gives the status of each answer until the connection ends or falls silent.
async fn statuses(hub: &Hub, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut socket = Socket::open(hub).await;
    socket.send(bytes).await;
    socket.answers(QUIET).await.iter().map(|answer| answer.status).collect()
}

/// Sends so many headers over HTTP/2, one name in two of them, and gives the answer's status.
async fn over_http_2(hub: &Hub, headers: usize) -> u16 {
    let stream = tokio::net::TcpStream::connect(host(hub)).await.expect("a connection");
    let (mut client, connection) = h2::client::handshake(stream).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    let mut request = http::Request::get(format!("{}/livez", hub.url));
    for number in 0..headers {
        request = request.header(format!("x-{}", number / 2), "y");
    }
    let (answer, _) = client.send_request(request.body(()).expect("a request"), true).expect("sent");
    let status = answer.await.expect("an answer").status().as_u16();
    connection.abort();
    status
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let hub = Hub::start(HELLO);
    let (host, token) = (host(&hub), hub.token(VIEWER));
    let with = |headers: &str| format!("GET /livez HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n");
    let many = |number: usize| with(&(0..number).map(|n| format!("x-{n}: y\r\n")).collect::<String>());
    let large = |bytes: usize| with(&format!("x: {}\r\n", "y".repeat(bytes)));
    let target = |bytes: usize| format!("GET /livez?{} HTTP/1.1\r\nhost: {host}\r\n\r\n", "x".repeat(bytes));
    for (name, request, expected) in [
        ("100 headers", many(99), 200),
        ("101 headers", many(100), 431),
        ("10,000 headers", many(10_000), 431),
        ("a header of 24 KiB", large(24 * 1024), 200),
        ("a header of 40 KiB", large(40 * 1024), 431),
        ("a header of 1 MiB", large(1024 * 1024), 431),
        ("a target of 8 KiB", target(8 * 1024 - 7), 200),
        ("a target of more", target(8 * 1024), 414),
        ("a target of 40 KiB", target(40 * 1024), 431),
        ("a method of 40 KiB", format!("{} / HTTP/1.1\r\nhost: {host}\r\n\r\n", "G".repeat(40 * 1024)), 431),
    ] {
        assert_eq!(statuses(&hub, request).await, [expected], "{name}");
    }
    // The same number over HTTP/2, where a request's host is no header.
    for (number, expected) in [(1, 200), (100, 200), (101, 431), (500, 431), (2000, 431)] {
        assert_eq!(over_http_2(&hub, number).await, expected, "{number} headers over HTTP/2");
    }
    let reply = hub.get(&format!("/livez?{}", "x".repeat(8 * 1024)), None).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (414, Some("target_too_long")), "{reply:?}");

    // A head that never ends is not kept.
    let before = memory(&hub);
    let mut socket = Socket::open(&hub).await;
    socket.send(format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nx: ")).await;
    let taken = futures::future::join_all((0..16).map(async |_| {
        let mut socket = Socket::open(&hub).await;
        socket.send(format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nx: ")).await;
        let mut sent = 0;
        while sent < 64 * 1024 * 1024 && socket.send([b'y'; 64 * 1024]).await {
            sent += 64 * 1024;
        }
        sent
    }));
    let taken = taken.await;
    assert!(taken.iter().all(|sent| *sent < 16 * 1024 * 1024), "{taken:?}");
    let grown = memory(&hub).saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes more");
    still_serves(&hub, &token).await;
}

/// Every shape hides a second request, which carries no token. What counts is that nothing of it is done: it is refused with
/// the first, or parsed as a request of its own and then stands for itself.
#[tokio::test]
async fn shapes_of_smuggling_are_refused_or_mean_one_thing() {
    let hub = Hub::start(HELLO);
    let (address, token) = (host(&hub), hub.token(VIEWER));
    let hidden = format!("POST {ECHO} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 16\r\n\r\n{MESSAGE}");
    let first = |headers: &str, body: &str| {
        format!("POST {ECHO} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{headers}\r\n{body}")
    };
    let chunked = format!("10\r\n{MESSAGE}\r\n0\r\n\r\n{hidden}");
    let whole = format!("{MESSAGE}{hidden}");
    let bare = |text: String| text.replace("\r\n", "\n");
    // RFC 9112 §6.1: a recipient may take the chunks and forget the length, and then closes the connection.
    let closed: &[u16] = &[200];
    // What is hidden is then the next request on the connection, without a token.
    let apart: &[u16] = &[200, 401];
    let refused: &[u16] = &[400];
    let mut wrong = vec![];
    for (name, request, expected) in [
        ("a length and chunks", first("content-length: 16\r\ntransfer-encoding: chunked\r\n", &chunked), closed),
        ("chunks and a length", first("transfer-encoding: chunked\r\ncontent-length: 16\r\n", &chunked), closed),
        (
            "chunks and a length for all",
            first("transfer-encoding: chunked\r\ncontent-length: 500\r\n", &chunked),
            closed,
        ),
        ("two lengths", first("content-length: 16\r\ncontent-length: 500\r\n", &whole), refused),
        ("two lengths in one", first("content-length: 16, 500\r\n", &whole), refused),
        ("the same length twice", first("content-length: 16\r\ncontent-length: 16\r\n", &whole), apart),
        ("a signed length", first("content-length: +16\r\n", &whole), refused),
        ("a negative length", first("content-length: -1\r\n", &whole), refused),
        ("a length in hex", first("content-length: 0x10\r\n", &whole), refused),
        ("a length with a blank", first("content-length: 1 6\r\n", &whole), refused),
        ("a length beyond numbers", first("content-length: 99999999999999999999\r\n", &whole), refused),
        ("chunks twice", first("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", &chunked), apart),
        (
            "chunks, then something else",
            first("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", &chunked),
            refused,
        ),
        ("chunks inside something else", first("transfer-encoding: chunked, identity\r\n", &chunked), refused),
        ("a made-up coding", first("transfer-encoding: xchunked\r\n", &chunked), refused),
        ("a coding behind a blank", first("transfer-encoding : chunked\r\n", &chunked), refused),
        ("a coding behind a tab", first("transfer-encoding:\x0bchunked\r\n", &chunked), refused),
        ("a coding on a folded line", first("transfer-encoding:\r\n chunked\r\n", &chunked), refused),
        ("a folded header", first("x: a\r\n b: c\r\ncontent-length: 16\r\n", &whole), refused),
        ("a header without a name", first(": x\r\n", ""), refused),
        ("a NUL in a value", first("x: a\0b\r\n", ""), refused),
        ("a NUL in a name", first("x\0: a\r\n", ""), refused),
        ("a carriage return in a value", first("x: a\rb\r\n", ""), refused),
        ("a chunk of no size", first("transfer-encoding: chunked\r\n", "zz\r\n"), refused),
        ("a chunk beyond numbers", first("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n"), refused),
        (
            "chunks in HTTP/1.0",
            first("transfer-encoding: chunked\r\n", &chunked).replacen("HTTP/1.1", "HTTP/1.0", 1),
            refused,
        ),
        ("another version", first("", "").replacen("HTTP/1.1", "HTTP/9.9", 1), refused),
        ("no version", format!("GET {ECHO}\r\n\r\n"), refused),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned(), refused),
        ("two hosts", format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nhost: evil.example\r\n\r\n"), refused),
        (
            "a target of another site",
            format!("GET http://evil.example/livez HTTP/1.1\r\nhost: {address}\r\n\r\n"),
            &[200],
        ),
        ("a tunnel", format!("CONNECT evil.example:443 HTTP/1.1\r\nhost: {address}\r\n\r\n"), &[404]),
        ("an asterisk", format!("OPTIONS * HTTP/1.1\r\nhost: {address}\r\n\r\n"), &[404]),
        ("bytes that are no text", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), refused),
        ("a greeting of TLS", "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n".to_owned(), refused),
        ("bare line feeds", bare(first("content-length: 16\r\n", MESSAGE)), &[200]),
        ("two requests", format!("{}{hidden}", post(&hub, ECHO, &token, MESSAGE)), apart),
    ] {
        let found = statuses(&hub, &request).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let done: Vec<_> = hub.events().into_iter().filter(|event| event["outcome"] == "ok").collect();
    assert!(done.iter().all(|event| event["caller_id"].is_string()), "nothing was done for nobody: {done:?}");
    still_serves(&hub, &token).await;
}

#[tokio::test]
async fn a_thousand_requests_in_one_breath_are_answered_one_by_one() {
    let hub = Hub::start(HELLO);
    let (address, token) = (host(&hub), hub.token(VIEWER));
    let mut socket = Socket::open(&hub).await;
    let request = format!("GET /livez HTTP/1.1\r\nhost: {address}\r\n\r\n");
    assert!(socket.send(request.repeat(1000)).await);
    let answers = socket.answers(QUIET).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1000);
    // Refusals wait for their row, and the connection with them.
    let mut socket = Socket::open(&hub).await;
    let refused = post(&hub, ECHO, "garbage", MESSAGE);
    assert!(socket.send(format!("{refused}{refused}{}", post(&hub, ECHO, &token, MESSAGE))).await);
    let answers = socket.answers(Duration::from_secs(3)).await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 401, 200]);
}
