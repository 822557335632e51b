//! The description, health, settings, and an OSV.dev that is busy, broken or elsewhere.

use std::time::Duration;

use crate::setup::{QUERY, VULNS, advisory, ids, ok, provider};
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::{self, FakeGate, Reply};
use bulkhead_sdk::{HealthStatus, HttpError, ToolClass};

const HTML: &str = "<html><head><title>Sign in</title></head><body>Proxy</body></html>";

fn failure(reply: Reply) -> CallError {
    let run = provider(Method::Post, QUERY, [reply]);
    run.call("vulns.query", json!({"purl": "pkg:npm/lodash@4.17.20"})).expect_err("an error")
}

#[test]
fn the_hub_has_nothing_to_complain_about() {
    let run = testing::run(osv::provider());
    assert_eq!(run.problems(), Vec::<String>::new());
    for tool in run.describe().tools {
        assert!(tool.class == ToolClass::Read && tool.annotations.open_world && tool.annotations.read_only);
        assert_eq!(tool.schema_version, "1.0");
        assert!(!tool.title.is_empty());
    }
}

#[test]
fn a_busy_osv_says_when_to_come_back() {
    let error =
        failure(Reply::json(429, &json!({"code": 8, "message": "Quota exceeded."})).header("Retry-After", "60"));
    assert_eq!(error.code, ErrorCode::UpstreamRateLimited);
    assert_eq!(error.retry_after, Some(Duration::from_mins(1)));
}

#[test]
fn a_hiccup_is_tried_again() {
    let run = provider(Method::Post, QUERY, [Reply::text(503, "upstream connect error"), ok(&json!({}))]);
    run.call("vulns.query", json!({"purl": "pkg:npm/lodash@4.17.20"})).expect("an answer");
    assert_eq!(run.gate_seen().requests().len(), 2);
}

#[test]
fn a_second_page_that_fails_leaves_the_first() {
    let first = ok(&json!({"vulns": [{"id": "A"}], "next_page_token": "two"}));
    let run = provider(Method::Post, QUERY, [first, Reply::text(429, "")]);
    let output = run.call("vulns.query", json!({"purl": "pkg:npm/lodash"})).expect("an answer");
    assert_eq!(ids(&output), ["A"]);
    assert_eq!(output["next_cursor"], "||two");
}

#[test]
fn nonsense_is_called_so() {
    let error = failure(Reply::text(200, HTML));
    assert_eq!(error.code, ErrorCode::UpstreamFailed);
    assert!(error.message.contains("<title>Sign in"), "{}", error.message);
    assert_eq!(failure(Reply::json(200, &json!({"vulns": [{"summary": "no id"}]}))).code, ErrorCode::UpstreamFailed);
    assert_eq!(failure(Reply::text(400, HTML)).code, ErrorCode::UpstreamFailed);
    assert_eq!(
        failure(Reply::text(301, "").header("Location", "https://example.com/")).code,
        ErrorCode::UpstreamFailed
    );
    assert_eq!(failure(Reply::error(HttpError::Timeout)).code, ErrorCode::UpstreamTimeout);
}

#[test]
fn an_answer_too_large_says_how_to_ask_for_less() {
    let error = failure(Reply::error(HttpError::TooLarge(10 << 20)));
    assert_eq!(error.code, ErrorCode::UpstreamFailed);
    assert!(error.message.contains("vulns.batch"), "{}", error.message);
}

#[test]
fn a_wrong_address_is_a_matter_of_settings() {
    let error = failure(Reply::text(404, HTML));
    assert_eq!(error.code, ErrorCode::Misconfigured);
    assert!(error.message.contains("`api_url`"), "{}", error.message);
}

#[test]
fn the_address_is_a_setting() {
    let gate = || FakeGate::new().on(Method::Get, "https://osv.example/api/v1/vulns/", ok(&advisory("hyper")));
    let run = testing::run(osv::provider()).settings(json!({"api_url": "https://osv.example/api/"})).gate(gate());
    run.call("vuln.get", json!({"id": "RUSTSEC-2021-0078"})).expect("an advisory");

    let run = testing::run(osv::provider()).settings(json!({"api_ulr": "https://osv.example"})).gate(gate());
    let error = run.call("vuln.get", json!({"id": "RUSTSEC-2021-0078"})).expect_err("an error");
    assert_eq!(error.code, ErrorCode::Misconfigured);
    assert!(error.message.contains("api_ulr"), "{}", error.message);
}

#[test]
fn health_is_one_known_advisory() {
    let run = provider(Method::Get, VULNS, [ok(&advisory("poppler"))]);
    assert_eq!(run.health(), Health::ok());
    assert_eq!(run.gate_seen().requests()[0].url, "https://api.osv.dev/v1/vulns/OSV-2020-111");

    for reply in [Reply::text(200, HTML), Reply::text(500, "oops"), Reply::error(HttpError::Dns("no".to_owned()))] {
        let health = provider(Method::Get, VULNS, [reply]).health();
        assert_eq!(health.status, HealthStatus::Down);
        assert!(!health.reason.is_empty());
    }
}
