//! `scan.repo` and `scan.result`.

mod setup;

use std::time::Duration;

use bulkhead_sdk::HttpError;
use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::{FakeGate, Reply};
use setup::{ORG, gate, ndjson, refusal, sent, socket};

const RESULT: &str = "?cached=true&include_scores=false&include_license_details=false";

fn full_scans(results: Value) -> Reply {
    Reply::json(200, &json!({ "results": results, "nextPageCursor": null, "nextPage": 0 }))
}

/// A gate with one scan, which can be repeated as `scan-2`.
fn with_scan() -> FakeGate {
    let known =
        json!([{ "id": "scan-1", "branch": "main", "commit_hash": "abc", "scan_state": null, "pull_request": null }]);
    gate().on(Method::Get, &format!("{ORG}/full-scans?"), full_scans(known)).on(
        Method::Post,
        &format!("{ORG}/full-scans/scan-1/rescan"),
        Reply::json(201, &json!({ "id": "scan-2", "status": "pending" })),
    )
}

fn processing() -> Reply {
    Reply::json(202, &json!({ "status": "processing", "id": "scan-2" }))
}

fn artifact(name: &str, alerts: Value) -> Value {
    json!({
        "id": "1", "type": "npm", "namespace": "@acme", "name": name, "version": "1.2.3", "direct": true, "dev": false,
        "manifestFiles": [{ "file": "package-lock.json", "start": 1, "end": 2 }], "alerts": alerts,
        "score": { "license": 1, "maintenance": 0.9, "overall": 0.4, "quality": 0.8, "supplyChain": 0.7, "vulnerability": 0.4 },
        "author": ["x"], "size": 1234, "topLevelAncestors": ["2"],
    })
}

fn alert(key: &str, severity: &str) -> Value {
    json!({ "key": key, "type": "mediumCVE", "severity": severity, "category": "vulnerability", "action": "warn" })
}

fn found() -> Reply {
    let cve = json!({
        "key": "k-critical", "type": "criticalCVE", "severity": "critical", "category": "vulnerability", "action": "error",
        "props": { "cveId": "CVE-2026-1", "ghsaId": "GHSA-1" }, "fix": { "type": "cve", "description": "upgrade to 1.2.4" },
    });
    let ignored = json!({ "key": "k-ignored", "type": "usesEval", "severity": "high", "action": "ignore" });
    ndjson(&[
        artifact("a", json!([alert("k-middle", "middle"), ignored])),
        json!({ "_type": "scores", "value": { "supplyChain": { "value": { "result": 0.5 } } } }),
        artifact("b", json!([cve, { "key": "k-bare", "type": "pendingScan" }])),
        artifact("c", json!([])),
    ])
}

#[test]
fn a_scan_is_repeated_and_waited_for() {
    let results = format!("{ORG}/full-scans/scan-2");
    let gate = with_scan().on(Method::Get, &results, processing()).on(Method::Get, &results, processing()).on(
        Method::Get,
        &results,
        found(),
    );
    let run = socket(gate);
    let output = run.call("scan.repo", json!({ "repo": "web app", "ref": "feature/x" })).unwrap();

    assert_eq!(
        sent(&run),
        [
            "GET /orgs/acme/full-scans?repo=web%20app&branch=feature%2Fx&sort=created_at&direction=desc&per_page=1",
            "POST /orgs/acme/full-scans/scan-1/rescan?mode=deep",
            &format!("GET /orgs/acme/full-scans/scan-2{RESULT}"),
            &format!("GET /orgs/acme/full-scans/scan-2{RESULT}"),
            &format!("GET /orgs/acme/full-scans/scan-2{RESULT}"),
        ]
    );
    let delays: Vec<_> = run.gate_seen().requests().iter().map(|request| request.delay_ms).collect();
    assert_eq!(delays, [None, None, Some(2000), Some(3000), Some(5000)]);
    assert!(run.gate_seen().requests()[1].body.is_none());
    assert_eq!(
        run.gate_seen().requests()[2].timeout_ms,
        Some(15_000),
        "a poll that hangs leaves time to hand over the id"
    );

    let key = |at: usize| output["findings"][at]["key"].as_str().unwrap().to_owned();
    assert_eq!([key(0), key(1), key(2)], ["k-critical", "k-middle", "k-bare"]);
    assert_eq!(
        output["findings"][0],
        json!({
            "key": "k-critical", "severity": "critical", "type": "criticalCVE", "category": "vulnerability",
            "package": "pkg:npm/%40acme/b@1.2.3", "vulnerability": "CVE-2026-1", "fix": "upgrade to 1.2.4",
            "direct": true, "dev": false, "manifests": ["package-lock.json"],
        })
    );
    assert_eq!(output["findings"][1]["severity"], "medium"); // Socket says `middle` here
    assert_eq!(output["findings"][2]["severity"], "info"); // and nothing here
    assert_eq!(output["counts"], json!({ "critical": 1, "high": 0, "medium": 1, "low": 0, "info": 1 }));
    let rest = ["scan_id", "status", "branch", "commit", "packages", "ignored", "next_cursor"];
    assert_eq!(
        rest.map(|name| output[name].clone()),
        [json!("scan-2"), json!("completed"), json!("main"), json!("abc"), json!(3), json!(1), Value::Null]
    );
}

#[test]
fn a_commit_is_asked_for_as_such() {
    let asked = |reference: Option<&str>| {
        let run = socket(with_scan().on(Method::Get, &format!("{ORG}/full-scans/scan-2"), found()));
        let input = reference.map_or(json!({ "repo": "web" }), |reference| json!({ "repo": "web", "ref": reference }));
        run.call("scan.repo", input).unwrap();
        sent(&run).remove(0)
    };
    let sha = "0123456789abcdef0123456789abcdef01234567";
    assert!(asked(Some(sha)).contains(&format!("&commit_hash={sha}&")));
    assert!(asked(Some("cafe")).contains("&branch=cafe&"));
    assert!(!asked(None).contains("branch") && !asked(None).contains("commit"));
}

#[test]
fn a_scan_that_never_ends_hands_over_its_id() {
    let run = socket(with_scan().on(Method::Get, &format!("{ORG}/full-scans/scan-2"), processing()));
    let output = run.call("scan.repo", json!({ "repo": "web" })).unwrap();
    let expected =
        json!({ "scan_id": "scan-2", "status": "processing", "branch": "main", "commit": "abc", "findings": [] });
    assert_eq!(output, expected);
    assert_eq!(
        run.gate_seen().requests().len(),
        8,
        "2 + 3 + 5 + 8 + 12 + 15 seconds fit into a minute, 15 more do not"
    );

    // However long the call may last, it stays below the hub's 64 requests.
    let patient = socket(with_scan().on(Method::Get, &format!("{ORG}/full-scans/scan-2"), processing()));
    let patient = patient.deadline(Duration::from_hours(1));
    assert_eq!(patient.call("scan.repo", json!({ "repo": "web" })).unwrap()["status"], "processing");
    assert_eq!(patient.gate_seen().requests().len(), 22);
}

#[test]
fn a_started_scan_is_never_lost() {
    let after_start = |reply: Reply| {
        let run = socket(with_scan().on(Method::Get, &format!("{ORG}/full-scans/scan-2"), reply));
        run.call("scan.repo", json!({ "repo": "web" }))
    };
    for passing in [
        Reply::error(HttpError::Timeout),
        Reply::error(HttpError::Connection("reset".to_owned())),
        refusal(429, "Insufficient quota for API route").header("retry-after", "3600"),
    ] {
        assert_eq!(after_start(passing).unwrap()["scan_id"], "scan-2");
    }
    for lasting in [refusal(403, "no"), Reply::text(200, "<html>"), Reply::error(HttpError::TooLarge(10))] {
        let error = after_start(lasting).unwrap_err();
        assert!(error.message.contains("scan scan-2 was started"), "{error}");
    }
}

#[test]
fn the_start_itself_is_sent_once() {
    let gate = gate().on(Method::Get, &format!("{ORG}/full-scans?"), full_scans(json!([{ "id": "scan-1" }]))).on(
        Method::Post,
        &format!("{ORG}/full-scans/scan-1/rescan"),
        Reply::text(502, "bad gateway"),
    );
    let run = socket(gate);
    assert_eq!(run.call("scan.repo", json!({ "repo": "web" })).unwrap_err().code, ErrorCode::UpstreamFailed);
    assert_eq!(run.gate_seen().requests().len(), 2);
}

#[test]
fn without_a_scan_the_caller_learns_how_to_upload() {
    let run = socket(gate().on(Method::Get, &format!("{ORG}/full-scans?"), full_scans(json!([]))));
    let error = run.call("scan.repo", json!({ "repo": "web", "ref": "main" })).unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    for words in ["`web` at `main`", "socket scan create --org acme --repo web", "repos.list"] {
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_result_comes_in_pages() {
    let alerts = |count: usize| (0..count).map(|at| alert(&format!("k-{at:05}"), "low")).collect::<Value>();
    let artifacts: Vec<_> = (0..40).map(|at| artifact(&format!("p-{at:02}"), alerts(100))).collect();
    let run = socket(gate().on(Method::Get, &format!("{ORG}/full-scans/scan-9"), ndjson(&artifacts)));
    let mut cursor = Value::Null;
    let mut keys = Vec::new();
    loop {
        let mut input = json!({ "scan_id": "scan-9", "limit": 500 });
        if let Some(cursor) = cursor.as_str() {
            input["cursor"] = json!(cursor);
        }
        let output = run.call("scan.result", input).unwrap();
        assert_eq!(output["counts"]["low"], 4000);
        let page = output["findings"].as_array().unwrap();
        keys.extend(page.iter().map(|finding| format!("{} {}", finding["package"], finding["key"])));
        cursor = output["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(keys.len(), 4000);
    assert!(keys.is_sorted_by(|a, b| a < b), "every finding once, in one order");

    let beyond = run.call("scan.result", json!({ "scan_id": "scan-9", "cursor": "99999" })).unwrap();
    assert_eq!((&beyond["findings"], &beyond["next_cursor"]), (&json!([]), &Value::Null));
    let error = run.call("scan.result", json!({ "scan_id": "scan-9", "cursor": "x" })).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
}

#[test]
fn a_result_may_be_processing_unknown_or_too_large() {
    let result = |reply: Reply| {
        let run = socket(gate().on(Method::Get, &format!("{ORG}/full-scans/s"), reply));
        run.call("scan.result", json!({ "scan_id": "s" }))
    };
    assert_eq!(result(processing()).unwrap(), json!({ "scan_id": "s", "status": "processing", "findings": [] }));
    let unknown = result(refusal(404, "Not found")).unwrap_err();
    assert!(unknown.code == ErrorCode::NotFound && unknown.message.contains("no such scan"), "{unknown}");
    let large = result(Reply::error(HttpError::TooLarge(10_485_760))).unwrap_err();
    assert!(large.message.contains("10485760 bytes") && large.message.contains("findings.list"), "{large}");
}

#[test]
fn nonsense_in_a_result_is_an_error_that_names_the_line() {
    let good = artifact("a", json!([])).to_string();
    for (body, word) in [
        (format!("{good}\n{{\"type\": \"npm\", \"ale"), "line 2"),
        (format!("{good}\n{{\"type\": \"npm\", \"alerts\": 5}}"), "`alerts`"),
        (format!("{good}\n{{}}"), "neither a package"),
        ("<html>busy</html>".to_owned(), "line 1"),
    ] {
        let run = socket(gate().on(Method::Get, &format!("{ORG}/full-scans/s"), Reply::text(200, &body)));
        let error = run.call("scan.result", json!({ "scan_id": "s" })).unwrap_err();
        assert!(error.code == ErrorCode::UpstreamFailed && error.message.contains(word), "{error}");
    }
}
