//! Streamable HTTP: rmcp's service, stateless, behind the checks that it leaves to us.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header::RETRY_AFTER},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::any_service,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};

use super::{Access, Endpoint, message};
use crate::{
    api::{Admission, BODY_MAX, Correlation, PublicAddress, read_body},
    call::{CallError, Hub, Surface, WireForm, whole_seconds},
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

/// Answers what is not a JSON-RPC message in JSON-RPC's own terms (§5.1): rmcp would say 415. A caller without a place
/// hears it here, before its message is read.
async fn well_formed(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(place)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let bytes = match place {
        Ok(place) => read_body(body, &place).await.map_err(CallError::from),
        Err(full) => Err(full),
    };
    let fault = match bytes {
        Ok(bytes) => match message::check(&bytes) {
            Ok(()) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
            Err(fault) => fault,
        },
        Err(error) => message::Fault { code: message::INVALID_REQUEST, error },
    };
    let refused = hub.refuse(fault.error, message::OPERATION, Some(&caller), Surface::Mcp, &correlation.0).await;
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, Json(message::error(fault.code, &refused))).into_response();
    if let Some(after) = refused.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after).max(1)));
    }
    response
}
