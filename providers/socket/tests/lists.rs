//! `findings.list`, `repos.list` and `orgs.list`.

mod setup;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use bulkhead_sdk::testing::{self, FakeGate, Reply};
use setup::{API, ORG, gate, refusal, sent, socket};

fn alert(key: &str, severity: &str) -> Value {
    json!({
        "key": key, "type": "criticalCVE", "category": "vulnerability", "description": "long", "id": "1", "version": 1,
        "fix": { "type": "cve", "description": "upgrade to 4.17.21" }, "status": "open", "severity": severity,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "clearedAt": null,
        "dashboardUrl": "https://socket.dev/x", "title": "Prototype pollution",
        "vulnerability": { "cveId": null, "cvssScore": 9.8, "ghsaIds": ["GHSA-1"], "isKev": true, "url": null },
        "locations": [place("web"), place("api"), place("app"), place("old")],
    })
}

fn place(repo: &str) -> Value {
    json!({
        "scanType": "socket", "action": "error", "actionSourceType": "org-policy", "licenseViolation": null,
        "repository": { "fullName": format!("acme/{repo}"), "id": "1", "slug": repo, "workspace": null, "labels": [] },
        "branch": { "name": "main", "type": "default" },
        "dependency": { "direct": false, "dev": true, "dead": false, "manifestFiles": [{ "file": "yarn.lock" }] },
        "artifact": { "type": "npm", "namespace": null, "name": "lodash", "version": "4.17.20", "id": "9" },
    })
}

fn page(items: Value, end_cursor: Value) -> Reply {
    let meta = json!({ "organizationId": "1", "queryStartTimestamp": 1, "filters": {} });
    Reply::json(200, &json!({ "endCursor": end_cursor, "items": items, "meta": meta }))
}

fn alerts(pages: impl IntoIterator<Item = Reply>) -> FakeGate {
    pages.into_iter().fold(gate(), |gate, page| gate.on(Method::Get, &format!("{ORG}/alerts"), page))
}

#[test]
fn findings_are_compact_and_complete() {
    let run = socket(alerts([page(json!([alert("k-1", "medium")]), Value::Null)]));
    let output = run.call("findings.list", json!({})).unwrap();
    let location = |repo: &str| {
        json!({
            "package": "pkg:npm/lodash@4.17.20", "repo": repo, "branch": "main", "manifest": "yarn.lock",
            "direct": false, "dev": true, "action": "error",
        })
    };
    let finding = json!({
        "key": "k-1", "severity": "medium", "title": "Prototype pollution", "type": "criticalCVE",
        "category": "vulnerability", "status": "open", "vulnerability": "GHSA-1", "cvss_score": 9.8,
        "known_exploited": true, "fix": "upgrade to 4.17.21",
        "locations": [location("web"), location("api"), location("app")], "more_locations": 1,
        "created_at": "2026-01-01T00:00:00Z", "url": "https://socket.dev/x",
    });
    let counts = json!({ "critical": 0, "high": 0, "medium": 1, "low": 0, "info": 0 });
    assert_eq!(output, json!({ "findings": [finding], "counts": counts }));
    assert_eq!(sent(&run), ["GET /orgs/acme/alerts?per_page=50&filters.alertStatus=open"]);
}

#[test]
fn filters_reach_socket_in_its_own_words() {
    let run = socket(alerts([page(json!([]), Value::Null)]));
    let input = json!({
        "severity": ["high", "critical"], "status": "cleared", "category": ["supplyChainRisk", "license"], "repo": "web",
        "branch": "feature/x", "package": "lodash", "limit": 7, "cursor": "a/b==",
    });
    run.call("findings.list", input).unwrap();
    run.call("findings.list", json!({ "status": "all" })).unwrap();
    assert_eq!(
        sent(&run),
        [
            "GET /orgs/acme/alerts?per_page=7&filters.alertSeverity=high%2Ccritical&filters.alertStatus=cleared\
             &filters.alertCategory=supplyChainRisk%2Clicense&filters.repoSlug=web&filters.branch=feature%2Fx\
             &filters.artifactName=lodash&startAfterCursor=a%2Fb%3D%3D",
            "GET /orgs/acme/alerts?per_page=50",
        ]
    );
}

#[test]
fn an_empty_page_is_not_the_end() {
    let pages = [
        page(json!([alert("k-1", "low")]), json!("c1")),
        page(json!([]), json!("c2")),
        page(json!([alert("k-2", "high")]), Value::Null),
    ];
    let run = socket(alerts(pages));
    let output = run.call("findings.list", json!({ "status": "all", "limit": 10 })).unwrap();
    assert_eq!(output["findings"].as_array().unwrap().len(), 2);
    assert_eq!(output["next_cursor"], Value::Null);
    assert_eq!(
        sent(&run),
        [
            "GET /orgs/acme/alerts?per_page=10",
            "GET /orgs/acme/alerts?per_page=9&startAfterCursor=c1",
            "GET /orgs/acme/alerts?per_page=9&startAfterCursor=c2",
        ]
    );
}

#[test]
fn a_pager_that_never_ends_is_left() {
    let endless = (1..20).map(|at| page(json!([]), json!(format!("c{at}"))));
    let run = socket(alerts(endless));
    let output = run.call("findings.list", json!({})).unwrap();
    assert_eq!((&output["findings"], &output["next_cursor"]), (&json!([]), &json!("c8")));
    assert_eq!(run.gate_seen().requests().len(), 8);

    let circle = socket(alerts([page(json!([]), json!("same"))]));
    let error = circle.call("findings.list", json!({})).unwrap_err();
    assert!(error.code == ErrorCode::UpstreamFailed && error.message.contains("no end"), "{error}");
    assert_eq!(circle.gate_seen().requests().len(), 2);
}

#[test]
fn a_limit_between_pages_keeps_what_there_is() {
    let limited = refusal(429, "Insufficient quota for API route").header("Retry-After", "900");
    let run = socket(alerts([page(json!([alert("k-1", "low")]), json!("c1")), limited]));
    let output = run.call("findings.list", json!({})).unwrap();
    assert_eq!((output["findings"].as_array().unwrap().len(), &output["next_cursor"]), (1, &json!("c1")));
}

fn repos(results: Value, next_page: Value) -> Reply {
    Reply::json(200, &json!({ "results": results, "nextPage": next_page }))
}

#[test]
fn repositories_come_in_pages_that_keep_their_size() {
    let web = json!({
        "id": "1", "slug": "web", "name": "web", "default_branch": "main", "head_full_scan_id": "scan-1",
        "updated_at": "2026-01-01", "html_url": "https://socket.dev/web", "visibility": "private", "archived": false,
    });
    let bare = json!({ "slug": "api", "name": "The API", "default_branch": null, "head_full_scan_id": null });
    let gate = gate().on(Method::Get, &format!("{ORG}/repos"), repos(json!([web]), json!(2))).on(
        Method::Get,
        &format!("{ORG}/repos"),
        repos(json!([bare]), Value::Null),
    );
    let run = socket(gate);
    let first = run.call("repos.list", json!({ "limit": 1 })).unwrap();
    let expected = json!({
        "slug": "web", "default_branch": "main", "scan_id": "scan-1", "updated_at": "2026-01-01",
        "url": "https://socket.dev/web",
    });
    assert_eq!(first, json!({ "repos": [expected], "next_cursor": "2x1" }));
    let second = run.call("repos.list", json!({ "cursor": "2x1" })).unwrap();
    assert_eq!(second, json!({ "repos": [{ "slug": "api", "name": "The API" }] }));
    assert_eq!(sent(&run), ["GET /orgs/acme/repos?per_page=1&page=1", "GET /orgs/acme/repos?per_page=1&page=2"]);
    for cursor in ["2", "0x10", "2x101", "-1x10", "x"] {
        let error = run.call("repos.list", json!({ "cursor": cursor })).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput, "{cursor}");
    }
}

#[test]
fn a_page_that_leads_back_is_the_last() {
    let run = socket(gate().on(Method::Get, &format!("{ORG}/repos"), repos(json!([]), json!(0))));
    assert_eq!(run.call("repos.list", json!({})).unwrap(), json!({ "repos": [] }));
}

fn organizations(slugs: &[&str]) -> Reply {
    let of = |slug: &&str| {
        (
            format!("id-{slug}"),
            json!({ "id": format!("id-{slug}"), "name": null, "image": null, "plan": "team", "slug": slug }),
        )
    };
    let organizations: bulkhead_sdk::serde_json::Map<_, _> = slugs.iter().map(of).collect();
    Reply::json(200, &json!({ "organizations": organizations }))
}

/// The provider without an `org` in its settings, and a key that sees these.
fn unsettled(slugs: &[&str]) -> testing::Run {
    let gate = gate().on(Method::Get, &format!("{API}/organizations"), organizations(slugs)).on(
        Method::Get,
        &format!("{ORG}/repos"),
        repos(json!([]), Value::Null),
    );
    testing::run(socket::provider()).gate(gate)
}

#[test]
fn the_only_organization_need_not_be_named() {
    let run = unsettled(&["acme"]);
    run.call("repos.list", json!({})).unwrap();
    assert_eq!(sent(&run), ["GET /organizations", "GET /orgs/acme/repos?per_page=50&page=1"]);
    let listed = run.call("orgs.list", json!({})).unwrap();
    assert_eq!(listed, json!({ "organizations": [{ "slug": "acme", "plan": "team" }], "in_use": "acme" }));
}

#[test]
fn several_organizations_must_be_chosen_from() {
    let run = unsettled(&["zeta", "acme"]);
    let error = run.call("repos.list", json!({})).unwrap_err();
    assert_eq!(error.code, ErrorCode::Misconfigured);
    assert!(error.message.contains("providers.socket.settings.org to one of acme, zeta"), "{error}");
    let listed = run.call("orgs.list", json!({})).unwrap();
    assert_eq!((&listed["in_use"], &listed["organizations"][1]["slug"]), (&Value::Null, &json!("zeta")));

    let error = unsettled(&[]).call("repos.list", json!({})).unwrap_err();
    assert!(error.code == ErrorCode::Misconfigured && error.message.contains("no organization"), "{error}");
}
