//! Upstreams that leave bodies unread, and take them for the next request on the connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::tests::upstream::{Upstream, get};
use crate::{Acting, Allowlist, Gate, GateOptions, Method, OutboundError, OutboundRequest};

/// What is hidden in a body: a whole request, and the beginning of one that takes in what comes next.
const HIDDEN: [&str; 2] =
    ["DELETE /accounts/42 HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /accounts/42 HTTP/1.1\r\nx-rest: "];

type Heads = Arc<Mutex<Vec<String>>>;

/// Reads heads and no bodies. It closes when it is asked to, unless it is `rude`.
async fn unreading(rude: bool) -> (Upstream, Heads) {
    let heads = Heads::default();
    let kept = Arc::clone(&heads);
    let upstream = Upstream::start(move |mut stream| {
        let heads = Arc::clone(&kept);
        async move {
            let mut unread = Vec::new();
            loop {
                while let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                    let head: Vec<u8> = unread.drain(..end + 4).collect();
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let closes = !rude && head.contains("connection: close");
                    heads.lock().unwrap().push(head);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    if stream.write_all(answer).await.is_err() || closes {
                        return;
                    }
                }
                if !matches!(stream.read_buf(&mut unread).await, Ok(1..)) {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, heads)
}

fn gate_to(upstream: &Upstream) -> Gate {
    let allowlist = Allowlist::from_entries([format!("http://{}", upstream.addr).as_str()]).unwrap();
    let queries = vec![upstream.url("/ask").parse().unwrap()];
    Gate::new(allowlist, GateOptions { queries, ..GateOptions::default() }).unwrap()
}

async fn send(gate: &Gate, request: OutboundRequest, acting: Acting) -> Result<u16, OutboundError> {
    let permitted = gate.permit(request, acting)?;
    gate.send(permitted, Instant::now() + Duration::from_secs(2)).await.map(|answer| answer.status)
}

#[tokio::test]
async fn get_and_head_have_no_body_in_which_another_request_could_hide() {
    let (upstream, heads) = unreading(false).await;
    let gate = gate_to(&upstream);
    for method in [Method::Get, Method::Head] {
        for acting in [Acting::Reading, Acting::Anything] {
            for hidden in HIDDEN {
                let request = |body: &str| {
                    let headers = vec![("authorization".to_owned(), "Bearer mine".to_owned())];
                    OutboundRequest { method, headers, body: Some(body.into()), ..get(upstream.url("/items")) }
                };
                let refused = send(&gate, request(hidden), acting).await;
                let told = matches!(&refused, Err(OutboundError::InvalidRequest(why)) if why.contains("send POST"));
                assert!(told, "{method:?} {acting:?}: {refused:?}");
                assert_eq!(send(&gate, request(""), acting).await, Ok(200), "an empty one is none");
            }
        }
    }
    let heads = heads.lock().unwrap();
    assert!(heads.len() == 8 && !heads.iter().any(|head| head.contains("DELETE")), "{heads:?}");
}

#[tokio::test]
async fn a_body_that_stays_unread_is_not_taken_for_the_next_request_on_its_connection() {
    for (method, path, acting) in [
        (Method::Post, "/ask", Acting::Reading),
        (Method::Post, "/items", Acting::Anything),
        (Method::Delete, "/items", Acting::Anything),
    ] {
        for (rude, hidden) in [(false, HIDDEN[0]), (false, HIDDEN[1]), (true, HIDDEN[1])] {
            let (upstream, heads) = unreading(rude).await;
            let gate = gate_to(&upstream);
            assert_eq!(send(&gate, get(upstream.url("/before")), acting).await, Ok(200));
            let body = Some(hidden.into());
            let asked = OutboundRequest { method, body, ..get(upstream.url(path)) };
            assert_eq!(send(&gate, asked, acting).await, Ok(200));
            let headers = vec![("authorization".to_owned(), "Bearer of the next call".to_owned())];
            let next = OutboundRequest { headers, ..get(upstream.url("/next")) };
            assert_eq!(send(&gate, next, Acting::Reading).await, Ok(200));
            let heads = heads.lock().unwrap();
            let lines: Vec<_> = heads.iter().map(|head| head.split(" HTTP").next().unwrap_or_default()).collect();
            assert_eq!(lines, ["GET /before", &format!("{} {path}", method.as_str()), "GET /next"], "{rude} {heads:?}");
            assert_eq!(upstream.connections(), 2, "the one with the body is used by nobody else");
        }
    }
}
