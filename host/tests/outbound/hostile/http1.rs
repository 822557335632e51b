//! Over HTTP/1.1: slow, endless, too large, lying, broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{
    AT_CAP, AT_HEADER_CAP, Attack, BROKEN_OFF, DOORS, Ends, LATE, NOT_HTTP, TOO_MANY_HEADERS, hub, server, withstand,
};

/// What the server does with a request.
enum Script {
    /// Sends these bytes and closes.
    Says(Vec<u8>),
    /// Sends the first, then the second again and again as long as anybody reads.
    Floods(Vec<u8>, Vec<u8>),
    /// The same, slowly.
    Drips(&'static str, &'static str),
    /// Sends these bytes and waits.
    Hangs(&'static str),
    /// Closes with a reset.
    Resets,
}

use Script::{Drips, Floods, Hangs, Resets, Says};

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn says(text: &str) -> Script {
    Says(text.as_bytes().to_vec())
}

fn floods(first: &str, then: &str) -> Script {
    // In large pieces: the flood shall be limited by who reads it.
    Floods(first.as_bytes().to_vec(), then.repeat(16_384 / then.len() + 1).into_bytes())
}

fn body(text: &str) -> Ends {
    Ends::As(text.to_owned())
}

/// A gzip stream of about 10 KB that unpacks to 10 MB of zeros (RFC 1951, 3.2.6: one literal, then copies of 258 bytes, each
/// in 13 bits).
fn gzip_bomb() -> Vec<u8> {
    let mut bits = vec![true, true, false]; // the last block, with fixed codes
    bits.extend([false, false, true, true, false, false, false, false]); // a zero
    for _ in 0..40_000 {
        bits.extend([true, true, false, false, false, true, false, true]); // copy 258 bytes …
        bits.extend([false; 5]); // … from one byte before
    }
    bits.extend([false; 7]);
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bomb.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit))));
    bomb
}

fn answer(head: &str, body: &[u8]) -> Script {
    Says([format!("{OK}{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat())
}

fn scripts() -> Vec<(&'static str, Script, Ends)> {
    let bomb = gzip_bomb();
    let as_text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = |count: usize| format!("{OK}{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(count));
    vec![
        // Slow.
        ("accepts-and-is-silent", Hangs(""), LATE),
        ("slow-status-line", Drips("H", "T"), LATE),
        ("slow-headers", Drips(OK, "a: b\r\n"), LATE),
        ("slow-header-line", Drips("HTTP/1.1 200 OK\r\na: ", "b"), LATE),
        ("headers-then-silence", Hangs("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"), LATE),
        ("half-a-body-then-silence", Hangs("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"), LATE),
        ("dripping-body", Drips("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", "x"), LATE),
        ("dripping-chunks", Drips(CHUNKED, "1\r\nx\r\n"), LATE),
        ("dripping-without-length", Drips("HTTP/1.1 200 OK\r\n\r\n", "x"), LATE),
        ("dripping-interim-answers", Drips("", "HTTP/1.1 102 Processing\r\n\r\n"), LATE),
        // Endless.
        ("endless-body", floods("HTTP/1.1 200 OK\r\n\r\n", "x"), AT_CAP),
        ("endless-chunks", floods(CHUNKED, &format!("400\r\n{}\r\n", "x".repeat(0x400))), AT_CAP),
        ("endless-interim-answers", floods("", "HTTP/1.1 103 Early Hints\r\n\r\n"), LATE),
        ("endless-header-line", floods("HTTP/1.1 200 OK\r\na: ", "b"), TOO_MANY_HEADERS),
        ("endless-headers", floods(OK, "a: b\r\n"), TOO_MANY_HEADERS),
        ("endless-status-line", floods("HTTP/1.1 200 ", "OK"), TOO_MANY_HEADERS),
        ("endless-chunk-extension", floods(&format!("{CHUNKED}1;"), "x"), BROKEN_OFF),
        ("endless-chunk-size", floods(CHUNKED, "0"), LATE),
        ("endless-trailers", floods(&format!("{CHUNKED}0\r\n"), "a: b\r\n"), BROKEN_OFF),
        // Too large.
        ("header-of-200-kb", answer(&format!("a: {}\r\n", "b".repeat(200_000)), b""), TOO_MANY_HEADERS),
        ("headers-of-70-kb", answer(&format!("a: {}\r\n", "b".repeat(700)).repeat(99), b""), AT_HEADER_CAP),
        ("a-hundred-and-one-headers", says(&headers(100)), TOO_MANY_HEADERS),
        ("thousands-of-headers", says(&headers(5000)), TOO_MANY_HEADERS),
        ("body-announced-as-too-large", says(&format!("{OK}content-length: 10485760\r\n\r\n")), AT_CAP),
        (
            "body-announced-as-all-there-is",
            says(&format!("{OK}content-length: 18446744073709551615\r\n\r\n")),
            TOO_MANY_HEADERS,
        ),
        // Compressed: nobody unpacks it.
        ("gzip-bomb", answer("content-encoding: gzip\r\n", &bomb), body(&as_text(&bomb))),
        (
            "gzip-bomb-as-transfer-coding",
            says(&format!("{OK}transfer-encoding: gzip, chunked\r\n\r\n4\r\nbomb\r\n0\r\n\r\n")),
            body("bomb"),
        ),
        (
            "brotli-and-zstd-said",
            answer("content-encoding: br, zstd, deflate\r\n", b"not unpacked"),
            body("not unpacked"),
        ),
        ("compressed-and-too-large", floods(&format!("{OK}content-encoding: gzip\r\n\r\n"), "\u{1f}\u{8}"), AT_CAP),
        // Lies about its length.
        ("shorter-than-announced", says(&format!("{OK}content-length: 100\r\n\r\nshort")), BROKEN_OFF),
        ("longer-than-announced", says(&format!("{OK}content-length: 4\r\n\r\nfour and more")), body("four")),
        ("two-lengths", says(&format!("{OK}content-length: 4\r\ncontent-length: 5\r\n\r\nfive!")), NOT_HTTP),
        ("length-is-negative", says(&format!("{OK}content-length: -1\r\n\r\n")), NOT_HTTP),
        ("length-is-a-word", says(&format!("{OK}content-length: much\r\n\r\n")), NOT_HTTP),
        ("chunk-larger-than-numbers", says(&format!("{CHUNKED}FFFFFFFFFFFFFFFFF\r\nx")), BROKEN_OFF),
        ("chunk-size-is-a-word", says(&format!("{CHUNKED}many\r\nx")), BROKEN_OFF),
        ("chunks-without-an-end", says(&format!("{CHUNKED}4\r\nhalf\r\n")), BROKEN_OFF),
        // Not HTTP, or not any more.
        ("closes-at-once", says(""), NOT_HTTP),
        ("resets", Resets, NOT_HTTP),
        ("closes-within-status-line", says("HTTP/1.1 20"), NOT_HTTP),
        ("closes-within-headers", says("HTTP/1.1 200 OK\r\ncontent-le"), NOT_HTTP),
        ("garbage", says("\u{0}\u{1}\u{2}garbage\r\n\r\n"), NOT_HTTP),
        ("speaks-ssh", says("SSH-2.0-OpenSSH_9.9\r\n"), NOT_HTTP),
        ("speaks-tls", Says(vec![0x15, 3, 1, 0, 2, 2, 0x46]), NOT_HTTP),
        ("speaks-http-9", says("HTTP/9.9 200 OK\r\n\r\n"), NOT_HTTP),
        ("speaks-http-0.9", says("<html>hello</html>"), NOT_HTTP),
        ("status-of-two-digits", says("HTTP/1.1 99 Low\r\n\r\n"), NOT_HTTP),
        ("status-of-four-digits", says("HTTP/1.1 2000 High\r\n\r\n"), NOT_HTTP),
        ("header-without-colon", says(&format!("{OK}nonsense\r\n\r\n")), NOT_HTTP),
        ("header-with-nul", says(&format!("{OK}a: b\0c\r\n\r\n")), NOT_HTTP),
        ("header-name-with-space", says(&format!("{OK}a b: c\r\n\r\n")), NOT_HTTP),
        ("folded-header", says(&format!("{OK}a: b\r\n c\r\ncontent-length: 0\r\n\r\n")), NOT_HTTP),
        (
            "switches-protocols-unasked",
            says("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nx"),
            body(""),
        ),
    ]
}

async fn play(script: &Script, stream: &mut TcpStream) {
    match script {
        Says(bytes) => drop(stream.write_all(bytes).await),
        Floods(first, then) => {
            let mut sent = stream.write_all(first).await;
            while sent.is_ok() {
                sent = stream.write_all(then).await;
            }
        }
        Drips(first, then) => {
            let mut sent = stream.write_all(first.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = stream.write_all(then.as_bytes()).await;
            }
        }
        Hangs(first) => {
            let _ = stream.write_all(first.as_bytes()).await;
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        Resets => drop(stream.set_zero_linger()),
    }
}

#[tokio::test]
async fn whatever_an_upstream_does_over_http_1_the_exchange_ends_and_says_why() {
    let scripts = Arc::new(scripts());
    let played = Arc::clone(&scripts);
    let address = server::start(move |mut stream| {
        let scripts = Arc::clone(&played);
        async move {
            while let Some(path) = server::path(&mut stream).await {
                let Some((_, script, _)) = scripts.iter().find(|(name, ..)| path[1..] == **name) else {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await;
                    continue;
                };
                return play(script, &mut stream).await;
            }
        }
    });
    let url = |name: &str| format!("http://{address}/{name}");
    let attacks: Vec<_> =
        scripts.iter().map(|(name, _, ends)| Attack { name, url: url(name), ends: ends.clone() }).collect();
    for door in DOORS {
        let hub = hub(door, &[format!("http://{address}")], "");
        // What is read up to the cap has the machine for itself: it shall end there and not at the deadline.
        let to_the_cap = |attack: &Attack| attack.ends == AT_CAP;
        for some in attacks.chunk_by(|one, next| !to_the_cap(one) && !to_the_cap(next)) {
            withstand(&hub, door, "victim", some, &url("fine")).await;
        }
    }
}

#[tokio::test]
async fn a_redirect_loop_is_one_request_and_one_answer() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let address = server::start(move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            while let Some(path) = server::path(&mut stream).await {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = format!("HTTP/1.1 302 Found\r\nlocation: {path}\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    for (number, door) in DOORS.iter().enumerate() {
        let hub = hub(door, &[format!("http://{address}")], "");
        let token = hub.token(super::ADMIN);
        let reply = super::fetch(&hub, &token, "victim", &format!("http://{address}/round")).await;
        assert_eq!((&reply.json()["status"], &reply.json()["location"]), (&302.into(), &"/round".into()), "{reply:?}");
        assert_eq!(asked.load(Ordering::SeqCst), number + 1);
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_given_to_nobody() {
    // Two answers to each request: the second would be the answer to the next request over the same connection.
    const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let address = server::start(|mut stream| async move {
        while let Some(path) = server::path(&mut stream).await {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}{EVIL}", path.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    for door in DOORS {
        let hub = hub(door, &[format!("http://{address}")], "");
        let token = hub.token(super::ADMIN);
        for number in 0..20 {
            let reply = super::fetch(&hub, &token, "victim", &format!("http://{address}/{number}")).await;
            assert_eq!(reply.json()["body"], format!("/{number}"), "{reply:?}");
        }
    }
}
