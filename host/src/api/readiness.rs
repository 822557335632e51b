//! `GET /readyz`: whether a balancer should send calls here. Needs no token, and tells no more than whoever has none may know.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::call::Hub;

/// When a balancer may ask again, in seconds.
const AGAIN: u16 = 1;

/// The answer.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// Why not.
    reasons: Vec<String>,
}

/// 200 when calls should come here, 503 while they should not.
pub(super) async fn readyz(State(hub): State<Arc<Hub>>) -> Response {
    let reasons: Vec<_> = hub.not_ready().iter().map(ToString::to_string).collect();
    let answer = Readiness { ready: reasons.is_empty(), reasons };
    if answer.ready {
        Json(answer).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, AGAIN.to_string())], Json(answer)).into_response()
    }
}
