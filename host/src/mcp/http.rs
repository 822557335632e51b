//! Streamable HTTP: rmcp's service, stateless, behind the checks that it leaves to us.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::any_service,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde::Deserialize;
use serde_json::json;

use super::{Access, Endpoint};
use crate::{
    api::{BODY_MAX, Correlation, PublicAddress, read_body},
    call::{CallError, Hub, InputFault, Surface, WireForm},
    identity::Caller,
};

/// Both endpoints: `/mcp`, and `/mcp/flat` with names for clients that refuse dots.
pub fn routes(hub: &Arc<Hub>, address: &PublicAddress) -> Router<Arc<Hub>> {
    endpoint(hub, address, "/mcp", WireForm::Dotted).merge(endpoint(hub, address, "/mcp/flat", WireForm::Flat))
}

/// The endpoint at `path`, with and without a slash at its end.
fn endpoint(hub: &Arc<Hub>, address: &PublicAddress, path: &'static str, form: WireForm) -> Router<Arc<Hub>> {
    let endpoint = Endpoint { hub: Arc::clone(hub), form, access: Access::PerRequest };
    let service = StreamableHttpService::new(
        move || Ok(endpoint.clone()),
        Arc::new(NeverSessionManager::default()),
        config(address),
    );
    Router::new()
        .route(path, any_service(service.clone()))
        .route(&format!("{path}/"), any_service(service))
        .route_layer(from_fn_with_state(Arc::clone(hub), well_formed))
}

/// No sessions: rmcp's are not bound to a caller, and any replica should answer any request. `Host` and `Origin` are
/// checked against DNS rebinding.
fn config(address: &PublicAddress) -> StreamableHttpServerConfig {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), "::1".to_owned()];
    let mut origins: Vec<String> =
        ["localhost", "127.0.0.1", "[::1]"].iter().map(|host| format!("http://{host}:*")).collect();
    if let Some(base) = &address.base_url {
        hosts.extend(base.host_str().map(str::to_owned));
        origins.push(base.origin().ascii_serialization());
    }
    StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_MAX)
}

/// What every JSON-RPC message of MCP has.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<std::borrow::Cow<'a, str>>,
    result: Option<serde::de::IgnoredAny>,
    error: Option<serde::de::IgnoredAny>,
}

/// Answers what is not a JSON-RPC message in JSON-RPC's own terms (§5.1): rmcp would say 415.
async fn well_formed(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(correlation): Extension<Correlation>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let bytes = match read_body(body).await {
        Ok(bytes) => bytes,
        Err(fault) => {
            let status = if matches!(fault, InputFault::TooLarge(_)) { 413 } else { 400 };
            let refused = hub.refuse(fault.into(), "mcp_message", Some(&caller), Surface::Mcp, &correlation.0).await;
            return json_rpc_error(status, -32600, &refused);
        }
    };
    let (code, fault) = match serde_json::from_slice::<Message<'_>>(&bytes) {
        Ok(message) if message.method.is_some() || message.result.is_some() || message.error.is_some() => {
            return next.run(Request::from_parts(parts, Body::from(bytes))).await;
        }
        Ok(_) => (-32600, "a JSON-RPC message has a `method`".to_owned()),
        Err(error) if error.is_data() => {
            (-32600, "send one JSON-RPC message as an object; batches are not part of MCP".to_owned())
        }
        Err(error) => (-32700, error.to_string()),
    };
    let error = CallError::Input(InputFault::Malformed(fault));
    let refused = hub.refuse(error, "mcp_message", Some(&caller), Surface::Mcp, &correlation.0).await;
    json_rpc_error(400, code, &refused)
}

fn json_rpc_error(status: u16, code: i32, error: &CallError) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": error.to_string() } });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(body)).into_response()
}
