//! The tools that read, against answers as the vendor's OpenAPI describes them.

mod setup;

use bulkhead_sdk::QUOTA_EVENT;
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::testing::{FakeGate, Reply};
use setup::{EVENT, ISSUE, ORG, get, issue, link, ok, with_settings, with_token};

#[test]
fn issues_are_compact() {
    let run = with_token(get(FakeGate::new(), "/issues/", ok(&format!("[{ISSUE}]"))));
    let expected = json!({ "issues": [{
        "id": "4509876543", "short_id": "CHECKOUT-3F", "title": "PaymentRefused: gateway answered 502",
        "culprit": "POST /orders", "level": "error", "status": "unresolved", "substatus": "regressed", "priority": "high",
        "project": "checkout", "events": 1510, "users": 12, "first_seen": "2025-12-30T08:00:00Z",
        "last_seen": "2025-12-31T23:59:00Z", "assigned_to": { "type": "team", "id": "7", "name": "payments" },
        "url": "https://acme.sentry.io/issues/4509876543/",
    }] });
    assert_eq!(run.call("issues.list", json!({})).unwrap(), expected);
    let request = run.gate_seen().requests().remove(0);
    assert_eq!(request.url, format!("{ORG}/issues/?sort=date&limit=25"));
    let bearer = format!("Bearer {}", FakeGate::reference_to("sentry_auth_token"));
    assert_eq!(request.headers, [("authorization".to_owned(), bearer)]);
}

#[test]
fn filters_are_passed_on() {
    let run = with_token(get(FakeGate::new(), "/issues/", ok("[]")));
    let input = json!({
        "query": "is:unresolved level:error", "project": "checkout", "environment": "production", "period": "24h",
        "sort": "freq", "cursor": "0:100:0", "limit": 10,
    });
    assert_eq!(run.call("issues.list", input).unwrap(), json!({ "issues": [] }));
    let query = "?query=is%3Aunresolved%20level%3Aerror&project=checkout&environment=production&statsPeriod=24h&sort=freq\
                 &limit=10&cursor=0%3A100%3A0";
    assert_eq!(run.gate_seen().requests()[0].url, format!("{ORG}/issues/{query}"));

    run.call("issues.list", json!({ "query": "" })).unwrap();
    assert!(run.gate_seen().requests()[1].url.contains("/issues/?query=&"), "an empty query means all");
}

#[test]
fn the_settings_may_name_a_project_and_the_caller_another() {
    let settings = json!({ "org": "acme", "base_url": "https://us.sentry.io", "project": "shop" });
    let run = with_settings(settings, get(FakeGate::new(), "/issues/", ok("[]")).secret("sentry_auth_token"));
    run.call("issues.list", json!({})).unwrap();
    run.call("issues.list", json!({ "project": "-1" })).unwrap();
    let urls: Vec<_> = run.gate_seen().requests().into_iter().map(|request| request.url).collect();
    assert!(urls[0].contains("project=shop&") && urls[1].contains("project=-1&"), "{urls:?}");
}

#[test]
fn a_cursor_is_there_only_while_there_is_more() {
    let page = |more| {
        let reply = ok(&format!("[{ISSUE}]")).header("link", &link(more, "1767225600000:0:0"));
        let run = with_token(get(FakeGate::new(), "/issues/", reply));
        run.call("issues.list", json!({ "limit": 1 })).unwrap()
    };
    assert_eq!(page(true)["next_cursor"], json!("1767225600000:0:0"));
    assert!(page(false).get("next_cursor").is_none());
}

#[test]
fn short_pages_are_filled_up_and_pages_without_end_are_an_error() {
    let page = |more, cursor| ok(&format!("[{ISSUE}]")).header("link", &link(more, cursor));
    let gate = get(get(FakeGate::new(), "/issues/", page(true, "0:1:0")), "/issues/", page(false, "0:2:0"));
    let run = with_token(gate);
    let output = run.call("issues.list", json!({ "limit": 5 })).unwrap();
    assert_eq!(output["issues"].as_array().unwrap().len(), 2);
    assert!(run.gate_seen().requests()[1].url.ends_with("&limit=4&cursor=0%3A1%3A0"));

    let run = with_token(get(FakeGate::new(), "/issues/", page(true, "0:1:0")));
    let error = run.call("issues.list", json!({ "limit": 5 })).unwrap_err();
    assert!(error.code == ErrorCode::UpstreamFailed && error.message.contains("no end"), "{error}");
}

#[test]
fn an_issue_comes_with_what_explains_it() {
    let gate = get(FakeGate::new(), "/issues/4509876543/?collapse=stats&collapse=tags", ok(ISSUE));
    let run = with_token(get(gate, "/issues/4509876543/events/latest/", ok(EVENT)));
    let output = run.call("issue.get", json!({ "issue_id": "4509876543" })).unwrap();
    assert_eq!((&output["short_id"], &output["events"]), (&json!("CHECKOUT-3F"), &json!(1510)));
    assert_eq!(output["first_release"], json!("checkout@2.13.0"));
    assert_eq!(output["last_release"], json!("checkout@2.14.0"));
    assert_eq!(output["links"], json!([{ "name": "PAY-123", "url": "https://acme.atlassian.net/browse/PAY-123" }]));
    let expected = json!({
        "event_id": "aaaabbbbccccddddeeeeffff00001111", "title": "PaymentRefused: gateway answered 502",
        "time": "2025-12-31T23:59:00Z", "message": "order A-1001 was not charged", "culprit": "POST /orders",
        "platform": "python", "release": "checkout@2.14.0", "request": "POST https://shop.example/orders",
        "exceptions": [
            {
                "type": "PaymentRefused", "value": "gateway answered 502", "module": "checkout.payment", "handled": false,
                "frames": [
                    { "function": "charge_card", "file": "checkout.payment", "line": 12, "code": "raise PaymentRefused(error)" },
                    { "function": "post", "file": "checkout/views.py", "line": 31, "code": "charge_card(order)" },
                ],
                "omitted_frames": 2,
            },
            {
                "type": "BadGateway", "value": "502 from gateway-x", "module": "requests.exceptions",
                "frames": [{ "function": "send", "file": "requests/sessions.py", "line": 9 }],
            },
        ],
        "tags": { "environment": "production", "level": "error", "region": "eu-1" },
    });
    assert_eq!(output["latest_event"], expected);
    let text = output.to_string();
    assert!(["person@example.com", "Cookie", "token=abc"].iter().all(|word| !text.contains(word)), "{text}");
}

#[test]
fn fewer_frames_can_be_asked_for() {
    let gate = get(FakeGate::new(), "/issues/1/", ok(ISSUE));
    let run = with_token(get(gate, "/issues/1/events/latest/", ok(EVENT)));
    let output = run.call("issue.get", json!({ "issue_id": "1", "frames": 1 })).unwrap();
    let exception = &output["latest_event"]["exceptions"][0];
    assert_eq!((exception["frames"].as_array().unwrap().len(), &exception["omitted_frames"]), (1, &json!(3)));
}

#[test]
fn a_short_id_is_looked_up() {
    let resolved = json!({
        "organizationSlug": "acme", "projectSlug": "checkout", "groupId": "4509876543", "group": issue(&json!({})),
    });
    let gate = get(FakeGate::new(), "/shortids/CHECKOUT-3F/", ok(&resolved.to_string()));
    let gate = get(gate, "/issues/4509876543/", ok(ISSUE));
    let run = with_token(get(gate, "/issues/4509876543/events/latest/", ok(EVENT)));
    assert_eq!(run.call("issue.get", json!({ "issue_id": "CHECKOUT-3F" })).unwrap()["id"], json!("4509876543"));
}

#[test]
fn an_issue_without_events_is_still_an_issue() {
    let gone = Reply::json(404, &json!({ "detail": "No matching event" }));
    let run = with_token(get(get(FakeGate::new(), "/issues/1/", ok(ISSUE)), "/issues/1/events/latest/", gone));
    let output = run.call("issue.get", json!({ "issue_id": "1" })).unwrap();
    assert!(output["short_id"] == json!("CHECKOUT-3F") && output.get("latest_event").is_none());
}

#[test]
fn an_unknown_issue_is_not_found() {
    for (id, path) in [("1", "/issues/1/"), ("NO-1", "/shortids/NO-1/")] {
        let reply = Reply::json(404, &json!({ "detail": "The requested resource does not exist" }));
        let error =
            with_token(get(FakeGate::new(), path, reply)).call("issue.get", json!({ "issue_id": id })).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(error.message.contains(&format!("`{id}`")) && error.message.contains("issues.list"), "{error}");
    }
}

#[test]
fn ids_cannot_leave_their_place_in_the_path() {
    let shortid = "/shortids/..%2F..%2Fx%3Fy/";
    let run = with_token(get(FakeGate::new(), shortid, Reply::text(404, "")));
    for id in ["..", "."] {
        assert_eq!(run.call("issue.get", json!({ "issue_id": id })).unwrap_err().code, ErrorCode::InvalidInput, "{id}");
    }
    assert!(run.gate_seen().requests().is_empty());
    let _ = run.call("issue.get", json!({ "issue_id": "../../x?y" }));
    assert_eq!(run.gate_seen().requests()[0].url, format!("{ORG}{shortid}"));
}

#[test]
fn projects_are_listed() {
    let reply = ok(include_str!("answers/projects.json")).header("link", &link(true, "0:50:0"));
    let run = with_token(get(FakeGate::new(), "/projects/", reply));
    let expected = json!({
        "projects": [
            {
                "slug": "checkout", "id": "42", "name": "Checkout", "platform": "python-django", "teams": ["payments"],
                "environments": ["production", "staging"], "latest_release": "checkout@2.14.0", "has_events": true,
            },
            { "slug": "empty", "id": "43", "name": "Empty", "has_events": false },
        ],
        "next_cursor": "0:50:0",
    });
    assert_eq!(run.call("projects.list", json!({ "query": "che", "limit": 2 })).unwrap(), expected);
    assert_eq!(run.gate_seen().requests()[0].url, format!("{ORG}/projects/?query=che&per_page=2"));
}

#[test]
fn the_usage_headers_become_a_quota_event() {
    let run = with_token(get(FakeGate::new(), "/issues/", ok("[]")));
    run.call("issues.list", json!({})).unwrap();
    let quota = json!({ "limit": 40, "remaining": 39, "resets_at": "2026-01-01T00:00:01Z", "window": "api" });
    assert_eq!(run.gate_seen().events(), [(QUOTA_EVENT.to_owned(), quota)]);
}
