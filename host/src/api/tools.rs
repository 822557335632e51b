//! `POST /providers/{provider}/{tool}`: the body is the input, the body of a 200 is the output.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::{Admission, Correlation, problem, read_body};
use crate::{
    call::{Answer, Call, Hub, Input, Operation, Output, Principal, Surface, json},
    identity::Caller,
    limits::Place,
};

/// Names the audit row of an answer.
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");

pub(super) async fn call(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(place)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
    Path((provider, tool)): Path<(String, String)>,
    body: Body,
) -> Response {
    let input = match &place {
        Ok(place) => input(body, place).await,
        // Nobody will look at it.
        Err(_) => Ok(Value::Null),
    };
    let call = Call {
        principal: Principal::Caller(caller),
        place,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        provider,
        operation: Operation::CallTool { tool, input },
    };
    let answer = hub.call(call).await;
    respond(&answer)
}

/// The input, or what is wrong with it. No body at all is an empty object, for tools that need none.
async fn input(body: Body, place: &Place) -> Input {
    let bytes = read_body(body, place).await?;
    if bytes.is_empty() { Ok(Value::Object(Map::new())) } else { json::parse(&bytes) }
}

/// An answer with the id of its audit row.
pub(super) fn respond(answer: &Answer) -> Response {
    let mut response = match &answer.outcome {
        Ok(Output::Tool { value, .. }) => axum::Json(value).into_response(),
        Ok(Output::Health(health)) => axum::Json(health).into_response(),
        // Resources and prompts have no REST form.
        Ok(Output::Resource(_) | Output::Prompt(_)) => problem::of(&crate::call::CallError::Internal),
        Err(error) => problem::of(error),
    };
    if let Ok(id) = HeaderValue::from_str(&answer.id.to_string()) {
        response.headers_mut().insert(CALL_ID, id);
    }
    response
}
