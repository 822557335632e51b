//! Where REST answers.

use std::sync::Arc;

use axum::{
    Extension, Router,
    routing::{get, post},
};

use super::{admin, health, openapi, readiness, stream, tools, trail};
use crate::{
    call::Hub,
    http::{PublicAddress, Routes, problem},
    names::Surface,
};

/// The routes that need a token.
#[must_use]
pub fn routes(address: &PublicAddress) -> Routes {
    let routes = Router::new()
        .route("/providers/{provider}/{tool}", post(tools::call))
        .route("/providers/{provider}/health", get(health::provider).post(tools::call_health))
        .route("/audit/events", get(trail::list))
        .route("/audit/events/{id}", get(trail::show))
        .route("/audit/export", get(trail::export))
        .route("/audit/stream", get(stream::stream))
        .route("/audit/usage", get(trail::usage))
        .route("/admin/providers", get(admin::providers))
        .route("/admin/providers/{provider}/disable", post(admin::disable))
        .route("/admin/providers/{provider}/enable", post(admin::enable))
        .route("/admin/providers/{provider}/rollback", post(admin::roll_back))
        .route("/admin/reload", post(admin::reload))
        .route("/openapi.json", get(openapi::answer).layer(Extension(openapi::Server::of(address))));
    Routes { surface: Surface::Rest, routes, refusal: problem }
}

/// Those that need none.
pub fn open(address: &PublicAddress) -> Router<Arc<Hub>> {
    Router::new()
        .route("/health", get(health::all).layer(Extension(address.tls.clone())))
        .route("/readyz", get(readiness::readyz))
}
