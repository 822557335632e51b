//! Streamable HTTP: rmcp's service, stateless, behind the checks that it leaves to us.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::header::USER_AGENT,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::any_service,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde_json::Map;

use super::{
    endpoint::{Access, Endpoint},
    exchange::{self, Exchange},
    told::Told,
    under_way::{Client, UnderWay},
};
use crate::{
    call::{CallError, Hub},
    http::{Admission, BODY_MAX, Correlation, PublicAddress, Routes},
    identity::Caller,
    names::{Surface, WireForm},
};

/// Both endpoints: `/mcp`, and `/mcp/flat` with names for clients that refuse dots.
#[must_use]
pub fn routes(hub: &Arc<Hub>, address: &PublicAddress) -> Routes {
    let under_way = UnderWay::default();
    let endpoint = |path, form| endpoint(hub, address, &under_way, path, form);
    let routes = endpoint("/mcp", WireForm::Dotted).merge(endpoint("/mcp/flat", WireForm::Flat));
    Routes { surface: Surface::Mcp, routes, refusal }
}

/// The endpoint at `path`, with and without a slash at its end.
fn endpoint(
    hub: &Arc<Hub>,
    address: &PublicAddress,
    under_way: &UnderWay,
    path: &'static str,
    form: WireForm,
) -> Router<Arc<Hub>> {
    let endpoint = Endpoint { hub: Arc::clone(hub), form, access: Access::PerRequest };
    let service = StreamableHttpService::new(
        move || Ok(endpoint.clone()),
        Arc::new(NeverSessionManager::default()),
        config(address),
    );
    Router::new()
        .route(path, any_service(service.clone()))
        .route(&format!("{path}/"), any_service(service))
        .route_layer(from_fn_with_state((Arc::clone(hub), under_way.clone(), form), in_order))
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

/// A refusal of a whole request, with the same code as in any other error.
fn refusal(error: &CallError) -> Response {
    exchange::answer(error.status().into(), None, error, Map::new())
}

/// Lets a request through to rmcp that it will not refuse in words of its own, and looks at what it says.
async fn in_order(
    State((hub, under_way, form)): State<(Arc<Hub>, UnderWay, WireForm)>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(permit)): Extension<Admission>,
    Extension(Correlation(correlation_id)): Extension<Correlation>,
    mut request: Request,
    next: Next,
) -> Response {
    exchange::go_by_target(&mut request);
    let exchange = Exchange::new(hub, caller, correlation_id, &request);
    let permit = match permit {
        Ok(permit) => permit,
        Err(full) => return exchange.refuse(exchange::no_place(full)).await,
    };
    let (mut request, message) = match exchange::message(request, &permit).await {
        Ok(found) => found,
        Err(fault) => return exchange.refuse(fault).await,
    };
    let told = Told::of(&message);
    request.extensions_mut().insert(told.clone());
    let agent = request.headers().get(USER_AGENT).cloned();
    let client = Client { user: exchange.user(), form, agent };
    let entered = under_way.enter(client, &message);
    // Who takes a request back ends its call. The answer waits until the line has recorded what came of it.
    request.extensions_mut().insert(entered.taken_back());
    exchange.settle(next.run(request).await, &told).await
}
