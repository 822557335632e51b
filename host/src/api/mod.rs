//! REST: the HTTP surface for programs, and everything about HTTP that MCP shares.

mod access;
mod connections;
mod correlation;
mod health;
mod openapi;
mod problem;
mod proper;
mod tools;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::BytesMut;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use access::Admission;
pub use connections::CONNECTIONS;
pub(crate) use correlation::Correlation;
pub use problem::{Problem, challenge};

use crate::{
    call::{CallError, Hub, InputFault, Surface},
    limits::Place,
};

/// The largest request body, in bytes (A4).
pub const BODY_MAX: usize = 10 * 1024 * 1024;
/// How much more of a body that is too large is read and thrown away, in bytes.
const DISCARD_MAX: usize = 64 * 1024 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// How long a request body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);

/// What the HTTP surface is told about where it is reachable.
#[derive(Debug, Clone, Default)]
pub struct PublicAddress {
    /// The URL that callers dial, such as `https://hub.example.org`; needed behind a proxy.
    pub base_url: Option<url::Url>,
}

/// Every route of the hub; `mcp` are those of [`crate::mcp::http::routes`].
pub fn router(hub: &Arc<Hub>, address: &PublicAddress, mcp: Router<Arc<Hub>>) -> Router {
    let rest = Router::new()
        .route("/providers/{provider}/{tool}", post(tools::call))
        .route("/providers/{provider}/health", get(health::provider))
        .route("/openapi.json", get(openapi::answer))
        .route_layer(from_fn_with_state((Arc::clone(hub), Surface::Rest), access::require));
    let mcp = mcp.route_layer(from_fn_with_state((Arc::clone(hub), Surface::Mcp), access::require));
    let open = Router::new()
        .route("/health", get(health::all))
        .route("/livez", get(|| async { "alive\n" }))
        .merge(access::metadata_routes(hub, address));
    open.merge(rest)
        .merge(mcp)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(proper::require))
        .layer(from_fn_with_state(access::metadata_url(hub, address), access::point_to_metadata))
        .layer(from_fn(correlation::carry))
        .with_state(Arc::clone(hub))
}

/// Serves at most `connections` at once until `end` is cancelled, then lets calls under way finish and waits until they are
/// recorded.
pub async fn serve(hub: Arc<Hub>, listener: TcpListener, app: Router, connections: u32, end: CancellationToken) {
    connections::serve(listener, app, connections, end).await;
    hub.drain().await;
}

/// Reads a request's body within the limits on size and time, and counts it against the caller's place.
pub(crate) async fn read_body(body: axum::body::Body, place: &Place) -> Result<bytes::Bytes, InputFault> {
    match tokio::time::timeout(BODY_TIME, read_within(body, place)).await {
        Ok(read) => read,
        Err(_) => Err(InputFault::TooSlow(BODY_TIME.as_secs())),
    }
}

async fn read_within(mut body: axum::body::Body, place: &Place) -> Result<bytes::Bytes, InputFault> {
    let mut limited = Limited::new(&mut body, BODY_MAX);
    let mut read = BytesMut::new();
    while let Some(frame) = limited.frame().await {
        match frame {
            // Trailers say nothing to us.
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    place.hold(data.len())?;
                    read.extend_from_slice(&data);
                }
            }
            Err(error) if error.is::<LengthLimitError>() => {
                discard(body).await;
                return Err(InputFault::TooLarge(BODY_MAX));
            }
            Err(_) => return Err(InputFault::Malformed("the body broke off".to_owned())),
        }
    }
    Ok(read.freeze())
}

/// Reads on for a moment: a client that is still sending when the connection closes sees a reset and no answer.
async fn discard(body: axum::body::Body) {
    let mut rest = Limited::new(body, DISCARD_MAX);
    let _ = tokio::time::timeout(DISCARD_TIME, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
}

async fn not_found(uri: Uri) -> Response {
    let detail = format!("there is nothing at {}: see /openapi.json for what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail).into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not answer {method}: see /openapi.json", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail).into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        problem::of(&self.0)
    }
}

/// A refusal on its way to becoming an answer.
pub(crate) struct Refused(pub(crate) CallError);
