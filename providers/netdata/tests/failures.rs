//! Settings, health, and what an agent is told when something is wrong.

mod setup;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::{self, FakeGate, Reply};
use bulkhead_sdk::{HealthStatus, HttpError, SecretError};
use setup::{agent_v1, at, ok, with_agent, with_cloud};

#[test]
fn it_describes_itself_well() {
    let run = testing::run(netdata::provider());
    assert_eq!(run.problems(), Vec::<String>::new());
    for tool in run.describe().tools {
        let hints = tool.annotations;
        assert!(hints.read_only && hints.idempotent && hints.open_world && !hints.destructive, "{}", tool.name);
    }
}

#[test]
fn the_settings_must_name_one_source() {
    for (settings, word) in [
        (json!({}), "agent_url"),
        (json!({ "agent_url": "http://a", "cloud": { "space": "s", "room": "r" } }), "keep one"),
        (json!({ "cloud": { "space": "s" } }), "room"),
        (json!({ "agent_ulr": "http://a" }), "agent_ulr"),
    ] {
        let error = testing::run(netdata::provider()).settings(settings).call("alerts.list", json!({})).unwrap_err();
        assert_eq!(error.code, ErrorCode::Misconfigured);
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn failures_of_an_agent_say_what_to_do() {
    for (reply, code, cure) in [
        (
            Reply::error(HttpError::Connection("refused".into())),
            ErrorCode::UpstreamUnreachable,
            "No Netdata Agent answers at http://127.0.0.1:19999: start one or set providers.netdata.settings.agent_url",
        ),
        (
            Reply::error(HttpError::DeniedHost("http://127.0.0.1:19999".into())),
            ErrorCode::UpstreamUnreachable,
            "allowed_hosts",
        ),
        (Reply::error(HttpError::Timeout), ErrorCode::UpstreamTimeout, "in time"),
        (Reply::text(412, "You need to be authorized"), ErrorCode::UpstreamAuth, "bulkhead secrets set netdata_token"),
        (Reply::text(404, "<html>nginx</html>"), ErrorCode::UpstreamFailed, "agent_url"),
        (Reply::text(503, ""), ErrorCode::UpstreamFailed, "try again"),
        (Reply::text(500, ""), ErrorCode::UpstreamFailed, "500"),
    ] {
        for (tool, input) in [
            ("metrics.query", json!({ "context": "a.b" })),
            ("alerts.list", json!({})),
            ("contexts.list", json!({})),
            ("nodes.list", json!({})),
        ] {
            let error = with_agent(at(FakeGate::new(), "/", reply.clone())).call(tool, input).unwrap_err();
            assert_eq!(error.code, code, "{tool}: {error}");
            assert!(error.message.contains(cure), "{tool}: {error}");
        }
    }
}

#[test]
fn failures_of_cloud_say_what_to_do() {
    for (status, body, code, cure) in [
        (
            400,
            r#"{"errorMsgKey":"ErrBadRequest","errorMessage":"after must be earlier"}"#,
            ErrorCode::InvalidInput,
            "after must be earlier",
        ),
        (401, "", ErrorCode::UpstreamAuth, "bulkhead secrets set netdata_token"),
        (403, "", ErrorCode::UpstreamAuth, "scope:all"),
        (404, "<html>", ErrorCode::Misconfigured, "cloud.space"),
        (429, "", ErrorCode::UpstreamRateLimited, "later"),
    ] {
        let error = with_cloud(Reply::text(status, body)).call("alerts.list", json!({})).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(cure), "{error}");
    }
}

#[test]
fn an_agent_gets_the_token_only_if_there_is_one() {
    let answer = || at(FakeGate::new(), "/api/v3/contexts", ok("{}"));
    let headers = |gate: FakeGate| {
        let run = with_agent(gate);
        run.call("contexts.list", json!({})).unwrap();
        run.gate_seen().requests().remove(0).headers
    };
    assert_eq!(headers(answer()), Vec::new());
    assert_eq!(
        headers(answer().secret_error("netdata_token", SecretError::NotGranted("netdata_token".into()))),
        Vec::new()
    );
    let bearer = format!("Bearer {}", FakeGate::reference_to("netdata_token"));
    assert_eq!(headers(answer().secret("netdata_token")), vec![("x-netdata-auth".to_owned(), bearer)]);
}

#[test]
fn cloud_needs_the_token() {
    let settings = json!({ "cloud": { "space": "s-1", "room": "r-1" } });
    let error = testing::run(netdata::provider()).settings(settings).call("alerts.list", json!({})).unwrap_err();
    assert_eq!(error.code, ErrorCode::Misconfigured);
    assert!(error.message.contains("bulkhead secrets set netdata_token"), "{error}");
}

#[test]
fn health_asks_what_the_tools_will_ask() {
    assert_eq!(with_agent(at(FakeGate::new(), "/api/v3/versions", ok("{}"))).health(), Health::ok());
    assert_eq!(with_agent(at(agent_v1(), "/api/v1/info", ok(r#"{"version":"v1.37.1"}"#))).health(), Health::ok());
    assert_eq!(with_cloud(ok("{}")).health(), Health::ok());

    let status = |reply| with_agent(at(FakeGate::new(), "/", reply)).health().status;
    assert_eq!(status(Reply::text(412, "")), HealthStatus::Down);
    assert_eq!(status(Reply::error(HttpError::Connection("refused".into()))), HealthStatus::Down);
    assert_eq!(status(Reply::error(HttpError::Timeout)), HealthStatus::Degraded);
    assert_eq!(status(ok("<html>")), HealthStatus::Down);
}
