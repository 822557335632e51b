//! Socket as its OpenAPI describes it. What a repository is called decides how it behaves.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The key that Socket accepts here.
pub const KEY: &str = "sktsec_made-up-for-tests-only_api";

/// Polls of each scan's result.
type Polls = Arc<AtomicUsize>;

/// Everything below `/v0`.
pub fn answers() -> Router {
    let api = Router::new()
        .route(
            "/quota",
            get(|| async {
                Json(json!({ "quota": 940, "maxQuota": 1000, "nextWindowRefresh": "2030-01-01T00:00:00Z" }))
            }),
        )
        .route(
            "/organizations",
            get(|| async {
                Json(json!({ "organizations": { "1": { "id": "1", "name": "Acme", "plan": "team", "slug": "acme" } } }))
            }),
        )
        .route("/orgs/acme/alerts", get(alerts))
        .route("/orgs/acme/triage/alerts", post(|| async { Json(json!({ "result": "Updated" })) }))
        .route("/orgs/acme/repos", get(repos))
        .route("/orgs/acme/full-scans", get(scans))
        .route("/orgs/acme/full-scans/{id}/rescan", post(rescan))
        .route("/orgs/acme/full-scans/{id}", get(result))
        .route("/orgs/acme/purl", post(purl))
        .with_state(Polls::default())
        .layer(from_fn(key_required));
    Router::new().nest("/v0", api)
}

async fn key_required(headers: HeaderMap, request: Request, next: Next) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != &format!("Bearer {KEY}")) {
        return refusal(401, "Unauthorized");
    }
    next.run(request).await
}

fn refusal(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(json!({ "error": { "message": message, "details": null } }))).into_response()
}

fn alert(number: usize, severity: &str) -> Value {
    json!({
        "key": format!("alert-{number}"), "id": format!("{number}"), "type": "criticalCVE", "category": "vulnerability",
        "severity": severity, "status": "open", "title": format!("Finding {number}"), "createdAt": "2026-11-01T00:00:00Z",
        "updatedAt": "2026-11-01T00:00:00Z", "clearedAt": null, "dashboardUrl": "https://socket.dev/x", "locations": [],
        "vulnerability": { "cveId": format!("CVE-2026-{number}"), "cvssScore": 9.8, "ghsaIds": [], "isKev": false },
    })
}

/// Three findings over four pages, one of them empty; for the repository `endless` a page with a finding after each.
async fn alerts(Query(query): Query<HashMap<String, String>>) -> Response {
    let at: usize = query.get("startAfterCursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    match query.get("filters.repoSlug").map(String::as_str) {
        Some("stormy") => {
            let mut response = refusal(429, "Too many requests");
            response.headers_mut().insert(header::RETRY_AFTER, 7.into());
            response
        }
        Some("html") => (StatusCode::OK, "<html>maintenance</html>").into_response(),
        Some("endless") => {
            Json(json!({ "items": [alert(at, "low")], "endCursor": (at + 1).to_string(), "meta": {} })).into_response()
        }
        _ => {
            let items = match at {
                0 => json!([alert(1, "critical")]),
                1 => json!([]),
                2 => json!([alert(2, "medium"), alert(3, "high")]),
                _ => json!([]),
            };
            let end = (at < 3).then(|| (at + 1).to_string());
            Json(json!({ "items": items, "endCursor": end, "meta": {} })).into_response()
        }
    }
}

async fn repos() -> Json<Value> {
    let repo = |slug: &str| json!({ "id": slug, "slug": slug, "name": slug, "head_full_scan_id": format!("head-{slug}"), "default_branch": "main" });
    Json(json!({ "results": [repo("web-app"), repo("slow")], "nextPage": null }))
}

async fn scans(Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let repo = query.get("repo").map_or("", String::as_str);
    let known = if repo == "never-scanned" {
        json!([])
    } else {
        json!([{ "id": repo, "branch": "main", "commit_hash": "abc" }])
    };
    Json(json!({ "results": known, "nextPage": 0, "nextPageCursor": null }))
}

async fn rescan(Path(id): Path<String>) -> Response {
    (StatusCode::CREATED, Json(json!({ "id": format!("again-{id}"), "status": "pending" }))).into_response()
}

/// 202 at first, then NDJSON. `slow` never gets beyond 202; `huge` answers 30 MB.
async fn result(Path(id): Path<String>, State(polls): State<Polls>) -> Response {
    let polled = polls.fetch_add(1, Ordering::SeqCst);
    if id == "again-slow" || (id == "again-web-app" && polled == 0) {
        return (StatusCode::ACCEPTED, Json(json!({ "status": "processing", "id": id }))).into_response();
    }
    let line = json!({
        "id": "1", "type": "npm", "name": "left-pad", "version": "1.0.0",
        "score": { "license": 1, "maintenance": 0.9, "overall": 0.4, "quality": 0.8, "supplyChain": 0.7, "vulnerability": 0.4 },
        "alerts": [
            { "key": "k1", "type": "mediumCVE", "severity": "middle", "category": "vulnerability", "action": "warn" },
            { "key": "k2", "type": "criticalCVE", "severity": "critical", "category": "vulnerability", "action": "error" },
        ],
    });
    let repeated = if id == "again-huge" { 30_000_000 / line.to_string().len() } else { 1 };
    ndjson(format!("{line}\n").repeat(repeated))
}

async fn purl(Json(asked): Json<Value>) -> Response {
    let lines = asked["components"].as_array().into_iter().flatten().map(|component| {
        let purl = component["purl"].as_str().unwrap_or_default();
        if purl.contains("unknown") {
            return json!({ "_type": "purlError", "value": { "inputPurl": purl, "error": "not found" } }).to_string();
        }
        json!({
            "id": "1", "type": "npm", "name": "left-pad", "version": "1.0.0", "inputPurl": purl, "alerts": [],
            "score": { "license": 1, "maintenance": 0.9, "overall": 0.9, "quality": 0.8, "supplyChain": 0.7, "vulnerability": 1 },
        })
        .to_string()
    });
    ndjson(lines.collect::<Vec<_>>().join("\n"))
}

fn ndjson(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
}
