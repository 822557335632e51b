//! Requests that lead nowhere (404, 405), and those that are none.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};

use super::{access, correlation::Correlation, problem};
use crate::{
    call::{CallError, Hub, RequestFault},
    identity::Caller,
    names::{Code, OperationKind, Surface},
    text::plain,
};

pub(super) async fn not_found(
    State(hub): State<Arc<Hub>>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    unmatched(&hub, unknown_path(&uri), &correlation, &headers, &uri).await
}

fn unknown_path(uri: &Uri) -> RequestFault {
    let text = format!("there is nothing at {}: see /openapi.json for what there is", plain::name(uri.path()));
    RequestFault { code: Code::NotFound, status: 404, text }
}

/// The answer where there is nothing, and no operation was meant.
pub(super) fn nothing_at(uri: &Uri) -> Response {
    problem::of(&unknown_path(uri).into())
}

pub(super) async fn wrong_method(
    State(hub): State<Arc<Hub>>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
    method: Method,
    uri: Uri,
) -> Response {
    let (path, method) = (plain::name(uri.path()), plain::text(method.as_str(), 32));
    let text = format!("{path} does not answer {method}: see /openapi.json");
    unmatched(&hub, RequestFault { code: Code::MethodNotAllowed, status: 405, text }, &correlation, &headers, &uri)
        .await
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
        Ok(caller) => refused(hub, fault, OperationKind::HttpRequest, Some(&caller), correlation).await,
        Err(unauthenticated) => Refused(unauthenticated).into_response(),
    }
}

/// Records a request that is none, and answers it.
pub(crate) async fn refused(
    hub: &Arc<Hub>,
    fault: RequestFault,
    operation: OperationKind,
    caller: Option<&Caller>,
    correlation: &Correlation,
) -> Response {
    Refused(hub.refuse(fault.into(), operation, caller, Surface::Rest, &correlation.0).await).into_response()
}

/// A path whose names are no text.
pub(crate) fn path_malformed() -> RequestFault {
    let text =
        "the path is not UTF-8 once it is percent-decoded (RFC 3986 §2.5): write names as /openapi.json has them";
    RequestFault { code: Code::PathMalformed, status: 400, text: text.to_owned() }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        problem::of(&self.0)
    }
}

/// A refusal on its way to becoming an answer.
pub(crate) struct Refused(pub(crate) CallError);
