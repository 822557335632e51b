//! `package.score` and `findings.annotate`.

mod setup;

use bulkhead_sdk::HttpError;
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::Reply;
use setup::{ORG, body, gate, ndjson, refusal, sent, socket};

fn artifact(asked: &str, overall: f64, alerts: Value) -> Value {
    json!({
        "id": "1", "type": "pypi", "name": "django", "version": "5.0.6", "inputPurl": asked, "license": "BSD-3-Clause",
        "score": { "license": 1, "maintenance": 0.9, "overall": overall, "quality": 0.8, "supplyChain": 0.7, "vulnerability": 0.25 },
        "alerts": alerts,
    })
}

#[test]
fn packages_are_rated_by_the_worst_of_their_files() {
    let django = "pkg:pypi/django@5.0.6";
    let cve = json!({
        "key": "k", "type": "criticalCVE", "severity": "critical", "category": "vulnerability", "props": { "ghsaId": "GHSA-1" },
    });
    let old = json!({ "key": "l", "type": "unmaintained", "severity": "middle", "category": "maintenance" });
    let lines = [
        artifact(django, 0.9, json!([old, cve])),
        artifact(django, 0.25, json!([cve])), // another file of the same release
        json!({ "type": "npm", "name": "new", "version": "1", "inputPurl": "pkg:npm/new@1", "alerts": [{ "key": "p", "type": "pendingScan" }] }),
        json!({ "_type": "purlError", "value": { "error": "package not found", "inputPurl": "pkg:npm/none@1" } }),
        json!({ "_type": "summary", "value": { "purl_input": 4, "resolved": 2, "errors": {} } }),
    ];
    let run = socket(gate().on(Method::Post, &format!("{ORG}/purl"), ndjson(&lines)));
    let purls = [django, "pkg:npm/new@1", "pkg:npm/none@1", "pkg:npm/silent@1"];
    let output = run.call("package.score", json!({ "purls": purls })).unwrap();

    assert_eq!(sent(&run), ["POST /orgs/acme/purl?alerts=true&purlErrors=true&poll=false"]);
    assert_eq!(body(&run, 0), json!({ "components": purls.map(|purl| json!({ "purl": purl })) }));
    let none = json!({ "critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0 });
    let expected = json!({
        "packages": [
            { "purl": "pkg:npm/new@1", "counts": none, "alerts": [], "pending": true },
            {
                "purl": django,
                "scores": { "overall": 0.25, "supply_chain": 0.7, "vulnerability": 0.25, "quality": 0.8, "maintenance": 0.9, "license": 1.0 },
                "license": "BSD-3-Clause",
                "counts": { "critical": 1, "high": 0, "medium": 1, "low": 0, "info": 0 },
                "alerts": [
                    { "severity": "critical", "type": "criticalCVE", "category": "vulnerability", "vulnerability": "GHSA-1" },
                    { "severity": "medium", "type": "unmaintained", "category": "maintenance" },
                ],
            },
        ],
        "failed": [
            { "purl": "pkg:npm/none@1", "error": "package not found" },
            { "purl": "pkg:npm/silent@1", "error": "Socket said nothing about it" },
        ],
    });
    assert_eq!(output, expected);
}

#[test]
fn a_busy_upstream_is_asked_again_and_nonsense_is_an_error() {
    let busy = gate().on(Method::Post, &format!("{ORG}/purl"), Reply::text(503, "busy")).on(
        Method::Post,
        &format!("{ORG}/purl"),
        ndjson(&[artifact("pkg:pypi/django@5.0.6", 1.0, json!([]))]),
    );
    let run = socket(busy);
    let output = run.call("package.score", json!({ "purls": ["pkg:pypi/django@5.0.6"] })).unwrap();
    assert_eq!(output["packages"].as_array().unwrap().len(), 1);
    assert_eq!(run.gate_seen().requests()[1].delay_ms, Some(250));

    for (reply, word) in [
        (ndjson(&[json!({ "_type": "purlError", "value": 5 })]), "purlError"),
        (Reply::text(200, "{\"type\": \"npm\"}\n{\"type\": \"np"), "line 2"),
        (Reply::error(HttpError::TooLarge(10)), "fewer packages"),
    ] {
        let run = socket(gate().on(Method::Post, &format!("{ORG}/purl"), reply));
        let error = run.call("package.score", json!({ "purls": ["pkg:npm/a@1"] })).unwrap_err();
        assert!(error.code == ErrorCode::UpstreamFailed && error.message.contains(word), "{error}");
    }
}

#[test]
fn a_note_makes_socket_ignore_a_finding() {
    let input = json!({ "alert_key": "k-1", "note": "false positive: never called" });
    let triage = format!("{ORG}/triage/alerts");
    let run = socket(gate().on(Method::Post, &triage, Reply::json(200, &json!({ "result": "Updated" }))));
    let output = run.call("findings.annotate", input.clone()).unwrap();
    assert_eq!(output, json!({ "alert_key": "k-1", "state": "ignore", "note": "false positive: never called" }));
    assert_eq!(sent(&run), ["POST /orgs/acme/triage/alerts"]);
    let expected = json!({ "alertKey": "k-1", "state": "ignore", "note": "false positive: never called" });
    assert_eq!(body(&run, 0), json!({ "alertTriage": [expected] }));

    for (reply, code) in [
        (refusal(409, "exists"), ErrorCode::Conflict),
        (Reply::text(200, "<html>"), ErrorCode::UpstreamFailed),
        (Reply::text(503, ""), ErrorCode::UpstreamFailed),
    ] {
        let run = socket(gate().on(Method::Post, &triage, reply));
        assert_eq!(run.call("findings.annotate", input.clone()).unwrap_err().code, code);
        assert_eq!(run.gate_seen().requests().len(), 1, "never sent twice");
    }
}
