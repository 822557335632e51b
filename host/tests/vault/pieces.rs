//! An honest echo says a value back as HTTP lets a client ask for it: in pieces, compressed, spread over headers, later.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::json;

use super::{fresh_secret, get, said, scrubbing::traces_of, secrets, set_secret};
use crate::support::{
    hub::{ADMIN, Hub, eventually},
    testbed::{Testbed, testbed},
};

/// Says the last `authorization` that it got: in the body, and in pieces in `x-echo`. It knows ranges, and a compression of
/// its own making.
struct Echo {
    host: String,
}

impl Echo {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let host = format!("http://{}", listener.local_addr().expect("an address"));
        let last = Arc::new(Mutex::new(String::new()));
        let app = Router::new().fallback(any(move |uri: Uri, headers: HeaderMap| {
            let mut last = last.lock().expect("a lock");
            if let Some(sent) = headers.get(header::AUTHORIZATION) {
                *last = sent.to_str().expect("text").to_owned();
            }
            let answer = answer(&uri, &headers, &last);
            async { answer }
        }));
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { host }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.host)
    }
}

fn answer(uri: &Uri, headers: &HeaderMap, last: &str) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some((from, to)) = text("range").strip_prefix("bytes=").and_then(|range| range.split_once('-')) {
        let (from, to): (usize, usize) = (from.parse().expect("a number"), to.parse().expect("a number"));
        let piece = last.get(from..(to + 1).min(last.len())).unwrap_or_default().to_owned();
        return (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, format!("bytes {from}-{to}/*"))], piece)
            .into_response();
    }
    if text("accept-encoding").contains("gzip") || uri.path() == "/gzip" {
        let compressed: String = last.chars().rev().collect();
        return ([(header::CONTENT_ENCODING, "gzip")], compressed).into_response();
    }
    let mut response = last.to_owned().into_response();
    let pieces = last.as_bytes().chunks(9).map(|piece| HeaderValue::from_bytes(piece).expect("a value"));
    for (number, piece) in pieces.enumerate() {
        let numbered = HeaderName::try_from(format!("x-part-{number}")).expect("a name");
        response.headers_mut().insert(numbered, piece.clone());
        response.headers_mut().append("x-echo", piece);
    }
    response
}

#[tokio::test]
async fn an_honest_echo_gives_a_value_away_in_no_way_that_http_has() {
    let (echo, secret) = (Echo::start(), fresh_secret());
    let hub = Hub::start(&testbed(&["vault_key: token", &format!("allowed_hosts: ['{}']", echo.host)]));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    let mut replies = Vec::new();
    let with = |path: &str, name: &str, value: &str| json!({ "url": echo.url(path), "headers": { name: value } });
    for (name, value) in [("range", "bytes=0-9"), ("accept-encoding", "gzip")] {
        let reply = get(&hub, &token, &with("/", name, value)).await;
        let asks = said(&reply).1;
        let refused = asks.contains("piece of a secret");
        assert!(if name == "range" { refused } else { reply.status == 200 }, "whoever may know it: {name} {reply:?}");
    }

    let sends = |path: &str, name: &str, value: &str| {
        let mut input = with(path, name, value);
        input["secret"] = json!("token");
        input
    };
    for (name, value) in
        [("Range", "bytes=0-19"), ("range", "bytes=20-39"), ("if-range", "x"), ("request-range", "bytes=0-9")]
    {
        let reply = get(&hub, &token, &sends("/", name, value)).await;
        let (_, detail) = said(&reply);
        assert!(detail.contains("invalid-request") && detail.contains("piece of a secret"), "{name}: {detail}");
        replies.push(reply);
    }
    let reply = get(&hub, &token, &sends("/", "accept-encoding", "gzip, br")).await;
    assert_eq!(reply.json()["body"], "Bearer [secret token]", "as it is, whatever was asked for: {reply:?}");
    replies.push(reply);
    let reply = get(&hub, &token, &sends("/gzip", "accept", "*/*")).await;
    let (_, detail) = said(&reply);
    assert!(detail.contains("cannot be searched"), "{detail}");
    replies.push(reply);

    // Another call, which has no secret, and the echo still knows.
    let reply = get(&hub, &token, &with("/", "range", "bytes=0-19")).await;
    assert!(said(&reply).1.contains("piece of a secret"), "{reply:?}");
    replies.push(reply);
    let reply = get(&hub, &token, &with("/", "accept-encoding", "gzip")).await;
    assert_eq!(reply.json()["body"], "Bearer [secret token]", "{reply:?}");
    replies.push(reply);

    // Spread over headers: what the provider saw, backwards.
    let seen = hub.call(&token, "testbed/secret.see", &json!({ "url": echo.url("/"), "secret": "token" })).await;
    let text: String = seen.json()["backwards"].as_str().expect("text").chars().rev().filter(|c| *c != '\n').collect();
    assert!(text.contains("[secret token]") && !text.contains(&secret[..9]) && !text.contains(&secret[20..]), "{text}");
    replies.push(seen);
    assert_eq!(traces_of(&secret, &hub, &replies), Vec::<String>::new());
}

#[tokio::test]
async fn what_another_provider_told_the_upstream_is_not_read_off_it_in_pieces() {
    let (echo, secret) = (Echo::start(), fresh_secret());
    let with = ["vault_key: token", &format!("allowed_hosts: ['{}']", echo.host)];
    let spy = Testbed { name: "spy", with: &with, ..Testbed::default() }.yaml();
    let hub = Hub::start(&format!("{}{spy}", testbed(&with)));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    let tells = json!({ "url": echo.url("/"), "secret": "token" });
    assert_eq!(get(&hub, &token, &tells).await.status, 200);
    let asks = json!({ "url": echo.url("/"), "headers": { "range": "bytes=0-19" } });
    let reply = hub.call(&token, "spy/fetch.get", &asks).await;
    assert!(said(&reply).1.contains("piece of a secret"), "{reply:?}");
}

#[tokio::test]
async fn a_value_that_was_removed_or_replaced_is_still_taken_out_of_what_comes_back() {
    let (echo, secret) = (Echo::start(), fresh_secret());
    let hub = Hub::start(&testbed(&["vault_key: token", &format!("allowed_hosts: ['{}']", echo.host)]));
    set_secret(&hub, "token", &secret);
    let token = hub.token(ADMIN);
    let tells = json!({ "url": echo.url("/"), "secret": "token" });
    let asks = json!({ "url": echo.url("/") });
    let mut replies = vec![get(&hub, &token, &tells).await];
    let reference = async || hub.call(&token, "testbed/secret.reference", &json!({ "name": "token" })).await.status;
    assert!(secrets(&hub, &["remove", "token"], "").status.success());
    eventually("it is gone", async || (reference().await != 200).then_some(())).await;
    replies.push(get(&hub, &token, &asks).await);
    set_secret(&hub, "token", &fresh_secret());
    eventually("there is another", async || (reference().await == 200).then_some(())).await;
    replies.push(get(&hub, &token, &asks).await);
    for reply in &replies {
        assert_eq!(reply.json()["body"], "Bearer [secret token]", "{reply:?}");
    }
    assert_eq!(traces_of(&secret, &hub, &replies), Vec::<String>::new());
}
