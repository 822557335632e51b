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
    direct::{Direct, Era},
    endpoint::{Access, Asking, Endpoint},
    exchange::{self, Exchange},
    told::Told,
    under_way::{Client, UnderWay},
};
use crate::{
    call::{CallError, Hub, of_size},
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
    let config = config(address);
    let served = Arc::new(Served {
        endpoint: endpoint.clone(),
        under_way: under_way.clone(),
        hosts: config.allowed_hosts.clone(),
    });
    let service =
        StreamableHttpService::new(move || Ok(endpoint.clone()), Arc::new(NeverSessionManager::default()), config);
    Router::new()
        .route(path, any_service(service.clone()))
        .route(&format!("{path}/"), any_service(service))
        .route_layer(from_fn_with_state(served, in_order))
}

/// What an endpoint answers with.
struct Served {
    endpoint: Endpoint,
    under_way: UnderWay,
    /// The names that the hub goes by.
    hosts: Vec<String>,
}

impl Served {
    fn is_own(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

/// No sessions: rmcp's are not bound to a caller, and any replica should answer any request. `Host` and `Origin` are
/// checked against DNS rebinding.
fn config(address: &PublicAddress) -> StreamableHttpServerConfig {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), "::1".to_owned()];
    let scheme = address.scheme();
    let mut origins: Vec<String> =
        ["localhost", "127.0.0.1", "[::1]"].iter().map(|host| format!("{scheme}://{host}:*")).collect();
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

/// Answers a call about which there is nothing for rmcp to decide. Lets any other request through that rmcp will not refuse
/// in words of its own, and looks at what it says.
async fn in_order(
    State(served): State<Arc<Served>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(permit)): Extension<Admission>,
    Extension(Correlation(correlation_id)): Extension<Correlation>,
    mut request: Request,
    next: Next,
) -> Response {
    exchange::go_by_target(&mut request);
    let (head, body) = request.into_parts();
    let exchange = || {
        let hub = Arc::clone(&served.endpoint.hub);
        Exchange::new(hub, Arc::clone(&caller), correlation_id.clone(), &head.headers)
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(full) => return exchange().refuse(exchange::no_place(full)).await,
    };
    let bytes = match exchange::document(&head, body, &permit).await {
        Ok(bytes) => bytes,
        Err(fault) => return exchange().refuse(fault).await,
    };
    let agent = head.headers.get(USER_AGENT).cloned();
    let client = Client { user: caller.user, form: served.endpoint.form, agent };
    if let Some(era) = Era::of(&head, |host| served.is_own(host)) {
        let document = bytes.clone();
        let call = of_size(bytes.len(), move || Direct::of(era, &document)).await;
        if let Some(call) = call.filter(|call| era.is_repeated(&head.headers, call)) {
            drop(bytes);
            let entered = served.under_way.enter_request(client, call.id.clone());
            let asking = Asking { caller, permit: Ok(permit), correlation_id, surface: Surface::Mcp };
            return served.endpoint.answer(asking, &head.headers, era, call, entered.taken_back()).await;
        }
    }
    let exchange = exchange();
    let (mut request, message) = match exchange::message(head, bytes).await {
        Ok(found) => found,
        Err(fault) => return exchange.refuse(fault).await,
    };
    let told = Told::of(&message);
    request.extensions_mut().insert(told.clone());
    let entered = served.under_way.enter(client, &message);
    // Who takes a request back ends its call. The answer waits until the line has recorded what came of it.
    request.extensions_mut().insert(entered.taken_back());
    exchange.settle(next.run(request).await, &told).await
}
