//! Real sockets: what goes out, what comes back, and upstreams that misbehave.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::tests::upstream::{Upstream, gate, get, read_request, send};
use crate::{Acting, ByteMeter, Limits, Method, OutboundError, OutboundRequest, OutboundResponse};

const SOON: Duration = Duration::from_millis(200);

/// Sends with a deadline of 200 ms and sees that it holds.
async fn send_soon(upstream: &Upstream, timeout: Option<Duration>) -> Result<OutboundResponse, OutboundError> {
    let gate = upstream.gate(Limits::default());
    let permitted = gate.permit(OutboundRequest { timeout, ..get(upstream.url("/")) }, Acting::Anything).unwrap();
    let start = Instant::now();
    let answer = gate.send(permitted, start + SOON).await;
    assert!(start.elapsed() < SOON + Duration::from_millis(150), "{:?}", start.elapsed());
    answer
}

async fn answer_of(upstream: &Upstream) -> Result<OutboundResponse, OutboundError> {
    send(&upstream.gate(Limits { max_response_bytes: 1000, ..Limits::default() }), get(upstream.url("/"))).await
}

async fn drip(mut stream: TcpStream, head: &'static str, drop: &'static str) {
    read_request(&mut stream).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    while stream.write_all(drop.as_bytes()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_request_arrives_as_given_and_nothing_is_added_but_the_usual() {
    let upstream = Upstream::echoing().await;
    let gate = upstream.gate(Limits::default());
    let request = OutboundRequest {
        method: Method::Patch,
        headers: vec![("X-Two".into(), "a".into()), ("x-two".into(), "b".into())],
        body: Some(b"{}".to_vec()),
        ..get(upstream.url("/v1/%C3%BC?q=1#part"))
    };
    let mut permitted = gate.permit(request, Acting::Anything).unwrap();
    assert_eq!(permitted.target().authority(), upstream.addr.to_string());
    assert_eq!(permitted.body(), Some(&b"{}"[..]));
    for (name, value) in permitted.headers_mut() {
        if name == "x-two" && value == "b" {
            *value = "placed later".parse().unwrap();
            value.set_sensitive(true);
        }
    }
    let answer = gate.send(permitted, Instant::now() + Duration::from_secs(2)).await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        text,
        format!(
            "PATCH /v1/%C3%BC?q=1 HTTP/1.1\r\nx-two: a\r\nx-two: placed later\r\naccept: */*\r\nuser-agent: bulkhead/{version}\r\n\
             connection: close\r\nhost: {}\r\ncontent-length: 2\r\n\r\n{{}}",
            upstream.addr
        )
    );
}

#[tokio::test]
async fn a_provider_may_name_itself() {
    let upstream = Upstream::echoing().await;
    let headers = vec![("User-Agent".to_owned(), "mine/1".to_owned())];
    let answer = send(&upstream.gate(Limits::default()), OutboundRequest { headers, ..get(upstream.url("/")) }).await;
    let text = String::from_utf8(answer.unwrap().body).unwrap();
    assert!(text.contains("user-agent: mine/1\r\n") && !text.contains("bulkhead/"), "{text}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let head = "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::answering(head).await;
    let answer = answer_of(&upstream).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(answer.headers.contains(&("location".to_owned(), "http://169.254.169.254/".to_owned())));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn requests_share_a_connection() {
    let upstream = Upstream::echoing().await;
    let gate = upstream.gate(Limits::default());
    for _ in 0..3 {
        send(&gate, get(upstream.url("/"))).await.unwrap();
    }
    assert_eq!(upstream.connections(), 1);
    send(&upstream.gate(Limits::default()), get(upstream.url("/"))).await.unwrap();
    assert_eq!(upstream.connections(), 2, "another gate must not use the first one's connection");
}

#[tokio::test]
async fn compressed_bodies_stay_compressed() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    let answer = answer_of(&Upstream::answering(answer).await).await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.bytes()), (&b"abcd"[..], 16 + 4 + 14 + 1 + 4));
}

#[tokio::test]
async fn an_answer_that_is_to_be_searched_is_asked_for_whole_and_plain_and_refused_otherwise() {
    let upstream = Upstream::echoing().await;
    let gate = upstream.gate(Limits::default());
    let with = |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        gate.permit(OutboundRequest { headers, ..get(upstream.url("/")) }, crate::Acting::Anything).unwrap()
    };
    for piece in ["range", "Range", "if-range", "request-range", "x-ms-range", "x-range", "a-im"] {
        let error = with(&[(piece, "bytes=0-4")]).to_be_searched().unwrap_err();
        let told = matches!(&error, OutboundError::InvalidRequest(text) if text.contains("piece of a secret"));
        assert!(told && error.to_string().contains(&piece.to_lowercase()), "{error:?}");
    }
    let mut request = with(&[
        ("accept-encoding", "gzip"),
        ("Accept-Encoding", "br;q=1, identity;q=0"),
        ("accept-charset", "utf-7"),
        ("Accept", "text/plain;q=0.9;Charset=\"utf-32-le\", text/html ; charset=ibm037;q=0.1,*/*"),
        ("content-range", "bytes 0-1/2"),
        ("if-none-match", "*"),
    ]);
    request.to_be_searched().unwrap();
    let answer = gate.send(request, Instant::now() + Duration::from_secs(2)).await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(text.matches("accept-encoding: identity\r\n").count(), 1, "{text}");
    assert!(!text.contains("gzip") && !text.contains("br;") && !text.contains("utf-7"), "{text}");
    assert!(text.contains("accept: text/plain;q=0.9, text/html ;q=0.1,*/*\r\n"), "in the server's own letters: {text}");
    assert!(text.contains("if-none-match: *"), "{text}");

    for (head, passes) in [
        ("200 OK\r\ncontent-encoding: gzip", false),
        ("200 OK\r\ncontent-encoding: identity\r\ncontent-encoding: br", false),
        ("200 OK\r\nContent-Encoding: identity, X-Gzip", false),
        ("404 Not Found\r\ncontent-encoding: deflate", false),
        ("206 Partial Content\r\ncontent-range: bytes 0-3/10", false),
        ("200 OK\r\ncontent-range: Bytes=0-3/10", false),
        ("206 Partial Content\r\ncontent-type: Multipart/ByteRanges; boundary=x", false),
        ("226 IM Used\r\nim: vcdiff", false),
        ("206 Partial Content", false),
        ("206 Partial Content\r\ncontent-range:", false),
        ("200 OK\r\ncontent-type: text/plain;charset=utf-32-le", false),
        ("200 OK\r\nContent-Type: text/plain; Charset = \"UTF-32\"", false),
        ("200 OK\r\ncontent-type: text/plain; charset=utf-8; charset=ibm037", false),
        ("200 OK\r\ncontent-type: text/plain; charset*=us-ascii''utf-7", false),
        ("200 OK\r\ncontent-type: text/plain\r\ncontent-type: text/plain; charset=utf-7", false),
        ("200 OK\r\ncontent-type: text/plain; charset=hz-gb-2312", false),
        ("200 OK\r\ncontent-type: application/json; charset=\"UTF-8\"", true),
        ("200 OK\r\ncontent-type: text/html; charset=", true),
        ("200 OK\r\ncontent-type: text/html;charset=ISO-8859-15; x=y", true),
        ("200 OK\r\ncontent-type: text/html; charset=utf-16le", true),
        ("200 OK\r\ncontent-type: text/html; charset=Windows-1252", true),
        ("200 OK\r\ncontent-encoding: identity", true),
        ("200 OK\r\ncontent-encoding:", true),
        ("206 Partial Content\r\ncontent-range: 0-3/10", true),
        ("416 Range Not Satisfiable\r\ncontent-range: bytes */10", true),
        ("200 OK\r\ncontent-type: multipart/mixed", true),
    ] {
        let upstream = Upstream::answering(format!("HTTP/1.1 {head}\r\ncontent-length: 4\r\n\r\nabcd")).await;
        let gate = upstream.gate(Limits::default());
        for searched in [true, false] {
            let mut request = gate.permit(get(upstream.url("/")), crate::Acting::Anything).unwrap();
            if searched {
                request.to_be_searched().unwrap();
            }
            match gate.send(request, Instant::now() + Duration::from_secs(2)).await {
                Ok(answer) => assert!((passes || !searched) && answer.body == b"abcd", "{head}"),
                Err(OutboundError::Unsearchable(_)) => assert!(searched && !passes, "{head}"),
                Err(error) => panic!("{head}: {error:?}"),
            }
        }
    }
    let coded = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let upstream = Upstream::answering(coded).await;
    let gate = upstream.gate(Limits::default());
    let mut request = gate.permit(get(upstream.url("/")), crate::Acting::Anything).unwrap();
    request.to_be_searched().unwrap();
    let answer = gate.send(request, Instant::now() + Duration::from_secs(2)).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn header_values_that_are_not_text_are_replaced() {
    let upstream = Upstream::start(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nX-Odd: a\xffb\r\n\r\n").await.unwrap();
    })
    .await;
    let answer = answer_of(&upstream).await.unwrap();
    assert_eq!(answer.headers, [("x-odd".to_owned(), "a\u{fffd}b".to_owned())]);
}

#[tokio::test]
async fn an_announced_body_over_the_cap_is_not_read() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await;
    assert_eq!(answer_of(&upstream).await, Err(OutboundError::TooLarge { limit: 1000 }));
}

#[tokio::test]
async fn the_length_announced_to_head_is_no_body() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
    let gate = upstream.gate(Limits { max_response_bytes: 1000, ..Limits::default() });
    let answer = send(&gate, OutboundRequest { method: Method::Head, ..get(upstream.url("/")) }).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn a_body_of_unknown_length_stops_at_the_cap() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    const CHUNK: &str = "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n";
    let upstream = Upstream::start(|stream| drip(stream, HEAD, CHUNK)).await;
    assert_eq!(answer_of(&upstream).await, Err(OutboundError::TooLarge { limit: 1000 }));
}

#[tokio::test]
async fn a_body_exactly_at_the_cap_passes_and_a_meter_stops_it_sooner() {
    let body = "x".repeat(1000 - "content-length".len() - 3);
    let upstream =
        Upstream::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(answer_of(&upstream).await.unwrap().bytes(), 1000);
    let gate = upstream.gate(Limits::default());
    let meter = Arc::new(ByteMeter::new(1999));
    for (left, expected) in [(1999, Ok(200)), (999, Err(OutboundError::BudgetExhausted))] {
        let mut permitted = gate.permit(get(upstream.url("/")), Acting::Anything).unwrap();
        permitted.meter(Arc::clone(&meter));
        let answer = gate.send(permitted, Instant::now() + Duration::from_secs(2)).await;
        assert_eq!(answer.map(|answer| answer.status), expected, "with {left} bytes left");
    }
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let many = "a: b\r\n".repeat(11);
    let upstream = Upstream::answering(format!("HTTP/1.1 204 No Content\r\n{many}\r\n")).await;
    for (max_headers, passes) in [(11, true), (10, false)] {
        let gate = upstream.gate(Limits { max_headers, ..Limits::default() });
        match send(&gate, get(upstream.url("/"))).await {
            Ok(answer) => assert!(passes && answer.headers.len() == 11, "{answer:?}"),
            Err(error) => assert!(!passes && matches!(error, OutboundError::Connection(_)), "{error:?}"),
        }
    }
    let large = "b".repeat(70_000);
    let error =
        answer_of(&Upstream::answering(format!("HTTP/1.1 200 OK\r\na: {large}\r\n\r\n")).await).await.unwrap_err();
    assert_eq!(error, OutboundError::TooLarge { limit: 65_536 });
}

#[tokio::test]
async fn the_head_of_an_answer_is_bounded_before_it_is_parsed() {
    let mut ends = Vec::new();
    for bytes in [65_000, 66_000, 73_000, 150_000, 400_000] {
        let line = "b".repeat(bytes);
        ends.push(answer_of(&Upstream::answering(format!("HTTP/1.1 204 No Content\r\na: {line}\r\n\r\n")).await).await);
    }
    // The first is refused only because this gate takes answers of 1000 bytes.
    assert_eq!(ends[0], Err(OutboundError::TooLarge { limit: 1000 }));
    assert_eq!(ends[1..3], [const { Err(OutboundError::TooLarge { limit: 65_536 }) }; 2]);
    for end in &ends[3..] {
        let Err(OutboundError::Connection(message)) = end else { panic!("{end:?}") };
        assert!(message.contains("more than the hub takes"), "{message}");
    }
}

#[tokio::test]
async fn slow_headers_end_at_the_deadline() {
    let upstream = Upstream::start(|stream| drip(stream, "HTTP/1.1 200 OK\r\n", "a: b\r\n")).await;
    assert_eq!(send_soon(&upstream, None).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn a_slow_body_ends_at_the_deadline() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let upstream = Upstream::start(|stream| drip(stream, HEAD, "x")).await;
    assert_eq!(send_soon(&upstream, None).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn an_endless_body_ends_at_the_deadline() {
    let upstream = Upstream::start(|stream| drip(stream, "HTTP/1.1 200 OK\r\n\r\n", "x")).await;
    assert_eq!(send_soon(&upstream, None).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn endless_interim_answers_end_at_the_deadline() {
    let upstream = Upstream::start(|stream| drip(stream, "", "HTTP/1.1 103 Early Hints\r\n\r\n")).await;
    assert_eq!(send_soon(&upstream, None).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn a_timeout_of_the_request_shortens_the_deadline_and_never_stretches_it() {
    let upstream = Upstream::start(|stream| drip(stream, "", "")).await;
    let start = Instant::now();
    assert_eq!(send_soon(&upstream, Some(Duration::from_millis(50))).await, Err(OutboundError::Timeout));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(send_soon(&upstream, Some(Duration::from_secs(10))).await, Err(OutboundError::Timeout));
    assert_eq!(send_soon(&upstream, Some(Duration::MAX)).await, Err(OutboundError::Timeout));
    assert_eq!(send_soon(&upstream, Some(Duration::ZERO)).await, Err(OutboundError::Timeout));
}

#[tokio::test]
async fn broken_upstreams_are_connection_errors_that_name_no_internals() {
    const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    for (answer, words) in
        [("", "broke the connection"), ("SSH-2.0-x\r\n", "broke the connection"), (CUT, "in the middle")]
    {
        let upstream = Upstream::start(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let error = answer_of(&upstream).await.unwrap_err();
        let OutboundError::Connection(message) = error else { panic!("{answer:?}: {error:?}") };
        assert!(message.contains(words) && message.contains(&upstream.url("")), "{message}");
        assert!(!message.contains("os error"), "{message}");
    }
}

#[tokio::test]
async fn nobody_listening_is_a_connection_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gate = gate(&[&url], Limits::default());
    let error = send(&gate, get(format!("{url}/"))).await.unwrap_err();
    let expected = format!(
        "no connection to {url} (connection refused): check that it runs, and that the hub's network leads there"
    );
    assert_eq!(error, OutboundError::NoConnection(expected));
}

/// Environment variables belong to the whole process, so this test runs itself again in one of its own.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    const CHILD: &str = "BULKHEAD_TEST_WITH_PROXY";
    const PROXIES: [&str; 6] = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    if std::env::var_os(CHILD).is_some() {
        let upstream = Upstream::echoing().await;
        assert_eq!(answer_of(&upstream).await.unwrap().status, 200);
        return;
    }
    let path = module_path!().split_once("::").unwrap().1;
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{path}::proxies_of_the_environment_are_ignored")])
        .env(CHILD, "1")
        .envs(PROXIES.map(|name| (name, "http://127.0.0.1:1")))
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && output.contains("1 passed"), "{output}");
}
