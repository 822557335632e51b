//! The provider `socket` in the hub, against an upstream that answers as Socket's OpenAPI says.

use serde_json::{Value, json};

use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER},
    upstreams::{Upstream, contract::Contract, socket},
};

/// A hub with the provider as it is shipped, but for where Socket is and how long a scan may take.
async fn hub(scan_timeout_ms: u32) -> (Hub, Upstream) {
    let upstream = Upstream::start(socket::answers()).await;
    let url = &upstream.url;
    let providers = format!(
        "
  socket:
    component: {{socket.wasm}}
    vault_key: socket_api_key
    allowed_hosts: ['{url}']
    queries: ['{url}/v0/orgs/*/purl']
    settings: {{ api_url: '{url}/v0' }}
    tools:
      - {{ name: scan.repo, class: scan, min_role: ops_operator, timeout_ms: {scan_timeout_ms}, schema_version: '1.0' }}
      - {{ name: scan.result, class: read, min_role: ops_viewer, timeout_ms: 10000, schema_version: '1.0' }}
      - {{ name: findings.list, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: findings.annotate, class: scan, min_role: ops_operator, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: package.score, class: read, min_role: ops_viewer, timeout_ms: 10000, schema_version: '1.0' }}
      - {{ name: repos.list, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: orgs.list, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
outbound: {{ extra_ca: {} }}
",
        upstream.ca().display()
    );
    let hub = Hub::start_with_secrets(&providers, &[("socket_api_key", socket::KEY)]);
    (hub, upstream)
}

fn is(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.json()["code"].as_str().unwrap_or_default()), (status, code), "{reply:?}");
}

#[tokio::test]
async fn every_tool_works_is_recorded_and_asks_what_sockets_contract_allows() {
    let (hub, upstream) = hub(10_000).await;
    let (viewer, operator) = (hub.token(VIEWER), hub.token(OPERATOR));
    let authority = upstream.url.trim_start_matches("https://").to_owned();

    let scan = hub.call(&operator, "socket/scan.repo", &json!({ "repo": "web-app", "ref": "main" })).await.json();
    assert_eq!((&scan["status"], &scan["scan_id"]), (&json!("completed"), &json!("again-web-app")), "{scan}");
    assert_eq!((&scan["counts"]["critical"], &scan["counts"]["medium"]), (&json!(1), &json!(1)), "{scan}");
    assert_eq!(scan["findings"][0]["severity"], "critical", "the worst first: {scan}");
    assert_eq!(scan["findings"][1]["severity"], "medium", "`middle` is Socket's other word for it: {scan}");

    let calls: [(&str, &str, Value); 7] = [
        (&operator, "scan.repo", json!({ "repo": "web-app" })),
        (&viewer, "scan.result", json!({ "scan_id": "again-web-app" })),
        (
            &viewer,
            "findings.list",
            json!({ "severity": ["critical", "high"], "category": ["vulnerability"], "branch": "main", "package": "left-pad" }),
        ),
        (&operator, "findings.annotate", json!({ "alert_key": "alert-1", "note": "test code only" })),
        (&viewer, "package.score", json!({ "purls": ["pkg:npm/left-pad@1.0.0", "pkg:npm/unknown@1.0.0"] })),
        (&viewer, "repos.list", json!({})),
        (&viewer, "orgs.list", json!({})),
    ];
    for (token, tool, input) in &calls {
        let reply = hub.call(token, &format!("socket/{tool}"), input).await;
        assert_eq!(reply.status, 200, "{tool}: {reply:?}");
        let event = hub.last_event();
        assert_eq!((&event["tool"], &event["hostname"]), (&json!(tool), &json!(authority)));

        let over_mcp = json!({ "name": format!("socket.{tool}"), "arguments": input });
        let result = &hub.mcp(token, "tools/call", &over_mcp).await["result"];
        assert_eq!((&result["isError"], &result["structuredContent"]), (&json!(false), &reply.json()), "{tool}");
    }
    let triage = upstream.asked().into_iter().find(|asked| asked.path.ends_with("/triage/alerts")).expect("asked");
    assert_eq!(triage.json()["alertTriage"][0]["state"], "ignore");
    assert_eq!(hub.get("/providers/socket/health", Some(&viewer)).await.json()["status"], "ok");
    Contract::of("socket").judge(&upstream.asked(), "/v0").await;

    let worst = "SELECT severity FROM events WHERE tool = ?1 LIMIT 1";
    for (tool, expected) in [("scan.repo", Some("critical")), ("findings.list", Some("critical")), ("orgs.list", None)]
    {
        let found: Option<String> = hub.database().query_row(worst, [tool], |row| row.get(0)).expect("a row");
        assert_eq!(found.as_deref(), expected, "{tool}");
    }

    let quota = "SELECT remaining || '/' || quota_limit FROM provider_quotas WHERE provider = 'socket'";
    let left: String = hub.database().query_row(quota, [], |row| row.get(0)).expect("a quota");
    assert_eq!(left, "940/1000");
    let seen = format!("{}{:?}", hub.log(), hub.events());
    assert!(!seen.contains(socket::KEY), "the key stays in the vault");
}

#[tokio::test]
async fn a_viewer_cannot_scan_or_annotate() {
    let (hub, upstream) = hub(5_000).await;
    let viewer = hub.token(VIEWER);
    is(&hub.call(&viewer, "socket/scan.repo", &json!({ "repo": "web-app" })).await, 403, "role_too_low");
    is(
        &hub.call(&viewer, "socket/findings.annotate", &json!({ "alert_key": "k", "note": "n" })).await,
        403,
        "role_too_low",
    );
    assert!(upstream.asked().iter().all(|asked| asked.method == "GET"), "nothing was done upstream");
}

#[tokio::test]
async fn findings_come_from_all_pages_even_past_an_empty_one() {
    let (hub, _upstream) = hub(5_000).await;
    let found = hub.call(&hub.token(VIEWER), "socket/findings.list", &json!({})).await.json();
    let keys: Vec<_> = found["findings"].as_array().expect("findings").iter().map(|finding| &finding["key"]).collect();
    assert_eq!(keys, ["alert-1", "alert-2", "alert-3"], "{found}");
    assert_eq!(found["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_pager_that_never_ends_stops_at_a_bound_and_says_where_to_go_on() {
    let (hub, _upstream) = hub(5_000).await;
    let token = hub.token(ADMIN);
    let found = hub.call(&token, "socket/findings.list", &json!({ "repo": "endless", "limit": 500 })).await;
    assert_eq!(found.status, 200, "{found:?}");
    let found = found.json();
    assert!(found["findings"].as_array().expect("findings").len() <= 500);
    assert!(found["next_cursor"].is_string(), "{found}");
}

#[tokio::test]
async fn a_scan_that_outlasts_the_call_is_fetched_later() {
    let (hub, _upstream) = hub(3_000).await;
    let token = hub.token(OPERATOR);
    let scan = hub.call(&token, "socket/scan.repo", &json!({ "repo": "slow" })).await;
    assert_eq!(scan.status, 200, "{scan:?}");
    assert_eq!((&scan.json()["status"], &scan.json()["scan_id"]), (&json!("processing"), &json!("again-slow")));
    let later = hub.call(&token, "socket/scan.result", &json!({ "scan_id": "again-web-app" })).await.json();
    assert_eq!(later["scan_id"], "again-web-app");
}

#[tokio::test]
async fn a_repository_without_a_scan_says_how_to_upload_manifests() {
    let (hub, _upstream) = hub(5_000).await;
    let reply = hub.call(&hub.token(OPERATOR), "socket/scan.repo", &json!({ "repo": "never-scanned" })).await;
    is(&reply, 404, "not_found");
    assert!(reply.json()["detail"].as_str().expect("a detail").contains("socket scan create"), "{reply:?}");
}

#[tokio::test]
async fn a_storm_of_429s_is_a_typed_error_that_says_when() {
    let (hub, _upstream) = hub(5_000).await;
    let reply = hub.call(&hub.token(VIEWER), "socket/findings.list", &json!({ "repo": "stormy" })).await;
    is(&reply, 503, "upstream_rate_limited");
    assert_eq!(reply.header("retry-after"), "7");
}

#[tokio::test]
async fn an_answer_of_30_mb_and_one_of_html_are_errors_and_the_next_call_works() {
    let (hub, _upstream) = hub(10_000).await;
    let token = hub.token(VIEWER);
    let huge = hub.call(&token, "socket/scan.result", &json!({ "scan_id": "again-huge" })).await;
    assert_eq!(huge.status, 502, "{huge:?}");
    let html = hub.call(&token, "socket/findings.list", &json!({ "repo": "html" })).await;
    is(&html, 502, "upstream_failed");
    assert_eq!(hub.call(&token, "socket/repos.list", &json!({})).await.status, 200);
}

#[tokio::test]
async fn a_wrong_key_names_the_secret_and_never_its_value() {
    let (hub, _upstream) = hub(5_000).await;
    hub.set_secret("socket_api_key", "sktsec_of-somebody-else_api");
    let token = hub.token(ADMIN);
    let reply = crate::support::hub::eventually("the new key is in use", async || {
        let reply = hub.call(&token, "socket/repos.list", &json!({})).await;
        (reply.status != 200).then_some(reply)
    })
    .await;
    is(&reply, 502, "upstream_auth");
    let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("socket_api_key") && !detail.contains("somebody-else"), "{detail}");
}
