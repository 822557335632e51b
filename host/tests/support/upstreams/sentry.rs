//! Sentry, its web API as its OpenAPI describes it and its ingestion as it was seen. What a project is called, or an
//! error, decides how it behaves.

use std::{
    collections::HashMap,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

/// The token that may do everything here.
pub const TOKEN: &str = "sntryu_made-up-for-tests-only";

/// One that may only read issues.
pub const READ_ONLY: &str = "sntryu_made-up-for-reading-only";

/// The public key of the DSN.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// The issues of the project `paged`, which come two at a time.
pub const PAGED: [&str; 5] = ["1", "2", "3", "4", "5"];

/// How many seconds the project `stormy` has to wait.
pub const STORM_SECONDS: u64 = 30;

const ISSUE: &str = include_str!("../../../../providers/sentry/tests/answers/issue.json");
const EVENT: &str = include_str!("../../../../providers/sentry/tests/answers/event.json");
const PROJECTS: &str = include_str!("../../../../providers/sentry/tests/answers/projects.json");

/// The web API, of which the organization `acme` is a member.
pub fn web() -> Router {
    let below = |path: &str| format!("/api/0/organizations/acme/{path}");
    Router::new()
        .route("/api/0/", get(root))
        .route(&below("issues/"), get(issues))
        .route(&below("issues/{id}/"), get(issue))
        .route(&below("issues/{id}/events/latest/"), get(|| async { as_json(EVENT) }))
        .route(&below("issues/{id}/integrations/{integration}/"), post(ticket))
        .route(&below("integrations/"), get(integrations))
        .route(&below("projects/"), get(|| async { as_json(PROJECTS) }))
        .route("/api/0/projects/acme/{project}/issues/", put(update))
        .layer(from_fn(scope_required))
        .layer(from_fn(with_limits))
}

/// The ingestion of the project 42.
pub fn ingest() -> Router {
    Router::new().route("/api/42/envelope/", post(envelope))
}

fn scopes(headers: &HeaderMap) -> Option<&'static [&'static str]> {
    match headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")? {
        TOKEN => Some(&["event:read", "event:write", "org:read"]),
        READ_ONLY => Some(&["event:read"]),
        _ => None,
    }
}

async fn scope_required(request: Request, next: Next) -> Response {
    let Some(granted) = scopes(request.headers()) else { return refusal(401, "Invalid token") };
    let needed = match request.uri().path() {
        "/api/0/" => None,
        _ if request.method() != "GET" => Some("event:write"),
        path if path.contains("/issues/") => Some("event:read"),
        _ => Some("org:read"),
    };
    if needed.is_some_and(|scope| !granted.contains(&scope)) {
        return refusal(403, "You do not have permission to perform this action.");
    }
    next.run(request).await
}

/// Every answer says what is left of the endpoint's window.
async fn with_limits(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (remaining, wait) = if response.status() == 429 { (0, STORM_SECONDS) } else { (39, 1) };
    for (name, value) in [("limit", 40), ("remaining", remaining), ("reset", now + wait)] {
        let name = format!("x-sentry-rate-limit-{name}").parse::<header::HeaderName>().expect("a name");
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    response
}

fn refusal(status: u16, detail: &str) -> Response {
    (StatusCode::from_u16(status).expect("a status"), Json(json!({ "detail": detail }))).into_response()
}

fn as_json(text: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

fn html() -> Response {
    ([(header::CONTENT_TYPE, "text/html")], "<html>maintenance</html>").into_response()
}

async fn root(headers: HeaderMap) -> Json<Value> {
    Json(json!({ "version": "0", "auth": { "scopes": scopes(&headers) }, "user": null }))
}

fn with_id(id: &str) -> Value {
    let mut issue: Value = serde_json::from_str(ISSUE).expect("JSON");
    issue["id"] = id.into();
    issue
}

/// One issue; for the project `paged` more, and for `endless` one and a further page each time.
async fn issues(Query(query): Query<HashMap<String, String>>) -> Response {
    let from: usize = match query.get("cursor").map(|cursor| cursor.split(':').nth(1)) {
        None => 0,
        Some(Some(offset)) if offset.parse::<usize>().is_ok() => offset.parse().expect("a number"),
        Some(_) => return refusal(400, "Invalid cursor parameter."),
    };
    let limit = query.get("limit").map_or(Ok(100), |limit| limit.parse()).unwrap_or(0);
    match query.get("project").map(String::as_str) {
        Some("stormy") => refusal(429, "You are attempting to use this endpoint too frequently."),
        Some("html") => html(),
        Some("truncated") => as_json(format!("[{}", &ISSUE[..ISSUE.len() / 2])),
        Some("broken-off") => broken_off(),
        Some("paged") => {
            let to = PAGED.len().min(from + limit.min(2));
            page(PAGED[from.min(to)..to].iter().map(|id| with_id(id)).collect(), to, to < PAGED.len())
        }
        Some("endless") => page(vec![with_id(&from.to_string())], from + 1, true),
        _ => page(vec![with_id("4509876543")], 100, false),
    }
}

/// There are always both links, and `results` says which of them leads anywhere.
fn page(issues: Vec<Value>, next: usize, more: bool) -> Response {
    let url = "https://us.sentry.io/api/0/organizations/acme/issues/";
    let link = format!(
        r#"<{url}?cursor=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", <{url}?cursor=0:{next}:0>; rel="next"; results="{more}"; cursor="0:{next}:0""#
    );
    ([(header::LINK, link)], Json(Value::from(issues))).into_response()
}

/// The connection ends within the body.
fn broken_off() -> Response {
    let begin = stream::once(async { Ok(&ISSUE[..ISSUE.len() / 2]) });
    let end = stream::once(async {
        // Or else nothing would be on its way yet.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(io::Error::other("broken off"))
    });
    ([(header::CONTENT_LENGTH, ISSUE.len())], as_json(Body::from_stream(begin.chain(end)))).into_response()
}

async fn issue(Path(id): Path<String>) -> Json<Value> {
    Json(with_id(&id))
}

async fn update(Json(mut change): Json<Value>) -> Json<Value> {
    if change["assignedTo"].is_string() {
        change["assignedTo"] = json!({ "type": "team", "id": "7", "name": "payments" });
    }
    Json(change)
}

async fn integrations() -> Json<Value> {
    Json(json!([{
        "id": "24817", "name": "acme", "icon": null, "domainName": "acme.atlassian.net", "accountType": null, "scopes": null,
        "status": "active", "provider": { "key": "jira" }, "configOrganization": [], "configData": {}, "externalId": "x",
        "organizationId": 1, "organizationIntegrationStatus": "active", "gracePeriodEnd": null,
    }]))
}

async fn ticket() -> Response {
    let url = "https://acme.atlassian.net/browse/PAY-124";
    let ticket = json!({ "id": 5, "key": "PAY-124", "url": url, "integrationId": 24817, "displayName": "PAY-124" });
    (StatusCode::CREATED, Json(ticket)).into_response()
}

/// Takes the event, or does what its message says. Other data than errors is always limited, which concerns nobody here.
async fn envelope(headers: HeaderMap, body: Bytes) -> Response {
    let auth = headers.get("x-sentry-auth").map_or("", |value| value.to_str().unwrap_or_default());
    if !auth.split(", ").any(|part| part == format!("sentry_key={KEY}")) {
        return refusal(403, &format!("unknown key in {auth}"));
    }
    let event = event(&body);
    let limited = |status: StatusCode, limits: &'static str| {
        (status, [("x-sentry-rate-limits", limits)], Json(json!({ "id": event["event_id"] }))).into_response()
    };
    match event["message"].as_str() {
        Some("slow down") => limited(StatusCode::OK, "60:error:key, 86400:transaction;span:organization"),
        Some("stop") => limited(StatusCode::TOO_MANY_REQUESTS, "60:error:key, 2700:default;error:organization"),
        Some("html") => html(),
        _ => limited(StatusCode::OK, "86400:transaction;span:organization"),
    }
}

/// The event in an envelope: its third line, as long as the second says.
pub fn event(envelope: &[u8]) -> Value {
    let lines: Vec<_> = envelope.split(|byte| *byte == b'\n').collect();
    let [header, item, payload, []] = lines[..] else { panic!("not three lines, each ended: {lines:?}") };
    let json = |line: &[u8]| -> Value { serde_json::from_slice(line).expect("JSON") };
    let (header, item, event) = (json(header), json(item), json(payload));
    assert_eq!((&item["type"], &item["length"]), (&json!("event"), &json!(payload.len())));
    assert_eq!(header["event_id"], event["event_id"]);
    event
}
