//! No route but the open ones is reached without a valid token.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{
    Correlation, PublicAddress, Refused,
    connections::{Connection, UnderWay},
};
use crate::{
    call::{CallError, Hub, Surface},
    identity::{Caller, IdentityError},
    limits::Place,
};

/// The request's place among its caller's calls under way, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Admission(pub(crate) Result<Place, CallError>);

/// Lets a request with a valid token through, with its caller and its place in the extensions. The place is taken until the
/// answer is, so that a client that does not read its answers holds nobody's places but its own.
pub(super) async fn require(
    State((hub, surface)): State<(Arc<Hub>, Surface)>,
    Extension(correlation): Extension<Correlation>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&hub, request.headers(), surface, &correlation).await {
        Ok(caller) => {
            let place = hub.enter(&caller);
            let connection = request.extensions().get::<Arc<Connection>>().cloned();
            let under_way = place.as_ref().ok().map(|place| UnderWay::new(place.clone(), connection));
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(Admission(place));
            let mut response = next.run(request).await;
            if let Some(under_way) = under_way {
                response.extensions_mut().insert(under_way);
            }
            response
        }
        Err(error) => Refused(error).into_response(),
    }
}

/// The caller that a request's token names.
pub(super) async fn caller(
    hub: &Arc<Hub>,
    headers: &HeaderMap,
    surface: Surface,
    correlation: &Correlation,
) -> Result<Arc<Caller>, CallError> {
    hub.authenticate(bearer(headers), surface, &correlation.0).await
}

/// The bearer token (RFC 6750 §2.1). Tokens in a query string, a cookie or a body are not looked at.
fn bearer(headers: &HeaderMap) -> Result<&str, IdentityError> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let shown = all.next().ok_or(IdentityError::Missing)?;
    if all.next().is_some() {
        // Whoever is in front of the hub may have looked at the other one.
        return Err(IdentityError::Malformed("there is more than one Authorization header"));
    }
    let (scheme, token) = shown.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(IdentityError::Missing)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(IdentityError::Missing) }
}

/// Adds to a challenge where its metadata is (RFC 9728 §5.1), as MCP clients expect of a 401.
pub(super) async fn point_to_metadata(
    State(metadata): State<Option<Arc<str>>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(metadata) = metadata
        && let Some(challenge) = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok())
        && let Ok(value) = HeaderValue::from_str(&format!("{challenge}, resource_metadata=\"{metadata}\""))
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// Where the metadata is, if there is any.
pub(super) fn metadata_url(hub: &Hub, address: &PublicAddress) -> Option<Arc<str>> {
    hub.identity().authorization_server()?;
    let url = address.base_url.as_ref()?.join("/.well-known/oauth-protected-resource").ok()?;
    Some(url.as_str().into())
}

/// Protected-resource metadata (RFC 9728), which tells MCP clients where to get a token. Only with a configured public
/// URL: one taken from the `Host` header would be the caller's to choose.
pub(super) fn metadata_routes(hub: &Arc<Hub>, address: &PublicAddress) -> Router<Arc<Hub>> {
    let (Some(base), Some(issuer)) = (&address.base_url, hub.identity().authorization_server()) else {
        return Router::new();
    };
    let document = |path: &str| {
        let resource = base.join(path).map_or_else(|_| base.to_string(), |url| url.to_string());
        json!({
            "resource": resource.trim_end_matches('/'),
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
        })
    };
    let (root, mcp) = (document("/"), document("/mcp"));
    Router::new()
        .route("/.well-known/oauth-protected-resource", get(|| async { Json(root) }))
        .route("/.well-known/oauth-protected-resource/mcp", get(|| async { Json(mcp) }))
}
