//! `capture.error`: what leaves, judged by Sentry's own reader, and what comes back.

use std::time::Duration;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};
use bulkhead_sdk::{HttpError, QUOTA_EVENT, SecretError};
use sentry_types::protocol::v7::{Envelope, EnvelopeItem, Event, Level};

use super::{Dsn, Input, deliver};

const DSN: &str = "https://0123456789abcdef0123456789abcdef@o1.ingest.us.sentry.io/42";
const ENVELOPE_URL: &str = "https://o1.ingest.us.sentry.io/api/42/envelope/";

/// The tool with this DSN, since the scripted gate cannot reveal one.
fn with_dsn(dsn: &str, reply: Reply) -> Run {
    run_with_dsn(dsn, FakeGate::new().on(Method::Post, "https://", reply))
}

fn run_with_dsn(dsn: &str, gate: FakeGate) -> Run {
    let dsn = dsn.to_owned();
    let tool = Tool::scan("capture.error", "1.0", move |cx, input: Input| {
        input.check()?;
        deliver(cx, &input, &Dsn::read(&dsn)?)
    });
    testing::run(Provider::new("Captures.", "1.0.0").tool(tool)).gate(gate)
}

fn taken() -> Reply {
    Reply::json(200, &json!({ "id": "0123456789abcdef0123456789abcdef" }))
}

fn captured(input: Value) -> Event<'static> {
    let run = with_dsn(DSN, taken());
    run.call("capture.error", input).unwrap();
    let body = run.gate_seen().requests().remove(0).body.unwrap();
    let envelope = Envelope::from_slice(&body).unwrap();
    let items: Vec<_> = envelope.items().collect();
    assert_eq!(items.len(), 1);
    let EnvelopeItem::Event(event) = items[0] else { panic!("no event: {items:?}") };
    assert_eq!(envelope.uuid(), Some(&event.event_id));
    event.clone()
}

#[test]
fn sentrys_own_reader_finds_everything_in_the_envelope() {
    let event = captured(json!({
        "message": "Payment was refused",
        "level": "fatal",
        "exception": {
            "type": "PaymentRefused",
            "value": "gateway answered 502",
            "module": "checkout.payment",
            "stacktrace": { "frames": [
                { "function": "post", "filename": "checkout/views.py", "lineno": 31 },
                { "function": "charge_card", "module": "checkout.payment", "lineno": 12, "colno": 4, "in_app": true,
                  "context_line": "raise PaymentRefused(error)" },
            ] },
        },
        "tags": { "region": "eu-1" },
        "environment": "production",
        "release": "checkout@2.14.0",
        "extra": { "order": { "id": "A-1001" }, "line\nbreak": 1 },
        "fingerprint": ["payment-refused"],
        "transaction": "POST /orders",
        "server_name": "web-1",
        "platform": "python",
    }));
    assert_eq!(event.message.as_deref(), Some("Payment was refused"));
    assert_eq!((event.level, &*event.platform, event.logger.as_deref()), (Level::Fatal, "python", Some("bulkhead")));
    assert_eq!((event.environment.as_deref(), event.release.as_deref()), (Some("production"), Some("checkout@2.14.0")));
    assert_eq!((event.transaction.as_deref(), event.server_name.as_deref()), (Some("POST /orders"), Some("web-1")));
    assert_eq!(event.tags["region"], "eu-1");
    assert_eq!(event.extra["order"], json!({ "id": "A-1001" }));
    assert_eq!(*event.fingerprint, ["payment-refused"]);
    assert_eq!(event.timestamp.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_767_225_600);
    assert_eq!(event.sdk.unwrap().name, "bulkhead.sentry");

    let [exception] = &event.exception.values[..] else { panic!("one exception") };
    assert_eq!((&*exception.ty, exception.value.as_deref()), ("PaymentRefused", Some("gateway answered 502")));
    let frames = &exception.stacktrace.as_ref().unwrap().frames;
    assert_eq!(frames[0].function.as_deref(), Some("post"));
    assert_eq!((frames[1].lineno, frames[1].in_app), (Some(12), Some(true)));
    assert_eq!(frames[1].context_line.as_deref(), Some("raise PaymentRefused(error)"));
}

#[test]
fn a_message_alone_is_an_error_event() {
    let event = captured(json!({ "message": "disk is full" }));
    assert_eq!((event.level, &*event.platform), (Level::Error, "other"));
    assert!(event.exception.values.is_empty() && event.tags.is_empty() && event.release.is_none());
    assert_eq!(*event.fingerprint, ["{{ default }}"], "Sentry groups by itself");
}

#[test]
fn it_goes_where_the_dsn_says() {
    let run = with_dsn(&format!("{DSN}\n"), taken());
    let output = run.call("capture.error", json!({ "message": "x" })).unwrap();
    let id = output["event_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(output, json!({ "event_id": id, "project_id": "42" }));
    assert_eq!(run.call("capture.error", json!({ "message": "x" })).unwrap()["event_id"], id, "it is the call's id");

    let request = run.gate_seen().requests().remove(0);
    assert_eq!(request.url, ENVELOPE_URL);
    let header = |name: &str| request.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(header("content-type"), "application/x-sentry-envelope");
    let auth: sentry_types::Auth = header("x-sentry-auth").parse().unwrap();
    assert_eq!((auth.version(), auth.public_key()), (7, "0123456789abcdef0123456789abcdef"));
    assert!(auth.client_agent().unwrap().starts_with("bulkhead-sentry/"));

    let body = request.body.unwrap();
    let lines: Vec<_> = body.split(|byte| *byte == b'\n').collect();
    let [envelope, item, payload, []] = lines[..] else { panic!("three lines, each ended") };
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    assert_eq!(envelope, json!({ "event_id": id, "sent_at": "2026-01-01T00:00:00Z" }));
    let item: Value = serde_json::from_slice(item).unwrap();
    assert_eq!(item, json!({ "type": "event", "content_type": "application/json", "length": payload.len() }));
}

#[test]
fn a_dsn_that_is_none_is_said_without_showing_it() {
    for dsn in ["", "nonsense-value", "https://sentry.io/nonsense-value", "https://nonsense-value@sentry.io/"] {
        let error = with_dsn(dsn, taken()).call("capture.error", json!({ "message": "x" })).unwrap_err();
        assert_eq!(error.code, ErrorCode::Misconfigured, "{dsn}");
        assert!(error.message.contains("bulkhead secrets set sentry_dsn"), "{error}");
        assert!(!error.message.contains("nonsense-value"), "{error}");
    }
    let gate = FakeGate::new().secret_error("sentry_dsn", SecretError::NotGranted("set `reveal: true`".into()));
    let error =
        testing::run(crate::provider()).gate(gate).call("capture.error", json!({ "message": "x" })).unwrap_err();
    assert!(error.code == ErrorCode::Misconfigured && error.message.contains("reveal"), "{error}");
}

#[test]
fn what_sentry_would_drop_is_refused_before_anything_is_sent() {
    let run = with_dsn(DSN, taken());
    let big = "x".repeat(1_000_000);
    for (input, word) in [
        (json!({ "message": "x", "extra": { "log": big } }), "shorten `extra`"),
        (json!({ "message": "x", "tags": { "a b": "c" } }), "`a b`"),
        (json!({ "message": "x", "tags": { "": "c" } }), "`tags`"),
        (json!({ "message": "x", "tags": { "a": "" } }), "`a`"),
        (json!({ "message": "x", "tags": { "a": "b\nc" } }), "one line"),
        (json!({ "message": "x", "environment": "None" }), "`environment`"),
        (json!({ "message": "x", "release": ".." }), "`release`"),
    ] {
        let error = run.call("capture.error", input).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
    assert!(run.gate_seen().requests().is_empty());
}

#[test]
fn a_429_says_how_long_to_wait() {
    for (reply, seconds) in [
        (Reply::text(429, ""), 60),
        (Reply::text(429, "").header("retry-after", "120"), 120),
        (Reply::text(429, "").header("retry-after", "120").header("x-sentry-rate-limits", "30:error:key"), 30),
        (Reply::text(429, "").header("x-sentry-rate-limits", "60:error:key, 2700:default;error:organization"), 2700),
        (Reply::text(429, "").header("x-sentry-rate-limits", "86400:transaction:organization"), 60),
    ] {
        let run = with_dsn(DSN, reply);
        let error = run.call("capture.error", json!({ "message": "x" })).unwrap_err();
        assert_eq!(error.code, ErrorCode::UpstreamRateLimited, "{error}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(seconds)));
        let (kind, quota) = run.gate_seen().events().remove(0);
        assert_eq!((kind.as_str(), &quota["remaining"], &quota["window"]), (QUOTA_EVENT, &json!(0), &json!("errors")));
    }
}

#[test]
fn a_rate_limit_beside_a_200_is_passed_on() {
    let run = with_dsn(DSN, taken().header("X-Sentry-Rate-Limits", "60:error:key, 30::organization"));
    let output = run.call("capture.error", json!({ "message": "x" })).unwrap();
    assert_eq!(output["paused_for_seconds"], json!(60));
    assert_eq!(run.gate_seen().events()[0].1["resets_at"], json!("2026-01-01T00:01:00Z"));

    let others = with_dsn(DSN, taken().header("X-Sentry-Rate-Limits", "86400:transaction;span:organization"));
    let output = others.call("capture.error", json!({ "message": "x" })).unwrap();
    assert!(output.get("paused_for_seconds").is_none() && others.gate_seen().events().is_empty());
}

#[test]
fn failures_say_what_to_do() {
    let detail = |status, detail: &str| Reply::json(status, &json!({ "detail": detail }));
    for (reply, code, words) in [
        (
            detail(401, "missing authorization"),
            ErrorCode::UpstreamAuth,
            ["bulkhead secrets set sentry_dsn", "project 42"],
        ),
        (detail(403, "rejected: ProjectId"), ErrorCode::UpstreamAuth, ["Client Keys", "rejected: ProjectId"]),
        (detail(404, &format!("unknown: {DSN}")), ErrorCode::UpstreamAuth, ["Client Keys", "https://[key]@"]),
        (
            detail(400, "invalid event envelope"),
            ErrorCode::InvalidInput,
            ["Change the input", "invalid event envelope"],
        ),
        (detail(413, "too big"), ErrorCode::InvalidInput, ["shorten `extra`", "too big"]),
        (Reply::text(503, "<html>busy</html>"), ErrorCode::UpstreamFailed, ["unavailable", "try again"]),
        (Reply::text(200, "<html>hello</html>"), ErrorCode::UpstreamFailed, ["unexpected", "<html>"]),
        (Reply::text(200, "[1]"), ErrorCode::UpstreamFailed, ["unexpected", "[1]"]),
        (Reply::text(200, ""), ErrorCode::UpstreamFailed, ["unexpected", "EOF"]),
        (
            Reply::error(HttpError::DeniedHost("https://o1.ingest.us.sentry.io".into())),
            ErrorCode::UpstreamUnreachable,
            ["allowed_hosts", "https://o1.ingest.us.sentry.io"],
        ),
        (Reply::error(HttpError::Timeout), ErrorCode::UpstreamTimeout, ["in time", "o1.ingest.us.sentry.io"]),
    ] {
        let error = with_dsn(DSN, reply).call("capture.error", json!({ "message": "x" })).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(words.iter().all(|word| error.message.contains(word)), "{words:?} in {error}");
        assert!(!error.message.contains("0123456789abcdef"), "{error}");
    }
}

#[test]
fn a_hiccup_is_tried_again_with_the_same_event() {
    let gate = FakeGate::new().on(Method::Post, ENVELOPE_URL, Reply::text(502, ""));
    let run = run_with_dsn(DSN, gate.on(Method::Post, ENVELOPE_URL, taken()));
    run.call("capture.error", json!({ "message": "x" })).unwrap();
    let requests = run.gate_seen().requests();
    assert_eq!((requests.len(), &requests[0].body), (2, &requests[1].body));
}
