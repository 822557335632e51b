//! Names under somebody else's control: what they resolve to decides.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::tests::upstream::{FakeResolver, Upstream, gate, gate_with, get, read_request, send};
use crate::{Acting, Allowlist, Gate, GateOptions, HostName, Limits, OutboundError, Resolve, Resolving};

async fn hello() -> Upstream {
    Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
}

async fn denied(upstream: &Upstream, entries: &[&str], addrs: &[&str]) -> String {
    let port = upstream.addr.port();
    let own = format!("http://*.example.com:{port}");
    let gate = gate_with(&[&[own.as_str()], entries].concat(), FakeResolver::knowing("a.example.com", addrs));
    let error = send(&gate, get(format!("http://a.example.com:{port}/"))).await.unwrap_err();
    assert_eq!(upstream.connections(), 0, "{addrs:?}");
    match error {
        OutboundError::DeniedAddress(message) => message,
        other => panic!("{addrs:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_without_connecting() {
    let upstream = hello().await;
    for addr in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0"] {
        denied(&upstream, &[], &[addr]).await;
    }
}

#[tokio::test]
async fn one_bad_address_among_good_ones_refuses_the_name() {
    let upstream = hello().await;
    for addrs in [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]] {
        denied(&upstream, &[], &addrs).await;
    }
    let named = format!("http://127.0.0.1:{}", upstream.addr.port());
    denied(&upstream, &[&named], &["127.0.0.1", "::1"]).await;
}

#[tokio::test]
async fn naming_the_address_for_another_port_or_scheme_opens_nothing() {
    let upstream = hello().await;
    let https = format!("127.0.0.1:{}", upstream.addr.port());
    denied(&upstream, &["http://127.0.0.1", &https], &["127.0.0.1"]).await;
}

#[tokio::test]
async fn the_refusal_says_what_to_write() {
    let upstream = hello().await;
    let port = upstream.addr.port();
    let message = denied(&upstream, &[], &["8.8.8.8", "127.0.0.1"]).await;
    assert_eq!(
        message,
        format!(
            "a.example.com resolves to 127.0.0.1, which is not a public address (loopback): if it is meant, name the \
             address itself in allowed_hosts, such as 'http://127.0.0.1:{port}', and use it in the URL"
        )
    );
}

#[tokio::test]
async fn a_named_address_is_reached_and_resolved_once() {
    let upstream = Upstream::echoing().await;
    let port = upstream.addr.port();
    let resolver = FakeResolver::knowing("a.example.com", &["127.0.0.1"]);
    let entries = [format!("http://a.example.com:{port}"), format!("http://127.0.0.1:{port}")];
    let gate = gate_with(&[&entries[0], &entries[1]], resolver.clone());
    for _ in 0..3 {
        let answer = send(&gate, get(format!("http://A.example.com.:{port}/"))).await.unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        assert!(body.contains(&format!("host: a.example.com:{port}\r\n")), "{body}");
    }
    assert_eq!((upstream.connections(), resolver.asked()), (1, 1));
}

#[tokio::test]
async fn addresses_that_refuse_or_do_not_answer_are_passed_over() {
    let upstream = Upstream::echoing().await;
    let port = upstream.addr.port();
    // With a backlog of one and nobody who accepts, the third connection and all later ones wait for ever.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("127.0.0.4:{port}").parse().unwrap()).unwrap();
    let _silent = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(tokio::net::TcpStream::connect(format!("127.0.0.4:{port}")).await.unwrap());
    }
    let refusing = "127.0.0.3";
    let entries = [refusing, "127.0.0.4", "127.0.0.1"].map(|addr| format!("http://{addr}:{port}"));
    let own = format!("http://a.example.com:{port}");
    let entries: Vec<_> = entries.iter().chain([&own]).map(String::as_str).collect();
    let start = Instant::now();
    for addrs in [&[refusing, "127.0.0.1"][..], &[refusing, "127.0.0.4", "127.0.0.1"], &["127.0.0.4", "127.0.0.1"]] {
        let gate = gate_with(&entries, FakeResolver::knowing("a.example.com", addrs));
        assert_eq!(send(&gate, get(format!("{own}/"))).await.map(|answer| answer.status), Ok(200), "{addrs:?}");
    }
    let took = start.elapsed();
    assert!((500..1500).contains(&took.as_millis()), "two addresses that hang, a quarter of a second each: {took:?}");

    let gate = gate_with(&entries, FakeResolver::knowing("a.example.com", &[refusing]));
    let error = send(&gate, get(format!("{own}/"))).await.unwrap_err();
    let said = format!("no connection to {own} (connection refused)");
    assert!(matches!(&error, OutboundError::NoConnection(text) if text.starts_with(&said)), "{error:?}");
}

#[tokio::test]
async fn a_name_that_moves_inside_is_refused_from_then_on() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let port = upstream.addr.port();
    let entries = [format!("http://a.example.com:{port}"), format!("http://127.0.0.1:{port}")];
    let resolver = FakeResolver::changing("a.example.com", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let gate = gate_with(&[&entries[0], &entries[1]], resolver);
    let url = format!("http://a.example.com:{port}/");
    assert_eq!(send(&gate, get(&url)).await.map(|answer| answer.status), Ok(200));
    for _ in 0..2 {
        let error = send(&gate, get(&url)).await.unwrap_err();
        assert!(matches!(error, OutboundError::DeniedAddress(_)), "{error:?}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_lookup_that_hangs_ends_with_the_connect_timeout() {
    struct Hangs;
    impl Resolve for Hangs {
        fn resolve(&self, _: &HostName) -> Resolving {
            Box::pin(std::future::pending())
        }
    }
    let limits = Limits { connect_timeout: Duration::from_millis(50), ..Limits::default() };
    let options = GateOptions { limits, resolver: Arc::new(Hangs), ..GateOptions::default() };
    let gate = Gate::new(Allowlist::from_entries(["a.example.com"]).unwrap(), options).unwrap();
    let start = Instant::now();
    assert_eq!(send(&gate, get("https://a.example.com/")).await, Err(OutboundError::Timeout));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn localhost_is_refused_unless_its_addresses_are_named() {
    let upstream = hello().await;
    let entry = format!("http://localhost:{}", upstream.addr.port());
    let gate = gate(&[&entry], Limits::default());
    let error = send(&gate, get(format!("{entry}/"))).await.unwrap_err();
    let OutboundError::DeniedAddress(message) = error else { panic!("{error:?}") };
    assert!(message.starts_with("localhost resolves to "), "{message}");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_unknown_name_is_a_dns_error() {
    for (known, addrs) in [("b.example.com", &["8.8.8.8"][..]), ("a.example.com", &[])] {
        let gate = gate_with(&["a.example.com"], FakeResolver::knowing(known, addrs));
        let error = send(&gate, get("https://a.example.com/")).await.unwrap_err();
        let OutboundError::Dns(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with("'a.example.com' does not resolve"), "{message}");
    }
}

#[tokio::test]
async fn concurrent_requests_all_resolve_in_their_own_scope() {
    let upstream = Upstream::start(|mut stream| async move {
        while read_request(&mut stream).await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let port = upstream.addr.port();
    let entries = [format!("http://a.example.com:{port}"), format!("http://127.0.0.1:{port}")];
    let resolver = FakeResolver::knowing("a.example.com", &["127.0.0.1"]);
    let gate = Arc::new(gate_with(&[&entries[0], &entries[1]], resolver));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (gate, url) = (Arc::clone(&gate), format!("http://a.example.com:{port}/"));
        tasks.spawn(async move { send(&gate, get(url)).await.map(|answer| answer.status) });
    }
    for status in tasks.join_all().await {
        assert_eq!(status, Ok(204));
    }
}

#[tokio::test]
async fn a_permit_of_one_gate_is_no_permit_at_another() {
    let upstream = hello().await;
    let own = upstream.gate(Limits::default());
    let other = gate_with(&["a.example.com"], FakeResolver::default());
    let permitted = own.permit(get(upstream.url("/")), Acting::Anything).unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    let error = other.send(permitted, deadline).await.unwrap_err();
    assert!(matches!(error, OutboundError::DeniedAddress(_)), "{error:?}");
    assert_eq!(upstream.connections(), 0);
}
