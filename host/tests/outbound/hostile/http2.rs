//! Over HTTP/2, frame by frame (RFC 9113): floods, header bombs, broken rules.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Attack, BROKEN_OFF, DOORS, Ends, LATE, NOT_HTTP, OUTRUN, hub, server, withstand};
use crate::support::hub::Folder;
use crate::support::upstreams::certificates;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// `:status: 200` by its place in HPACK's static table.
const STATUS_200: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What the server sends when the request has arrived: the first once, the second as long as anybody reads.
struct Script {
    name: &'static str,
    first: Vec<u8>,
    then: Vec<u8>,
    ends: Ends,
}

fn script(name: &'static str, first: &[Vec<u8>], then: &[Vec<u8>], ends: Ends) -> Script {
    Script { name, first: first.concat(), then: then.concat().repeat(200), ends }
}

/// A header as HPACK writes it without any compression (RFC 7541, 6.2.2), with a value of `length` letters.
fn header(length: usize) -> Vec<u8> {
    let mut written = vec![0, 1, b'a', 127];
    let mut rest = length - 127;
    while rest >= 128 {
        written.push(u8::try_from(rest % 128 + 128).expect("a byte"));
        rest /= 128;
    }
    written.push(u8::try_from(rest).expect("a byte"));
    written.extend(vec![b'b'; length]);
    written
}

fn scripts() -> Vec<Script> {
    let answer = || frame(HEADERS, END_HEADERS, 1, &[STATUS_200]);
    let headers_go_on = || frame(HEADERS, 0, 1, &[STATUS_200]);
    // Put once into the dynamic table (6.2.1), then referred to by one byte each: 16 KB say 64 MB.
    let mut bomb = vec![STATUS_200];
    bomb.extend(header(4000));
    bomb[1] = 0x40;
    bomb.extend(vec![0xbe; 12_000]);
    let large: Vec<_> = (0..20).map(|_| frame(CONTINUATION, 0, 1, &header(10_000))).collect();
    vec![
        script("continuations", &[headers_go_on()], &[frame(CONTINUATION, 0, 1, &header(1000))], NOT_HTTP),
        script("empty-continuations", &[headers_go_on()], &[frame(CONTINUATION, 0, 1, b"")], NOT_HTTP),
        script(
            "large-headers",
            &[headers_go_on(), large.concat(), frame(CONTINUATION, END_HEADERS, 1, b"")],
            &[],
            NOT_HTTP,
        ),
        script("header-bomb", &[frame(HEADERS, END_HEADERS, 1, &bomb)], &[], NOT_HTTP),
        script("headers-that-never-end", &[headers_go_on()], &[], LATE),
        script("settings", &[], &[frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])], LATE),
        script("pings", &[], &[frame(PING, 0, 0, &[7; 8])], LATE),
        script("pings-after-headers", &[answer()], &[frame(PING, 0, 0, &[7; 8])], LATE),
        script("empty-data", &[answer()], &[frame(DATA, 0, 1, b"")], BROKEN_OFF),
        script("data-beyond-the-window", &[answer()], &[frame(DATA, 0, 1, &[b'x'; 60])], OUTRUN),
        script("data-before-headers", &[frame(DATA, 0, 1, b"x")], &[], NOT_HTTP),
        script("goes-away", &[frame(GO_AWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0])], &[], NOT_HTTP),
        script("resets-the-stream", &[frame(RST_STREAM, 0, 1, &[0, 0, 0, 1])], &[], NOT_HTTP),
        script(
            "resets-within-the-body",
            &[answer(), frame(DATA, 0, 1, b"half"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])],
            &[],
            BROKEN_OFF,
        ),
        script("pushes", &[frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])], &[], NOT_HTTP),
        script("impossible-window", &[frame(SETTINGS, 0, 0, &[0, 4, 255, 255, 255, 255])], &[], NOT_HTTP),
        script("settings-of-odd-length", &[frame(SETTINGS, 0, 0, &[0, 4, 255])], &[], NOT_HTTP),
        script("frame-too-large", &[frame(DATA, 0, 1, &vec![0; 1 << 20])], &[], NOT_HTTP),
        script("stream-of-nobody", &[frame(HEADERS, END_HEADERS, 99, &[STATUS_200])], &[], NOT_HTTP),
        script("broken-hpack", &[frame(HEADERS, END_HEADERS, 1, &[0xff; 20])], &[], NOT_HTTP),
        script("no-status", &[frame(HEADERS, END_HEADERS | 1, 1, &header(200))], &[], NOT_HTTP),
        script("garbage", &[vec![0xa5; 5000]], &[], NOT_HTTP),
    ]
}

/// Speaks HTTP/2 until the request's headers have arrived, then plays the script.
async fn serve(acceptor: TlsAcceptor, stream: TcpStream, script: Arc<Script>) -> Option<()> {
    let mut stream: TlsStream<TcpStream> = acceptor.accept(stream).await.ok()?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.ok()?;
    stream.read_exact(&mut [0; 24]).await.ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.ok()?;
        match head[3] {
            HEADERS => break,
            SETTINGS if head[4] & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, b"")).await.ok()?,
            _ => {}
        }
    }
    let (mut reading, mut writing) = tokio::io::split(stream);
    // Whatever the other side says is read, so that it is not its writing that stops it.
    tokio::spawn(async move { while reading.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} });
    writing.write_all(&script.first).await.ok()?;
    writing.flush().await.ok()?;
    while !script.then.is_empty() {
        writing.write_all(&script.then).await.ok()?;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    Some(())
}

#[tokio::test]
async fn whatever_an_upstream_does_over_http_2_the_exchange_ends_and_says_why() {
    let (ca, acceptor) = certificates(&["h2"]);
    let folder = Folder::new();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca).expect("written");
    let fine = server::start(|mut stream| async move {
        while server::path(&mut stream).await.is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await;
        }
    });
    let mut hosts = vec![format!("http://{fine}")];
    let attacks: Vec<_> = scripts()
        .into_iter()
        .map(|script| {
            let (acceptor, script) = (acceptor.clone(), Arc::new(script));
            let (name, ends) = (script.name, script.ends.clone());
            let address = server::start(move |stream| {
                let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
                async move { serve(acceptor, stream, script).await.unwrap_or_default() }
            });
            hosts.push(format!("https://{address}"));
            Attack { name, url: format!("https://{address}/{name}"), ends }
        })
        .collect();
    for door in DOORS {
        let hub = hub(door, &hosts, &format!("outbound: {{ extra_ca: {} }}\n", ca_file.display()));
        for some in attacks.chunks(16) {
            withstand(&hub, door, "victim", some, &format!("http://{fine}/")).await;
        }
    }
}
