//! `POST /providers/{provider}/{tool}`: the body is the input, the body of a 200 is the output.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use crate::{
    call::{
        Answer, Call, CallError, Document, Hub, Input, Operation, Output, Principal, ProviderOperation, Replay,
        RequestFault, did_you_mean, of_size,
    },
    http::{self, Admission, Correlation, discard, problem, problem_with, read_body},
    identity::Caller,
    limits::Permit,
    names::{Code, ItemKind, OperationKind, Owner, Surface},
    stages::{self, Stage},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Names the audit row of an answer.
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
/// Names the failed call that a request issues again.
const REPLAYS: HeaderName = HeaderName::from_static("x-replays");

pub(super) async fn call(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(permit)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(Path((provider, tool))) = path else {
        return http::refused(&hub, http::path_malformed(), OperationKind::CallTool, Some(&caller), &correlation).await;
    };
    let input = match (&permit, caller.tool_role()) {
        (Ok(permit), Some(_)) => input(&headers, body, permit).await,
        // Nobody will look at it.
        (Ok(_), None) => {
            discard(body).await;
            Ok(Document::empty())
        }
        (Err(_), _) => Ok(Document::empty()),
    };
    let (asker, asked) = (Arc::clone(&caller), format!("{provider:.100}.{tool:.200}"));
    let call = Call {
        principal: Principal::Caller(caller),
        permit,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        operation: Operation::OfProvider {
            owner: Owner::Provider(provider),
            asked: ProviderOperation::CallTool { tool, input, replays: replays(&headers) },
        },
    };
    stages::ends(Stage::Read);
    let answer = hub.call(call).await;
    stages::ends(Stage::Record);
    let mut near = Vec::new();
    if let Err(CallError::UnknownProvider(_) | CallError::UnknownItem { .. }) = &answer.outcome {
        near = hub.near(&asker, ItemKind::Tool, &asked);
    }
    let near: Vec<_> = near.iter().map(|(provider, tool)| format!("/providers/{provider}/{tool}")).collect();
    respond(answer, &near)
}

/// `POST /providers/{provider}/health`: a tool of that name, whose path is also where health is asked for.
pub(super) async fn call_health(
    hub: State<Arc<Hub>>,
    caller: Extension<Arc<Caller>>,
    admission: Extension<Admission>,
    correlation: Extension<Correlation>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let path = path.map(|Path(provider)| Path((provider, "health".to_owned())));
    call(hub, caller, admission, correlation, path, headers, body).await
}

/// The failed call that this one issues again, if it says so.
fn replays(headers: &HeaderMap) -> Option<Result<Replay, RequestFault>> {
    let mut all = headers.get_all(REPLAYS).iter();
    let named = all.next()?.to_str().ok().filter(|_| all.next().is_none()).and_then(|text| text.parse().ok());
    let text = "`X-Replays` is, once, the id of a failed call, and behind that `; again` if it was a scan or write";
    Some(named.ok_or_else(|| RequestFault { code: Code::ParamsInvalid, status: 400, text: text.to_owned() }))
}

/// The input, or what is wrong with it. No body at all is an empty object, for tools that need none.
async fn input(headers: &HeaderMap, body: Body, permit: &Permit) -> Input {
    let bytes = read_body(headers, body, permit).await?;
    if bytes.is_empty() {
        return Ok(Document::empty());
    }
    of_size(bytes.len(), move || Document::read(&bytes)).await
}

/// An answer with the id of its audit row, and what may have been meant where the name is unknown.
pub(super) fn respond(answer: Answer, near: &[String]) -> Response {
    let response = match answer.outcome {
        Ok(Output::Tool { written, .. }) => {
            ([(CONTENT_TYPE, JSON)], String::from(Box::<str>::from(written))).into_response()
        }
        Ok(Output::Health(health)) => axum::Json(health).into_response(),
        // Resources, prompts and lists have no REST form.
        Ok(Output::Resource(_) | Output::Prompt(_) | Output::Offers(_) | Output::Trail(_) | Output::Admin(_)) => {
            problem(&CallError::Internal)
        }
        Err(error) => problem_with(&error, &did_you_mean(near)),
    };
    with_call_id(response, answer.id)
}

/// An answer with the id of its call.
pub(super) fn with_call_id(mut response: Response, id: Uuid) -> Response {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(CALL_ID, id);
    }
    response
}
