//! Trying again, waiting, and telling what is left of a quota and what a call costs.

use std::time::Duration;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::{self, FakeGate, Reply, Run};
use bulkhead_sdk::{COST_EVENT, HttpError, QUOTA_EVENT};

const URL: &str = "https://api.example/v1";

/// Runs one tool made of `body` behind a gate that plays these replies to a GET.
fn run<F>(replies: impl IntoIterator<Item = Reply>, body: F) -> Run
where
    F: Fn(&Context) -> Result<Value, CallError> + 'static,
{
    let gate = replies.into_iter().fold(FakeGate::new(), |gate, reply| gate.on(Method::Get, URL, reply));
    testing::run(Provider::new("x", "1.0.0").tool(Tool::read("x", "1.0", move |cx, _: NoInput| body(cx)))).gate(gate)
}

fn retrying(replies: impl IntoIterator<Item = Reply>) -> Run {
    run(replies, |cx| cx.get(URL).retry().send()?.json())
}

/// The delay of each request that went out.
fn delays(run: &Run) -> Vec<Option<u32>> {
    run.gate_seen().requests().iter().map(|request| request.delay_ms).collect()
}

fn ok() -> Reply {
    Reply::json(200, &json!(1))
}

#[test]
fn a_passing_failure_is_tried_again_after_a_short_pause() {
    for status in [408, 502, 503, 504] {
        let run = retrying([Reply::text(status, "busy"), ok()]);
        assert_eq!(run.call("x", json!({})).unwrap(), json!(1));
        assert_eq!(delays(&run), [None, Some(250)]);
    }
}

#[test]
fn three_attempts_and_no_more() {
    let run = retrying([Reply::text(502, "first"), Reply::text(502, "second"), Reply::text(502, "third"), ok()]);
    let error = run.call("x", json!({})).unwrap_err();
    assert!(error.code == ErrorCode::UpstreamFailed && error.message.contains("third"), "{error}");
    assert_eq!(delays(&run), [None, Some(250), Some(1000)]);
}

#[test]
fn a_limit_is_waited_for_when_the_upstream_says_how_long() {
    let seconds = retrying([Reply::text(429, "").header("Retry-After", "2"), ok()]);
    assert_eq!(seconds.call("x", json!({})).unwrap(), json!(1));
    assert_eq!(delays(&seconds), [None, Some(2000)]);

    let date = Reply::text(429, "").header("Retry-After", "Thu, 01 Jan 2026 00:00:03 GMT");
    let from_the_call = retrying([date.clone(), ok()]); // which begins at 2026-01-01T00:00:00Z
    from_the_call.call("x", json!({})).unwrap();
    assert_eq!(delays(&from_the_call), [None, Some(3000)]);
    let from_its_date = retrying([date.header("Date", "Thu, 01 Jan 2026 00:00:02 GMT"), ok()]);
    from_its_date.call("x", json!({})).unwrap();
    assert_eq!(delays(&from_its_date), [None, Some(1000)]);
}

#[test]
fn a_wait_that_does_not_fit_is_the_callers() {
    let limited = |wait: &str| Reply::text(429, "slow down").header("Retry-After", wait);
    for (run, wait) in [
        (retrying([limited("60"), ok()]), Some(Duration::from_secs(60))),
        (retrying([Reply::text(429, ""), ok()]), None),
        // The second wait no longer fits into the 5 s.
        (retrying([limited("3"), limited("4"), ok()]), Some(Duration::from_secs(4))),
    ] {
        let error = run.call("x", json!({})).unwrap_err();
        assert_eq!((error.code, error.retry_after), (ErrorCode::UpstreamRateLimited, wait), "{error}");
    }
}

#[test]
fn an_attempt_without_an_answer_does_not_hide_the_answer_before() {
    let run = retrying([Reply::text(503, "maintenance"), Reply::error(HttpError::Timeout)]);
    let error = run.call("x", json!({})).unwrap_err();
    assert!(error.message.contains("maintenance"), "{error}");
    let broken = retrying([Reply::text(503, "x"), Reply::error(HttpError::Connection("reset".to_owned()))]);
    assert_eq!(broken.call("x", json!({})).unwrap_err().code, ErrorCode::UpstreamUnreachable);
}

#[test]
fn only_what_asks_for_it_and_can_be_helped_is_tried_again() {
    let once = run([Reply::text(503, ""), ok()], |cx| cx.get(URL).send()?.json());
    assert!(once.call("x", json!({})).is_err());
    assert_eq!(delays(&once), [None]);
    for status in [400, 401, 404, 409, 500] {
        let run = retrying([Reply::text(status, ""), ok()]);
        assert!(run.call("x", json!({})).is_err());
        assert_eq!(delays(&run), [None], "{status}");
    }
}

#[test]
fn of_several_requests_only_the_failed_are_sent_again() {
    let gate = FakeGate::new()
        .on(Method::Get, "https://a.example/", Reply::json(200, &json!("a")))
        .on(Method::Get, "https://b.example/", Reply::text(503, ""))
        .on(Method::Get, "https://b.example/", Reply::json(200, &json!("b")))
        .on(Method::Get, "https://c.example/", Reply::text(503, ""));
    let ask = |cx: &Context, _: NoInput| {
        let requests = [
            cx.get("https://a.example/").retry(),
            cx.get("https://b.example/").retry(),
            cx.get("https://unset.example/").bearer_secret("unset").retry(),
            cx.get("https://c.example/"),
        ];
        let answers = cx.send_all(requests).into_iter();
        let words = answers.map(|answer| answer.map_or_else(|e| format!("{:?}", e.code), |a| a.text().into_owned()));
        Ok::<_, CallError>(json!({ "words": words.collect::<Vec<_>>() }))
    };
    let run = testing::run(Provider::new("x", "1.0.0").tool(Tool::read("x", "1.0", ask))).gate(gate);
    let words = json!({ "words": ["\"a\"", "\"b\"", "ErrorCode::Misconfigured", "ErrorCode::UpstreamFailed"] });
    assert_eq!(run.call("x", json!({})).unwrap(), words);
    assert_eq!(delays(&run), [None, None, None, Some(250)]);
}

#[test]
fn a_poll_ends_when_the_time_does() {
    let poll = |cx: &Context| {
        let mut polls = 0;
        loop {
            match cx.get(URL).delay(Duration::from_secs(2)).send() {
                Ok(_) => polls += 1,
                Err(error) if error.code == ErrorCode::UpstreamTimeout => return Ok(json!(polls)),
                Err(error) => return Err(error),
            }
        }
    };
    assert_eq!(run([Reply::text(202, "")], poll).call("x", json!({})).unwrap(), json!(2));
    let patient = run([Reply::text(202, "")], poll).deadline(Duration::from_secs(9));
    assert_eq!(patient.call("x", json!({})).unwrap(), json!(4));
}

#[test]
fn a_quota_is_read_from_headers_and_told_to_the_hub() {
    let told = |reply: Reply| {
        let run = run([reply], |cx| {
            let answer = cx.get(URL).send()?;
            if let Some(quota) = Quota::from_headers(&answer, "x-ratelimit", "api") {
                cx.report_quota(&quota);
            }
            answer.json()
        });
        run.call("x", json!({})).unwrap();
        run.gate_seen().events()
    };
    let limited = |reset: &str| {
        ok().header("X-RateLimit-Limit", "100").header("X-RateLimit-Remaining", "7").header("X-RateLimit-Reset", reset)
    };
    let expected = |resets_at: Value| {
        let data = json!({ "limit": 100, "remaining": 7, "resets_at": resets_at, "window": "api" });
        vec![(QUOTA_EVENT.to_owned(), data)]
    };
    assert_eq!(told(limited("30")), expected(json!("2026-01-01T00:00:30Z")));
    assert_eq!(told(limited("1767225660")), expected(json!("2026-01-01T00:01:00Z")));
    assert_eq!(told(limited("1767225660.5")), expected(json!("2026-01-01T00:01:00Z")));
    assert_eq!(told(limited("later")), expected(Value::Null));
    assert_eq!(told(limited("18446744073709551615")), expected(Value::Null));
    assert_eq!(told(ok()), []);
    let bare = json!({ "limit": null, "remaining": 0, "resets_at": null, "window": "api" });
    assert_eq!(told(ok().header("X-RateLimit-Remaining", "0")), [(QUOTA_EVENT.to_owned(), bare)]);
}

#[test]
fn a_cost_is_told_to_the_hub_in_digits() {
    let run = run([ok()], |cx| {
        cx.report_cost("0.0125", "USD");
        cx.report_cost(1e-6, "USD");
        cx.report_cost(1200, "tokens");
        cx.get(URL).send()?.json()
    });
    run.call("x", json!({})).unwrap();
    let told = [("0.0125", "USD"), ("0.000001", "USD"), ("1200", "tokens")];
    let told = told.map(|(amount, unit)| (COST_EVENT.to_owned(), json!({ "amount": amount, "unit": unit })));
    assert_eq!(run.gate_seen().events(), told);
}
