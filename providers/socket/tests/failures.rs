//! Settings, health, and what an agent is told when something is wrong.

mod setup;

use std::time::Duration;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::{self, FakeGate, Reply};
use bulkhead_sdk::{HealthStatus, HttpError, QUOTA_EVENT};
use setup::{API, gate, refusal, sent, socket};

/// Every tool with an input that is right.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("scan.repo", json!({ "repo": "web" })),
        ("scan.result", json!({ "scan_id": "s" })),
        ("findings.list", json!({})),
        ("findings.annotate", json!({ "alert_key": "k", "note": "n" })),
        ("package.score", json!({ "purls": ["pkg:npm/a@1"] })),
        ("repos.list", json!({})),
        ("orgs.list", json!({})),
    ]
}

fn everything(reply: Reply) -> FakeGate {
    gate().on(Method::Get, API, reply.clone()).on(Method::Post, API, reply)
}

#[test]
fn it_describes_itself_well() {
    let run = socket(gate());
    assert_eq!(run.problems(), Vec::<String>::new());
    let described = run.describe();
    let names: Vec<_> = described.tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut expected: Vec<_> = calls().iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(
        {
            let mut names = names;
            names.sort_unstable();
            names
        },
        expected
    );
    for tool in described.tools {
        let hints = tool.annotations;
        let changes = matches!(tool.name.as_str(), "scan.repo" | "findings.annotate");
        assert!(hints.open_world && !hints.destructive, "{}", tool.name);
        assert_eq!((hints.read_only, hints.idempotent), (!changes, !changes), "{}", tool.name);
        assert!(tool.title != tool.name && tool.description.len() > 80, "{}", tool.name);
        let input: Value = bulkhead_sdk::serde_json::from_str(&tool.input_schema).unwrap();
        for (field, schema) in input["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{}: {field}", tool.name);
        }
    }
}

#[test]
fn refusals_say_what_to_do() {
    let cases = [
        (refusal(400, "bad filter"), ErrorCode::InvalidInput, "bad filter"),
        (refusal(401, "bad token"), ErrorCode::UpstreamAuth, "bulkhead secrets set socket_api_key"),
        (refusal(403, "no"), ErrorCode::UpstreamAuth, "access to the organization"),
        (refusal(404, "no"), ErrorCode::NotFound, "Socket does not know this"),
        (Reply::text(404, "<html>nginx"), ErrorCode::UpstreamFailed, "providers.socket.settings.api_url"),
        (refusal(429, "Insufficient quota"), ErrorCode::UpstreamRateLimited, "Insufficient quota"),
        (Reply::text(500, "oops"), ErrorCode::UpstreamFailed, "500"),
        (Reply::text(302, "").header("location", "https://x"), ErrorCode::UpstreamFailed, "https://x"),
        (Reply::text(200, "<html>"), ErrorCode::UpstreamFailed, "<html>"),
        (Reply::text(200, "{\"results\": [{\"id"), ErrorCode::UpstreamFailed, "unexpected"),
        (Reply::error(HttpError::Timeout), ErrorCode::UpstreamTimeout, "in time"),
        (Reply::error(HttpError::DeniedHost("api.socket.dev".into())), ErrorCode::UpstreamUnreachable, "allowed_hosts"),
    ];
    for (reply, code, cure) in cases {
        for (tool, input) in calls() {
            let error = socket(everything(reply.clone())).call(tool, input).unwrap_err();
            assert_eq!(error.code, code, "{tool}: {error}");
            assert!(error.message.contains(cure), "{tool}: {error}");
        }
    }
}

#[test]
fn a_refusal_names_the_scope_that_is_missing() {
    for (tool, input) in calls() {
        let error = socket(everything(refusal(403, "no"))).call(tool, input).unwrap_err();
        let scope = match tool {
            "scan.repo" | "scan.result" => "`full-scans:list`",
            "findings.list" => "`alerts:list`",
            "findings.annotate" => "`triage:alerts-update`",
            "package.score" => "`packages:list`",
            "repos.list" => "`repo:list`",
            _ => "access",
        };
        assert!(error.message.contains(scope), "{tool}: {error}");
    }
}

#[test]
fn a_storm_of_limits_is_told_with_the_wait() {
    for (tool, input) in calls() {
        let run = socket(everything(refusal(429, "Insufficient quota").header("Retry-After", "120")));
        let error = run.call(tool, input).unwrap_err();
        assert_eq!((error.code, error.retry_after), (ErrorCode::UpstreamRateLimited, Some(Duration::from_mins(2))));
        assert_eq!(run.gate_seen().requests().len(), 1, "{tool} must not add to the storm");
    }
}

#[test]
fn every_request_carries_the_key_by_reference() {
    let run = socket(everything(Reply::text(500, "")));
    let calls = calls();
    for (tool, input) in &calls {
        assert!(run.call(tool, input.clone()).is_err());
    }
    let bearer = format!("Bearer {}", FakeGate::reference_to("socket_api_key"));
    let requests = run.gate_seen().requests();
    assert_eq!(requests.len(), calls.len());
    for request in requests {
        assert!(request.headers.contains(&("authorization".to_owned(), bearer.clone())), "{}", request.url);
    }

    let keyless = testing::run(socket::provider());
    let error = keyless.call("orgs.list", json!({})).unwrap_err();
    assert!(error.code == ErrorCode::Misconfigured && error.message.contains("secrets set socket_api_key"), "{error}");
}

#[test]
fn settings_may_move_the_api_and_must_be_spelt_right() {
    let elsewhere = gate().on(Method::Get, "https://socket.acme.example/v0/quota", quota(5, json!(null)));
    let settings = json!({ "org": "acme", "api_url": "https://socket.acme.example/v0/" });
    assert_eq!(testing::run(socket::provider()).settings(settings).gate(elsewhere).health(), Health::ok());
    let misspelt = testing::run(socket::provider()).settings(json!({ "organisation": "acme" }));
    let error = misspelt.call("repos.list", json!({})).unwrap_err();
    assert!(error.code == ErrorCode::Misconfigured && error.message.contains("organisation"), "{error}");
    let climbing = testing::run(socket::provider()).settings(json!({ "org": ".." })).gate(gate());
    assert!(climbing.call("repos.list", json!({})).is_err() && climbing.gate_seen().requests().is_empty());
}

fn quota(left: u32, refresh: Value) -> Reply {
    Reply::json(200, &json!({ "quota": left, "maxQuota": 1000, "nextWindowRefresh": refresh }))
}

#[test]
fn health_checks_the_key_and_reports_the_quota() {
    let run = socket(everything(quota(7, json!("2026-01-01T01:00:00Z"))));
    assert_eq!(run.health(), Health::ok());
    assert_eq!(sent(&run), ["GET /quota"]);
    let told = json!({ "limit": 1000, "remaining": 7, "resets_at": "2026-01-01T01:00:00Z", "window": "api" });
    assert_eq!(run.gate_seen().events(), [(QUOTA_EVENT.to_owned(), told)]);

    let empty = socket(everything(quota(0, Value::Null))).health();
    assert!(empty.status == HealthStatus::Degraded && empty.reason.contains("used up"), "{empty:?}");
    let status = |reply| socket(everything(reply)).health().status;
    assert_eq!(status(refusal(401, "bad token")), HealthStatus::Down);
    assert_eq!(status(refusal(429, "wait")), HealthStatus::Degraded);
    assert_eq!(status(Reply::error(HttpError::Timeout)), HealthStatus::Degraded);
    assert_eq!(status(Reply::text(200, "<html>")), HealthStatus::Down);
}
