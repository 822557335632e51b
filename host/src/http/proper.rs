//! Requests that are HTTP, and yet not as anybody means them: refused before anything else looks at them.

use axum::{
    extract::Request,
    http::{StatusCode, Version, header::HOST},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{connections::HEADERS_MAX, problem::Problem};
use crate::names::Code;

/// The longest target of a request, in bytes.
const TARGET_MAX: usize = 8 * 1024;

/// Lets a request through that names one host and has a target of bearable length and bearably many headers.
pub(super) async fn require(request: Request, next: Next) -> Response {
    match fault(&request) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    }
}

fn fault(request: &Request) -> Option<Problem> {
    let target = request.uri();
    let query = target.query().map_or(0, |query| query.len() + 1);
    if target.path().len() + query > TARGET_MAX {
        let detail = format!("the request's target is longer than {TARGET_MAX} bytes: send what is long as the body");
        return Some(Problem::new(StatusCode::URI_TOO_LONG, Code::TargetTooLong, "Target too long", detail));
    }
    let headers = request.headers().len();
    if headers > HEADERS_MAX {
        let (status, detail) = (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request has {headers} headers: send at most {HEADERS_MAX}"),
        );
        return Some(Problem::new(status, Code::TooManyHeaders, "Too many headers", detail));
    }
    let hosts = request.headers().get_all(HOST).iter().count();
    // RFC 9112 §3.2. HTTP/2 has `:authority` for it, and HTTP/1.0 none.
    let needed = usize::from(request.version() == Version::HTTP_11);
    if hosts > 1 || hosts < needed {
        let detail = format!("a request has one Host header, this has {hosts}: send one");
        return Some(Problem::new(StatusCode::BAD_REQUEST, Code::HostMalformed, "Not one host", detail));
    }
    None
}
