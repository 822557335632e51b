//! No route but the open ones is reached without a valid token.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    Correlation,
    connections::{Connection, UnderWay},
};
use crate::{
    call::{CallError, Hub},
    identity::{Caller, IdentityError},
    limits::Permit,
    names::Surface,
    stages::{self, Stage},
};

/// The request's permit under its caller's concurrency limit, or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Admission(pub(crate) Result<Permit, CallError>);

/// A way in: what comes by it, and how it is refused there.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) hub: Arc<Hub>,
    pub(super) surface: Surface,
    pub(super) refusal: fn(&CallError) -> Response,
}

/// Lets a request with a valid token through, with its caller and its permit in the extensions. The permit is held until
/// the answer is taken, so that a client that does not read its answers uses up its own limit and no other.
pub(super) async fn require(
    State(Entrance { hub, surface, refusal }): State<Entrance>,
    Extension(correlation): Extension<Correlation>,
    mut request: Request,
    next: Next,
) -> Response {
    stages::ends(Stage::Route);
    match caller(&hub, request.headers(), surface, &correlation).await {
        Ok(caller) => {
            stages::ends(Stage::Authenticate);
            let permit = hub.acquire(&caller);
            let connection = request.extensions().get::<Arc<Connection>>().cloned();
            let under_way = match &permit {
                Ok(permit) => match UnderWay::new(permit.clone(), connection) {
                    // Nothing has begun, and the connection is ending.
                    None => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
                    under_way => under_way,
                },
                Err(_) => None,
            };
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(Admission(permit));
            let mut response = next.run(request).await;
            if let Some(under_way) = under_way {
                response.extensions_mut().insert(under_way);
            }
            response
        }
        Err(error) => refusal(&error),
    }
}

/// The caller that a request's token names.
pub(crate) async fn caller(
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
