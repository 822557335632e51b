//! Requests through the gate: what is sent, and what each failure becomes.

use std::time::Duration;

use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};
use bulkhead_sdk::{HttpError, SecretError};

const URL: &str = "https://api.example/v1";

/// Runs one tool made of `body` behind `gate`.
fn run<F>(gate: FakeGate, body: F) -> Run
where
    F: Fn(&Context) -> Result<Value, CallError> + 'static,
{
    testing::run(Provider::new("x", "1.0.0").tool(Tool::read("x", "1.0", move |cx, _: NoInput| body(cx)))).gate(gate)
}

type Value = bulkhead_sdk::serde_json::Value;

fn get(cx: &Context) -> Result<Value, CallError> {
    cx.get(URL).bearer_secret("api_key").send()?.json()
}

/// The error of a GET that is answered so.
fn refused(reply: Reply) -> CallError {
    let gate = FakeGate::new().secret("api_key").on(Method::Get, URL, reply);
    run(gate, get).call("x", json!({})).unwrap_err()
}

#[test]
fn a_request_is_what_the_chain_says() {
    let gate = FakeGate::new().secret("api_key").on(Method::Post, URL, Reply::json(200, &json!({"ok": true})));
    let run = run(gate, |cx| {
        cx.post(URL)
            .segment("a b/c")
            .query("q", "x&y")
            .query("n", 5)
            .header("x-trace", cx.correlation_id())
            .bearer_secret("api_key")
            .json(&json!([1]))
            .timeout(Duration::from_secs(2))
            .send()?
            .json()
    });
    assert_eq!(run.call("x", json!({})).unwrap(), json!({"ok": true}));
    let request = run.gate_seen().requests().remove(0);
    assert_eq!(request.url, "https://api.example/v1/a%20b%2Fc?q=x%26y&n=5");
    let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("authorization"), Some(format!("Bearer {}", FakeGate::reference_to("api_key")).as_str()));
    assert_eq!((header("content-type"), header("x-trace")), (Some("application/json"), Some("correlation-1")));
    assert_eq!((request.body.as_deref(), request.timeout_ms), (Some(b"[1]".as_slice()), Some(2000)));
}

#[test]
fn statuses_become_codes() {
    for (status, code) in [
        (302, ErrorCode::UpstreamFailed),
        (400, ErrorCode::UpstreamFailed),
        (401, ErrorCode::UpstreamAuth),
        (403, ErrorCode::UpstreamAuth),
        (404, ErrorCode::NotFound),
        (408, ErrorCode::UpstreamTimeout),
        (409, ErrorCode::Conflict),
        (429, ErrorCode::UpstreamRateLimited),
        (500, ErrorCode::UpstreamFailed),
        (503, ErrorCode::UpstreamFailed),
        (504, ErrorCode::UpstreamTimeout),
    ] {
        let error = refused(Reply::text(status, "because"));
        assert_eq!(error.code, code, "{status}");
        assert!(error.message.contains("api.example") && error.message.contains(&status.to_string()), "{error}");
    }
}

#[test]
fn gate_errors_become_codes_and_say_what_to_do() {
    let text = || "api.example".to_owned();
    for (error, code, cure) in [
        (HttpError::InvalidRequest(text()), ErrorCode::Internal, "refused"),
        (HttpError::DeniedHost(text()), ErrorCode::UpstreamUnreachable, "add `api.example` to `allowed_hosts`"),
        (HttpError::DeniedAddress(text()), ErrorCode::UpstreamUnreachable, "allowed_hosts"),
        (HttpError::Dns(text()), ErrorCode::UpstreamUnreachable, "check the host"),
        (HttpError::Connection(text()), ErrorCode::UpstreamUnreachable, "check that it runs"),
        (HttpError::Tls(text()), ErrorCode::UpstreamUnreachable, "certificate"),
        (HttpError::Timeout, ErrorCode::UpstreamTimeout, "in time"),
        (HttpError::TooLarge(9), ErrorCode::UpstreamFailed, "9 bytes"),
        (HttpError::BudgetExhausted(text()), ErrorCode::UpstreamUnreachable, "ask for less"),
    ] {
        let seen = refused(Reply::error(error));
        assert_eq!(seen.code, code, "{seen}");
        assert!(seen.message.contains(cure), "{seen}");
    }
}

#[test]
fn a_refusal_names_the_secret() {
    assert!(refused(Reply::text(401, "")).message.contains("bulkhead secrets set api_key"));
}

#[test]
fn retry_after_is_passed_on() {
    let wait = |value: &str| refused(Reply::text(429, "").header("Retry-After", value)).retry_after;
    assert_eq!(wait("17"), Some(Duration::from_secs(17)));
    assert_eq!(wait("Thu, 01 Jan 2026 00:01:00 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(wait("Wed, 01 Jan 2025 00:00:00 GMT"), Some(Duration::ZERO)); // in the past: now
    assert_eq!(wait("soon"), None);
}

#[test]
fn nonsense_is_an_upstream_failure_with_a_short_excerpt() {
    #[derive(Deserialize)]
    struct Page {
        #[expect(dead_code, reason = "only its type matters")]
        items: Vec<u8>,
    }
    let long = format!("<html>\n  <body>{}</body></html>", "x".repeat(10_000));
    for body in [long.as_str(), r#"{"items": [1,"#, r#"{"items": [1, "two"]}"#, "", "{} x", "\u{0}é"] {
        let gate = FakeGate::new().on(Method::Get, URL, Reply::text(200, body));
        let run = run(gate, |cx| cx.get(URL).send()?.json::<Page>().map(|_| json!({})));
        let error = run.call("x", json!({})).unwrap_err();
        assert_eq!(error.code, ErrorCode::UpstreamFailed, "{body}");
        assert!(error.message.chars().count() < 400, "{error}");
        assert_eq!(error.message.contains("`items[1]`"), body.contains("two"), "{error}");
    }
}

#[test]
fn explain_goes_first_and_accept_lets_through() {
    let ask = |cx: &Context| {
        let answer = cx
            .get(URL)
            .accept(|response| response.status() == 404)
            .explain(|failure| match failure {
                Failure::Status(response) if response.status() == 412 => Some(CallError::conflict("precondition")),
                _ => None,
            })
            .send()?;
        Ok(json!({ "status": answer.status(), "type": answer.header("Content-Type"), "text": answer.text() }))
    };
    let answer = |status| {
        let gate = FakeGate::new().on(Method::Get, URL, Reply::text(status, "t").header("Content-Type", "text/plain"));
        run(gate, ask).call("x", json!({}))
    };
    assert_eq!(answer(404).unwrap(), json!({ "status": 404, "type": "text/plain", "text": "t" }));
    assert_eq!(answer(412).unwrap_err(), CallError::conflict("precondition"));
    assert_eq!(answer(500).unwrap_err().code, ErrorCode::UpstreamFailed);
}

#[test]
fn a_missing_secret_stops_the_request_unless_it_is_optional() {
    let gate = || FakeGate::new().on(Method::Get, URL, Reply::json(200, &json!({})));
    let needing = run(gate(), get);
    let error = needing.call("x", json!({})).unwrap_err();
    assert_eq!(error.code, ErrorCode::Misconfigured);
    assert!(needing.gate_seen().requests().is_empty());

    let optional = |cx: &Context| cx.get(URL).optional_secret_header("x-key", "", "api_key").send()?.json();
    let without = run(gate().secret_error("api_key", SecretError::NotGranted("api_key".to_owned())), optional);
    without.call("x", json!({})).unwrap();
    assert_eq!(without.gate_seen().requests()[0].headers, Vec::new());

    let locked = run(gate().secret_error("api_key", SecretError::Unavailable("locked".to_owned())), optional);
    assert_eq!(locked.call("x", json!({})).unwrap_err().code, ErrorCode::UpstreamUnreachable);
}

#[test]
fn a_path_segment_cannot_climb() {
    for segment in ["", ".", ".."] {
        let run = run(FakeGate::new(), move |cx| cx.get(URL).segment(segment).send()?.json());
        assert_eq!(run.call("x", json!({})).unwrap_err().code, ErrorCode::InvalidInput);
        assert!(run.gate_seen().requests().is_empty());
    }
}

#[test]
fn several_requests_keep_their_places() {
    let gate = FakeGate::new().on(Method::Get, "https://a.example/", Reply::json(200, &json!("a"))).on(
        Method::Get,
        "https://c.example/",
        Reply::text(404, "no"),
    );
    let run = run(gate, |cx| {
        let one = |url: &str| -> RequestBuilder<'_> { cx.get(url) };
        let requests =
            [one("https://a.example/"), one("https://b.example/").bearer_secret("unset"), one("https://c.example/")];
        let codes = cx.send_all(requests).into_iter().map(|answer| match answer {
            Ok(answer) => answer.text().into_owned(),
            Err(error) => format!("{:?}", error.code),
        });
        Ok(json!(codes.collect::<Vec<_>>()))
    });
    let answer = run.call("x", json!({})).unwrap();
    assert_eq!(answer, json!(["\"a\"", "ErrorCode::Misconfigured", "ErrorCode::NotFound"]));
    assert_eq!(run.gate_seen().requests().len(), 2);
}

#[test]
fn scripts_play_in_order_and_the_longest_prefix_wins() {
    let gate = FakeGate::new()
        .on(Method::Get, URL, Reply::json(200, &json!(1)))
        .on(Method::Get, URL, Reply::json(200, &json!(2)))
        .on(Method::Get, "https://api.example/v1/deep", Reply::json(200, &json!(3)))
        .otherwise(|request| Err(HttpError::Dns(request.url.clone())));
    let run = run(gate, |cx| {
        let number = |url: &str| cx.get(url).send()?.json::<u8>();
        let deep = number("https://api.example/v1/deep/er")?;
        let other = number("https://other.example").unwrap_err().message;
        Ok(json!([number(URL)?, number(URL)?, number(URL)?, deep, other.contains("other.example")]))
    });
    assert_eq!(run.call("x", json!({})).unwrap(), json!([1, 2, 2, 3, true]));
}
