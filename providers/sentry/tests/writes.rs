//! The tools that change something.

mod setup;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing::{FakeGate, Reply, Run};
use setup::{ISSUE, ORG, get, ok, with_token};

const PUT: &str = "https://us.sentry.io/api/0/projects/acme/checkout/issues/?id=4509876543";

fn with_issue(answer: Reply) -> Run {
    with_token(get(FakeGate::new(), "/issues/4509876543/", ok(ISSUE)).on(Method::Put, PUT, answer))
}

fn update(changes: Value, answer: &Value) -> (Value, Value) {
    let run = with_issue(Reply::json(200, answer));
    let mut input = json!({ "issue_id": "4509876543" });
    input.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let output = run.call("issue.update", input).unwrap();
    let request = run.gate_seen().requests().remove(1);
    assert_eq!(request.url, PUT);
    (serde_json::from_slice(&request.body.unwrap()).unwrap(), output)
}

#[test]
fn only_what_changes_is_sent() {
    let (sent, output) = update(
        json!({ "status": "resolved" }),
        &json!({ "isPublic": false, "status": "resolved", "statusDetails": {} }),
    );
    assert_eq!(sent, json!({ "status": "resolved" }));
    let expected = json!({
        "id": "4509876543", "short_id": "CHECKOUT-3F", "title": "PaymentRefused: gateway answered 502", "status": "resolved",
        "previous_status": "unresolved", "assigned_to": { "type": "team", "id": "7", "name": "payments" },
    });
    assert_eq!(output, expected);

    let assignee = json!({ "type": "user", "id": "9", "name": "Ada", "email": "ada@example.com" });
    let (sent, output) = update(json!({ "assigned_to": "user:9" }), &json!({ "assignedTo": assignee }));
    assert_eq!(sent, json!({ "assignedTo": "user:9" }));
    assert_eq!(output["assigned_to"], json!({ "type": "user", "id": "9", "name": "Ada" }));
    assert_eq!(output["status"], output["previous_status"]);
}

#[test]
fn every_status_has_its_word() {
    for (status, word) in [
        ("resolved", "resolved"),
        ("resolved_in_next_release", "resolvedInNextRelease"),
        ("unresolved", "unresolved"),
        ("ignored", "ignored"),
    ] {
        let (sent, _) = update(json!({ "status": status }), &json!({ "status": "resolved", "statusDetails": {} }));
        assert_eq!(sent, json!({ "status": word }));
    }
    let (sent, _) = update(json!({ "status": "ignored", "ignore_minutes": 30 }), &json!({ "status": "ignored" }));
    assert_eq!(sent, json!({ "status": "ignored", "statusDetails": { "ignoreDuration": 30 } }));
}

#[test]
fn senseless_updates_are_refused_before_anything_is_sent() {
    let run = with_token(FakeGate::new());
    for (input, word) in [
        (json!({ "issue_id": "1" }), "nothing to change"),
        (json!({ "issue_id": "1", "status": "resolved", "ignore_minutes": 5 }), "`ignore_minutes`"),
    ] {
        let error = run.call("issue.update", input).unwrap_err();
        assert!(error.code == ErrorCode::InvalidInput && error.message.contains(word), "{error}");
    }
    assert!(run.gate_seen().requests().is_empty());
}

#[test]
fn an_update_that_fails_says_why() {
    let input = json!({ "issue_id": "4509876543", "assigned_to": "nobody" });
    for (reply, code, words) in [
        (Reply::text(204, ""), ErrorCode::Conflict, ["changed nothing", "issue.get"]),
        (
            Reply::json(400, &json!({ "assignedTo": ["Unable to resolve actor id"] })),
            ErrorCode::InvalidInput,
            ["assignedTo: Unable to resolve actor id", "Change the input"],
        ),
        (
            Reply::json(403, &json!({ "detail": "You do not have permission to perform this action." })),
            ErrorCode::UpstreamAuth,
            ["event:write", "bulkhead secrets set sentry_auth_token"],
        ),
        (ok("[]"), ErrorCode::UpstreamFailed, ["unexpected", "[]"]),
    ] {
        let error = with_issue(reply).call("issue.update", input.clone()).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(words.iter().all(|word| error.message.contains(word)), "{error}");
    }
}

fn integration(id: &str, domain: &str) -> Value {
    json!({
        "id": id, "name": domain, "icon": null, "domainName": domain, "accountType": null, "scopes": null, "outOfDate": false,
        "status": "active", "provider": { "key": "jira" }, "configOrganization": [], "configData": {}, "externalId": "x",
        "organizationId": 1, "organizationIntegrationStatus": "active", "gracePeriodEnd": null,
    })
}

fn ticket_path() -> String {
    format!("{ORG}/issues/4509876543/integrations/24817/")
}

fn created() -> Reply {
    let url = "https://acme.atlassian.net/browse/PAY-124";
    Reply::json(
        201,
        &json!({ "id": 5, "key": "PAY-124", "url": url, "integrationId": 24817, "displayName": "PAY-124" }),
    )
}

#[test]
fn a_ticket_is_created_and_linked() {
    let run = with_token(FakeGate::new().on(Method::Post, &ticket_path(), created()));
    let input = json!({
        "issue_id": "4509876543", "integration_id": "24817", "title": "Payments fail", "description": "See Sentry",
        "fields": { "project": "10000", "title": "overridden" },
    });
    let expected = json!({
        "key": "PAY-124", "url": "https://acme.atlassian.net/browse/PAY-124", "name": "PAY-124", "integration_id": "24817",
    });
    assert_eq!(run.call("issues.create", input).unwrap(), expected);
    let request = run.gate_seen().requests().remove(0);
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body, json!({ "title": "Payments fail", "description": "See Sentry", "project": "10000" }));
}

#[test]
fn the_only_integration_is_found_and_several_are_listed() {
    let run = |installed: Value| {
        let gate = get(FakeGate::new(), "/integrations/?features=issue-basic", ok(&installed.to_string()));
        with_token(gate.on(Method::Post, &ticket_path(), created()))
    };
    let input = json!({ "issue_id": "4509876543", "title": "Payments fail" });
    let mut disabled = integration("1", "old.example");
    disabled["status"] = json!("disabled");
    let one = run(json!([disabled, integration("24817", "acme.atlassian.net")]));
    assert_eq!(one.call("issues.create", input.clone()).unwrap()["integration_id"], json!("24817"));

    let two = run(json!([integration("24817", "acme.atlassian.net"), integration("9", "github.com/acme")]));
    let error = two.call("issues.create", input.clone()).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    assert!(error.message.contains("24817 (acme.atlassian.net), 9 (github.com/acme)"), "{error}");

    let error = run(json!([])).call("issues.create", input).unwrap_err();
    assert!(error.code == ErrorCode::Misconfigured && error.message.contains("install one"), "{error}");
}

#[test]
fn a_refused_ticket_names_what_the_integration_wants() {
    let config = json!({
        "id": "24817", "name": "acme", "icon": null, "domainName": null, "accountType": null, "scopes": null, "outOfDate": null,
        "status": "active", "provider": {},
        "createIssueConfig": [
            { "name": "title", "label": "Title", "type": "string", "required": true },
            { "name": "repo", "label": "Repository", "type": "select", "required": true, "choices": [["acme/a", "a"], ["acme/b", "b"]] },
            { "name": "labels", "label": "Labels", "type": "select", "multiple": true },
        ],
    });
    let refusal = Reply::json(400, &json!({ "repo": ["repo is required."] }));
    let gate = get(FakeGate::new(), "/issues/4509876543/integrations/24817/?action=create", ok(&config.to_string()));
    let run = with_token(gate.on(Method::Post, &ticket_path(), refusal.clone()));
    let input = json!({ "issue_id": "4509876543", "integration_id": "24817", "title": "Payments fail" });
    let error = run.call("issues.create", input.clone()).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
    for words in ["repo: repo is required. It takes", r#"repo, required, such as "acme/a" or "acme/b"; labels."#] {
        assert!(error.message.contains(words), "{error}");
    }

    let form = "/issues/4509876543/integrations/24817/?action=create";
    let without = get(FakeGate::new(), form, Reply::text(404, ""));
    let without = with_token(without.on(Method::Post, &ticket_path(), refusal));
    let error = without.call("issues.create", input).unwrap_err();
    assert!(error.code == ErrorCode::InvalidInput && error.message.contains("repo is required"), "{error}");
}

#[test]
fn a_ticket_that_may_exist_is_not_created_again() {
    let input = json!({ "issue_id": "4509876543", "integration_id": "24817", "title": "Payments fail" });
    let broken =
        bulkhead_sdk::HttpError::Connection("us.sentry.io broke off in the middle of its answer: try again".into());
    let replies = [
        Reply::text(503, ""),
        Reply::text(201, "<html>"),
        Reply::error(bulkhead_sdk::HttpError::Timeout),
        Reply::error(broken),
    ];
    for reply in replies {
        let run = with_token(FakeGate::new().on(Method::Post, &ticket_path(), reply));
        let error = run.call("issues.create", input.clone()).unwrap_err();
        assert!(error.message.contains("may exist all the same"), "{error}");
        assert_eq!(run.gate_seen().requests().len(), 1);
    }
}

#[test]
fn an_unknown_integration_is_told_with_the_way_to_find_it() {
    let missing = Reply::json(404, &json!({ "detail": "The requested resource does not exist" }));
    let run = with_token(FakeGate::new().on(Method::Post, &ticket_path(), missing));
    let input = json!({ "issue_id": "4509876543", "integration_id": "24817", "title": "Payments fail" });
    let error = run.call("issues.create", input).unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.message.contains("`24817`") && error.message.contains("leave `integration_id` out"), "{error}");
}
