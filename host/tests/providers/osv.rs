//! The provider `osv` in the hub, against an upstream that answers as OSV.dev's documentation says.

use serde_json::json;

use crate::support::{
    hub::{Hub, VIEWER},
    upstreams::{Upstream, osv},
};

async fn hub() -> (Hub, Upstream) {
    let upstream = Upstream::start(osv::answers()).await;
    let url = &upstream.url;
    let hub = Hub::start(&format!(
        "
  osv:
    component: {{osv.wasm}}
    allowed_hosts: ['{url}']
    queries: ['{url}/v1/query', '{url}/v1/querybatch']
    settings: {{ api_url: '{url}' }}
    tools:
      - {{ name: vulns.query, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: vulns.batch, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
      - {{ name: vuln.get, class: read, min_role: ops_viewer, timeout_ms: 5000, schema_version: '1.0' }}
outbound: {{ extra_ca: {} }}
",
        upstream.ca().display()
    ));
    (hub, upstream)
}

#[tokio::test]
async fn every_tool_works_over_rest_and_mcp_and_is_recorded_with_its_host() {
    let (hub, upstream) = hub().await;
    let token = hub.token(VIEWER);
    let authority = upstream.url.trim_start_matches("https://").to_owned();
    for (tool, input) in [
        ("vulns.query", json!({ "purl": "pkg:npm/left-pad@1.0.0" })),
        ("vulns.query", json!({ "package": "left-pad", "ecosystem": "npm", "version": "1.0.0" })),
        ("vulns.batch", json!({ "queries": [{ "purl": "pkg:npm/left-pad@1.0.0" }, { "purl": "pkg:npm/safe@1.0.0" }] })),
        ("vuln.get", json!({ "id": "GHSA-1" })),
    ] {
        let reply = hub.call(&token, &format!("osv/{tool}"), &input).await;
        assert_eq!(reply.status, 200, "{tool}: {reply:?}");
        assert!(reply.text.contains("GHSA-1"), "{tool}: {reply:?}");
        let event = hub.last_event();
        assert_eq!((&event["tool"], &event["hostname"]), (&json!(tool), &json!(authority)));
        let over_mcp =
            hub.mcp(&token, "tools/call", &json!({ "name": format!("osv.{tool}"), "arguments": input })).await;
        assert_eq!(over_mcp["result"]["structuredContent"], reply.json(), "{tool}");
    }
    assert_eq!(hub.get("/providers/osv/health", Some(&token)).await.json()["status"], "ok");
}

#[tokio::test]
async fn pages_are_followed_by_cursor_and_what_is_safe_is_empty() {
    let (hub, _upstream) = hub().await;
    let token = hub.token(VIEWER);
    let first =
        hub.call(&token, "osv/vulns.query", &json!({ "purl": "pkg:npm/left-pad@1.0.0", "limit": 1 })).await.json();
    assert!(first.to_string().contains("GHSA-1") && !first.to_string().contains("GHSA-2"), "{first}");
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let next = json!({ "purl": "pkg:npm/left-pad@1.0.0", "limit": 1, "cursor": cursor });
    let second = hub.call(&token, "osv/vulns.query", &next).await.json();
    assert!(second.to_string().contains("GHSA-2"), "{second}");
    assert!(second["next_cursor"].is_null(), "{second}");
    let safe = hub.call(&token, "osv/vulns.query", &json!({ "purl": "pkg:npm/safe@1.0.0" })).await;
    assert_eq!(safe.status, 200, "{safe:?}");
    assert!(!safe.text.contains("GHSA"), "{safe:?}");
}

#[tokio::test]
async fn an_unknown_advisory_is_a_404_that_says_so() {
    let (hub, _upstream) = hub().await;
    let reply = hub.call(&hub.token(VIEWER), "osv/vuln.get", &json!({ "id": "NONE-1" })).await;
    assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("not_found")), "{reply:?}");
}
