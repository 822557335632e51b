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

use super::{Correlation, problem, read_body};
use crate::{
    call::{Answer, Call, Hub, Input, InputFault, Operation, Output, Principal, Surface},
    identity::Caller,
};

/// Names the audit row of an answer.
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");

pub(super) async fn call(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(correlation): Extension<Correlation>,
    Path((provider, tool)): Path<(String, String)>,
    body: Body,
) -> Response {
    let call = Call {
        principal: Principal::Caller(caller),
        surface: Surface::Rest,
        correlation_id: correlation.0,
        provider,
        operation: Operation::CallTool { tool, input: input(body).await },
    };
    let answer = hub.call(call).await;
    respond(&answer)
}

/// The input, or what is wrong with it. No body at all is an empty object, for tools that need none.
async fn input(body: Body) -> Input {
    let bytes = read_body(body).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(&bytes).map_err(|error| InputFault::Malformed(error.to_string()))
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
