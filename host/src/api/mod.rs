//! REST: the HTTP surface for programs, and everything about HTTP that MCP shares.

mod access;
mod connections;
mod correlation;
mod discovery;
mod health;
mod openapi;
mod problem;
mod proper;
mod tools;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, Method, Uri, header::CONTENT_ENCODING},
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
pub use discovery::resources;
pub use problem::{Problem, challenge};

use self::{access::Entrance, discovery::Discovery};
use crate::{
    call::{CallError, Hub, InputFault, RequestFault},
    identity::Caller,
    limits::Place,
    mcp::http::refusal,
    names::Surface,
    text::plain,
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
    /// Where the hub listens.
    pub listening: Option<std::net::SocketAddr>,
}

/// Every route of the hub; `mcp` are those of [`crate::mcp::http::routes`].
pub fn router(hub: &Arc<Hub>, address: &PublicAddress, mcp: Router<Arc<Hub>>) -> Router {
    let entrance =
        |surface, refusal| from_fn_with_state(Entrance { hub: Arc::clone(hub), surface, refusal }, access::require);
    let rest = Router::new()
        .route("/providers/{provider}/{tool}", post(tools::call))
        .route("/providers/{provider}/health", get(health::provider).post(tools::call_health))
        .route("/openapi.json", get(openapi::answer).layer(Extension(openapi::Server::of(address))))
        .route_layer(entrance(Surface::Rest, problem::of));
    let mcp = mcp.route_layer(entrance(Surface::Mcp, refusal));
    let discovery = Discovery::of(hub, address.base_url.as_ref());
    let open = Router::new()
        .route("/health", get(health::all))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/.well-known/{*what}", get(discovery::well_known))
        .layer(Extension(Arc::clone(&discovery)));
    open.merge(rest)
        .merge(mcp)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(proper::require))
        .layer(from_fn_with_state(discovery, discovery::point_to_metadata))
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
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: axum::body::Body,
    place: &Place,
) -> Result<bytes::Bytes, InputFault> {
    if is_encoded(headers) {
        discard(body).await;
        return Err(InputFault::Encoded);
    }
    match tokio::time::timeout(BODY_TIME, read_within(body, place)).await {
        Ok(read) => read,
        Err(_) => Err(InputFault::TooSlow(BODY_TIME.as_secs())),
    }
}

/// Whether the body is not what it says it is before something has been undone (RFC 9110 §8.4).
fn is_encoded(headers: &HeaderMap) -> bool {
    let is_identity =
        |coding: &[u8]| coding.trim_ascii().is_empty() || coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|codings| !codings.as_bytes().split(|byte| *byte == b',').all(is_identity))
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
pub(crate) async fn discard(body: axum::body::Body) {
    let mut rest = Limited::new(body, DISCARD_MAX);
    let _ = tokio::time::timeout(DISCARD_TIME, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
}

async fn not_found(
    State(hub): State<Arc<Hub>>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    unmatched(&hub, unknown_path(&uri), &correlation, &headers, &uri).await
}

fn unknown_path(uri: &Uri) -> RequestFault {
    let text = format!("there is nothing at {}: see /openapi.json for what there is", plain::name(uri.path()));
    RequestFault { code: "not_found", status: 404, text }
}

/// The answer where there is nothing, and no operation was meant.
fn nothing_at(uri: &Uri) -> Response {
    problem::of(&unknown_path(uri).into())
}

async fn wrong_method(
    State(hub): State<Arc<Hub>>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
    method: Method,
    uri: Uri,
) -> Response {
    let (path, method) = (plain::name(uri.path()), plain::text(method.as_str(), 32));
    let text = format!("{path} does not answer {method}: see /openapi.json");
    unmatched(&hub, RequestFault { code: "method_not_allowed", status: 405, text }, &correlation, &headers, &uri).await
}

/// Answers what has no route. Below `/providers` somebody meant an operation, which is on record.
async fn unmatched(
    hub: &Arc<Hub>,
    fault: RequestFault,
    correlation: &Correlation,
    headers: &HeaderMap,
    uri: &Uri,
) -> Response {
    if !uri.path().starts_with("/providers/") {
        return problem::of(&fault.into());
    }
    match access::caller(hub, headers, Surface::Rest, correlation).await {
        Ok(caller) => refused(hub, fault, "http_request", Some(&caller), correlation).await,
        Err(unauthenticated) => Refused(unauthenticated).into_response(),
    }
}

/// Records a request that is none, and answers it.
async fn refused(
    hub: &Arc<Hub>,
    fault: RequestFault,
    operation: &'static str,
    caller: Option<&Caller>,
    correlation: &Correlation,
) -> Response {
    Refused(hub.refuse(fault.into(), operation, caller, Surface::Rest, &correlation.0).await).into_response()
}

/// A path whose names are no text.
fn path_malformed() -> RequestFault {
    let text =
        "the path is not UTF-8 once it is percent-decoded (RFC 3986 §2.5): write names as /openapi.json has them";
    RequestFault { code: "path_malformed", status: 400, text: text.to_owned() }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        problem::of(&self.0)
    }
}

/// A refusal on its way to becoming an answer.
pub(crate) struct Refused(pub(crate) CallError);
