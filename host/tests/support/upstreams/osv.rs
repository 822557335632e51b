//! OSV.dev as its documentation describes it.

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

/// Every route that the provider uses.
pub fn answers() -> Router {
    Router::new()
        .route("/v1/query", post(query))
        .route("/v1/querybatch", post(batch))
        .route("/v1/vulns/{id}", get(vuln))
}

fn advisory(id: &str) -> Value {
    json!({
        "id": id, "summary": "Prototype pollution", "details": "Long text.", "aliases": ["CVE-2026-1"],
        "modified": "2026-11-01T00:00:00Z", "published": "2026-10-01T00:00:00Z", "schema_version": "1.7.3",
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }],
        "affected": [{
            "package": { "ecosystem": "npm", "name": "left-pad", "purl": "pkg:npm/left-pad" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.2.0" }] }],
        }],
        "references": [{ "type": "ADVISORY", "url": "https://example.org/advisory" }],
    })
}

/// Two pages of one advisory each; packages called `safe` have none.
async fn query(Json(asked): Json<Value>) -> Response {
    if asked.to_string().contains("safe") {
        return Json(json!({})).into_response();
    }
    match asked["page_token"].as_str() {
        None | Some("") => Json(json!({ "vulns": [advisory("GHSA-1")], "next_page_token": "two" })).into_response(),
        Some("two") => Json(json!({ "vulns": [advisory("GHSA-2")] })).into_response(),
        Some(_) => error(StatusCode::BAD_REQUEST, 3, "Invalid page token."),
    }
}

async fn batch(Json(asked): Json<Value>) -> Json<Value> {
    let results = asked["queries"].as_array().into_iter().flatten().map(|query| {
        if query.to_string().contains("safe") {
            json!({})
        } else {
            json!({ "vulns": [{ "id": "GHSA-1", "modified": "2026-11-01T00:00:00Z" }] })
        }
    });
    Json(json!({ "results": results.collect::<Vec<_>>() }))
}

async fn vuln(Path(id): Path<String>) -> Response {
    if id.starts_with("NONE") {
        error(StatusCode::NOT_FOUND, 5, "Bug not found.")
    } else {
        Json(advisory(&id)).into_response()
    }
}

fn error(status: StatusCode, code: u16, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}
