//! `X-Correlation-Id`: accepted, or made, and on every answer.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::names::CorrelationId;

/// The header's name.
pub(super) const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// The request's correlation id, in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Correlation(pub(crate) CorrelationId);

pub(super) async fn carry(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(CORRELATION).and_then(|value| value.to_str().ok());
    let id = CorrelationId::accept(given);
    let header = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(Correlation(id));
    let mut response = next.run(request).await;
    if let Ok(header) = header {
        response.headers_mut().insert(CORRELATION, header);
    }
    response
}
