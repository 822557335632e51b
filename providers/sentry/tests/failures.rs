//! Settings, health, and what an agent is told when something is wrong.

mod setup;

use std::time::Duration;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::{self, FakeGate, Reply};
use bulkhead_sdk::{HttpError, ToolClass};
use setup::{EVENT, ISSUE, get, issue, ok, with_settings, with_token};

#[test]
fn it_describes_itself_well() {
    let run = testing::run(sentry::provider());
    assert_eq!(run.problems(), Vec::<String>::new());
    let tools = run.describe().tools;
    let classes: Vec<_> = tools.iter().map(|tool| (tool.name.as_str(), tool.class)).collect();
    let expected = [
        ("capture.error", ToolClass::Scan),
        ("issues.list", ToolClass::Read),
        ("issue.get", ToolClass::Read),
        ("issue.update", ToolClass::Write),
        ("issues.create", ToolClass::Write),
        ("projects.list", ToolClass::Read),
    ];
    assert_eq!(classes, expected);
    for tool in tools {
        let hints = tool.annotations;
        assert!(hints.open_world && hints.read_only == (tool.class == ToolClass::Read), "{}", tool.name);
        assert_eq!(hints.destructive, tool.name == "issue.update", "{}", tool.name);
    }
}

/// Each tool that needs the token, with an input that is right.
fn api_tools() -> [(&'static str, Value); 5] {
    [
        ("issues.list", json!({})),
        ("issue.get", json!({ "issue_id": "1" })),
        ("issue.update", json!({ "issue_id": "1", "status": "resolved" })),
        ("issues.create", json!({ "issue_id": "1", "title": "t" })),
        ("projects.list", json!({})),
    ]
}

#[test]
fn every_tool_says_what_is_missing_in_the_config() {
    for (tool, input) in api_tools() {
        for (settings, word) in [
            (json!({}), "settings.org"),
            (json!({ "org": "" }), "settings.org"),
            (json!({ "org": "acme", "base_url": "us.sentry.io" }), "base_url"),
            (json!({ "org": "acme", "base_url": "https://us.sentry.io/api/0" }), "base_url"),
            (json!({ "orgg": "acme" }), "orgg"),
            (json!({ "org": "acme" }), "bulkhead secrets set sentry_auth_token"),
        ] {
            let error = with_settings(settings, FakeGate::new()).call(tool, input.clone()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Misconfigured, "{tool}: {error}");
            assert!(error.message.contains(word), "{tool}: {error}");
        }
    }
}

#[test]
fn failures_say_what_to_do_whatever_the_tool() {
    let detail = |status, detail: Value| Reply::json(status, &json!({ "detail": detail }));
    for (reply, code, word) in [
        (detail(401, json!("Invalid token")), ErrorCode::UpstreamAuth, "bulkhead secrets set sentry_auth_token"),
        (
            detail(401, json!({ "code": "sso-required", "message": "Must login via SSO", "extra": {} })),
            ErrorCode::UpstreamAuth,
            "It said: Must login via SSO",
        ),
        (detail(403, json!("You do not have permission")), ErrorCode::UpstreamAuth, "needs the scope"),
        (detail(400, json!("Error parsing search query")), ErrorCode::InvalidInput, "Error parsing search query"),
        (Reply::text(429, "").header("retry-after", "30"), ErrorCode::UpstreamRateLimited, "slow down"),
        (Reply::text(500, "<html>oops</html>"), ErrorCode::UpstreamFailed, "500"),
        (Reply::text(302, "").header("location", "https://de.sentry.io/"), ErrorCode::UpstreamFailed, "de.sentry.io"),
        (
            Reply::error(HttpError::DeniedHost("https://us.sentry.io".into())),
            ErrorCode::UpstreamUnreachable,
            "allowed_hosts",
        ),
        (Reply::error(HttpError::Timeout), ErrorCode::UpstreamTimeout, "in time"),
        (Reply::text(200, "<html>hello</html>"), ErrorCode::UpstreamFailed, "unexpected"),
        (Reply::text(200, r#"[{"id": "1""#), ErrorCode::UpstreamFailed, "unexpected"),
        (Reply::text(200, r#"[{"id": 1}]"#), ErrorCode::UpstreamFailed, "unexpected"),
        (Reply::text(200, r#"{"id": 1}"#), ErrorCode::UpstreamFailed, "unexpected"),
    ] {
        for (tool, input) in api_tools() {
            let error = with_token(get(FakeGate::new(), "/", reply.clone())).call(tool, input).unwrap_err();
            assert_eq!(error.code, code, "{tool}: {error}");
            assert!(error.message.contains(word), "{tool}: {error}");
        }
    }
}

#[test]
fn a_missing_scope_is_named_per_tool() {
    for ((tool, input), scope) in
        api_tools().into_iter().zip(["event:read", "event:read", "event:write", "org:read", "org:read"])
    {
        let error = with_token(get(FakeGate::new(), "/", Reply::text(403, ""))).call(tool, input).unwrap_err();
        assert!(error.message.contains(scope), "{tool}: {error}");
    }
}

#[test]
fn an_unknown_organization_is_a_matter_of_the_settings() {
    for tool in ["issues.list", "projects.list"] {
        let error = with_token(get(FakeGate::new(), "/", Reply::text(404, ""))).call(tool, json!({})).unwrap_err();
        assert_eq!(error.code, ErrorCode::Misconfigured);
        assert!(error.message.contains("`acme`") && error.message.contains("base_url"), "{error}");
    }
}

#[test]
fn a_429_says_how_long_to_wait() {
    for (reply, seconds) in [
        (Reply::text(429, "").header("retry-after", "30"), Some(30)),
        (Reply::text(429, "").header("x-sentry-rate-limit-reset", "1767225645"), Some(45)),
        (Reply::text(429, "").header("x-sentry-rate-limit-reset", "1767225600"), Some(1)),
        (Reply::text(429, ""), None),
    ] {
        let run = with_token(get(FakeGate::new(), "/", reply.header("x-sentry-rate-limit-remaining", "0")));
        let error = run.call("issues.list", json!({})).unwrap_err();
        assert_eq!(error.retry_after, seconds.map(Duration::from_secs));
        assert_eq!(run.gate_seen().events()[0].1["remaining"], json!(0));
    }
}

#[test]
fn wrong_types_deep_inside_are_an_upstream_failure() {
    let get_issue = |issue: &Value, event: &str| {
        let gate = get(FakeGate::new(), "/issues/1/", ok(&issue.to_string()));
        with_token(get(gate, "/issues/1/events/latest/", ok(event))).call("issue.get", json!({ "issue_id": "1" }))
    };
    assert!(get_issue(&issue(&json!({})), EVENT).is_ok());
    for change in [
        json!({ "count": "many" }),
        json!({ "count": 5 }),
        json!({ "userCount": -1 }),
        json!({ "project": null }),
        json!({ "project": "checkout" }),
        json!({ "assignedTo": "me" }),
        json!({ "annotations": [1] }),
        json!({ "title": null }),
    ] {
        let error = get_issue(&issue(&change), EVENT).unwrap_err();
        assert_eq!(error.code, ErrorCode::UpstreamFailed, "{change}: {error}");
    }
    for (right, wrong) in [
        (r#""lineNo": 9"#, r#""lineNo": "9""#),
        (r#""tags": ["#, r#""tags": [1, "#),
        (r#""values": ["#, r#""valuez": ["#),
        (r#"[[12, "    raise"#, r#"[["12", "    raise"#),
    ] {
        assert!(EVENT.contains(right), "{right}");
        let error = get_issue(&issue(&json!({})), &EVENT.replace(right, wrong)).unwrap_err();
        assert_eq!(error.code, ErrorCode::UpstreamFailed, "{wrong}: {error}");
    }
    let run = with_token(get(FakeGate::new(), "/issues/", ok(&format!("[{ISSUE}, null]"))));
    assert_eq!(run.call("issues.list", json!({})).unwrap_err().code, ErrorCode::UpstreamFailed);
}
