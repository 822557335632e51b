//! Every route of the hub behind one entrance.

use std::sync::Arc;

use super::{
    access::{self, Entrance},
    connections::{self, Ending, Entry},
    correlation,
    discovery::{self, Discovery},
    nowhere, proper,
};
use crate::{
    call::{CallError, Hub},
    names::Surface,
    tls::Tls,
};
use axum::{
    Extension, Router,
    http::{HeaderValue, header::STRICT_TRANSPORT_SECURITY},
    middleware::{from_fn, from_fn_with_state, map_response},
    response::Response,
    routing::get,
};

/// What clients are told that came by TLS (RFC 6797): for a year, this host, and no name below it, which may be another's.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What the HTTP surface is told about where and how it is reachable.
#[derive(Debug, Clone, Default)]
pub struct PublicAddress {
    /// The URL that callers use, such as `https://hub.example.org`; needed behind a proxy.
    pub base_url: Option<url::Url>,
    /// Where the hub listens.
    pub listening: Option<std::net::SocketAddr>,
    /// TLS, where the hub itself ends it.
    pub tls: Option<Arc<Tls>>,
}

impl PublicAddress {
    /// How URLs of the address that the hub listens on begin.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// The routes of one surface, and how it words a refusal. None of them is reached without a valid token.
#[derive(Debug)]
pub struct Routes {
    /// Which surface.
    pub surface: Surface,
    /// Its routes.
    pub routes: Router<Arc<Hub>>,
    /// A refusal in its words.
    pub refusal: fn(&CallError) -> Response,
}

/// Every route of the hub: those of each surface behind the entrance, and `open` ones, which need no token.
pub fn router(
    hub: &Arc<Hub>,
    address: &PublicAddress,
    surfaces: impl IntoIterator<Item = Routes>,
    open: Router<Arc<Hub>>,
) -> Router {
    let discovery = Discovery::of(hub, address.base_url.as_ref());
    let open = open
        .route("/livez", get(|| async { "alive\n" }))
        .route("/.well-known/{*what}", get(discovery::well_known))
        .layer(Extension(Arc::clone(&discovery)));
    let behind_the_entrance = |Routes { surface, routes, refusal }: Routes| {
        let entrance = Entrance { hub: Arc::clone(hub), surface, refusal };
        routes.route_layer(from_fn_with_state(entrance, access::require))
    };
    let all = surfaces.into_iter().map(behind_the_entrance).fold(open, Router::merge);
    all.fallback(nowhere::not_found)
        .method_not_allowed_fallback(nowhere::wrong_method)
        .layer(from_fn(proper::require))
        .layer(from_fn_with_state(discovery, discovery::point_to_metadata))
        .layer(from_fn(correlation::carry))
        .with_state(Arc::clone(hub))
}

/// Serves until it is to end, then lets calls under way finish and waits until they are recorded.
pub async fn serve(hub: Arc<Hub>, entry: Entry, app: Router, ending: Ending) {
    let app = if entry.tls.is_some() { app.layer(map_response(strictly)) } else { app };
    connections::serve(entry, app, ending).await;
    hub.drain().await;
}

async fn strictly(mut response: Response) -> Response {
    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
    response
}
