//! One request to an MCP endpoint and its answer: what HTTP asks of it, what the protocol asks of it, and that whatever is
//! refused is on record and told in JSON-RPC's terms, whoever refuses it.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
        },
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ErrorCode, GetMeta, ProtocolVersion, RequestId},
};
use serde_json::{Map, Value, json};

use super::{
    answers,
    message::{self, Fault, INVALID_REQUEST, METHOD_NOT_FOUND, Read},
    param_headers,
    told::Told,
};
use crate::{
    call::{CallError, Hub, InputFault, Misaddress, RequestFault, of_size},
    http::{challenge, read_body},
    identity::Caller,
    limits::Permit,
    names::{Code, CorrelationId, OperationKind, Surface},
    text::{plain, whole_seconds},
};

/// What rmcp wants to read of every client. The hub answers in JSON alone.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// The version of the protocol that a request speaks.
pub(super) const VERSION: &str = "mcp-protocol-version";
/// The largest answer that no handler of the hub's made, in bytes: what it can do, or an error.
const OWN_MAX: usize = 1024 * 1024;

/// Who asks, and by what name and from which page, as they can be repeated.
pub(super) struct Exchange {
    hub: Arc<Hub>,
    caller: Arc<Caller>,
    correlation_id: CorrelationId,
    host: String,
    origin: Option<String>,
    is_modern: bool,
}

/// The document that a request has sent.
pub(super) async fn document(head: &Parts, body: Body, permit: &Permit) -> Result<Bytes, Fault> {
    if head.method != Method::POST {
        let text = "send each message with POST: there are no streams and no sessions";
        return Err(Fault::new(INVALID_REQUEST, Code::MethodNotAllowed, 405, text, None));
    }
    let read = read_body(&head.headers, body, permit).await;
    read.map_err(|fault| Fault::with(INVALID_REQUEST, fault.into(), None))
}

/// The message that a document is, and the request as rmcp takes it.
pub(super) async fn message(mut parts: Parts, bytes: Bytes) -> Result<(Request, ClientJsonRpcMessage), Fault> {
    let refused = |code, status, text: &str, id| Err(Fault::new(INVALID_REQUEST, code, status, text, id));
    let document = bytes.clone();
    let Read { message, refused: input } = of_size(bytes.len(), move || message::read(&document)).await?;
    let id = id_of(&message);
    if let Some(name) = ONCE.iter().find(|name| differ(&parts.headers, name)) {
        let text = format!("the header `{name}` is repeated with different values: send it once");
        return refused(Code::HeaderRepeated, 400, &text, id);
    }
    if !takes_json(&parts.headers) {
        return refused(Code::NotAcceptable, 406, "answers are application/json: `Accept` it, or send no `Accept`", id);
    }
    if !is_json(&parts.headers) {
        return refused(Code::MediaTypeUnsupported, 415, "a message is application/json: say so in `Content-Type`", id);
    }
    check_version(&parts.headers, &message)?;
    parts.headers.insert(ACCEPT, BOTH);
    let body = match input {
        Some((input, rest)) => {
            parts.extensions.insert(input);
            Body::from(rest)
        }
        None => Body::from(bytes),
    };
    Ok((Request::from_parts(parts, body), message))
}

fn id_of(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
        _ => None,
    }
}

/// Headers of which rmcp reads the first: somebody in between may go by another.
pub(super) const ONCE: [&str; 6] = [VERSION, "content-type", "mcp-method", "mcp-name", "host", "origin"];

/// Whether a header is there more than once with different values.
fn differ(headers: &HeaderMap, name: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.next().is_some_and(|first| values.any(|other| other != first))
}

/// Has a request go by the authority of its target, if that has one, and not by its `Host` (RFC 9112 §3.2.2, RFC 9113 §8.3.1):
/// it is what the address that is allowed is held against, and what the refusal names.
pub(super) fn go_by_target(request: &mut Request) {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(authority)) = authority {
        request.headers_mut().insert(HOST, authority);
    }
}

/// A caller without a permit hears it before its message is read.
pub(super) fn no_place(error: CallError) -> Fault {
    Fault::with(INVALID_REQUEST, error, None)
}

/// Whether a client takes JSON (RFC 9110 §12.5.1). One that says nothing takes anything.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let takes = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let json = ["application/json", "application/*", "*/*"].iter().any(|one| kind.eq_ignore_ascii_case(one));
        let zero = |weight: &str| weight.trim().parse::<f32>().is_ok_and(|weight| weight == 0.0);
        let refused = |part: &str| {
            part.split_once('=').is_some_and(|(name, weight)| name.trim().eq_ignore_ascii_case("q") && zero(weight))
        };
        json && !parts.any(refused)
    };
    !headers.contains_key(ACCEPT) || ranges.any(takes)
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// A version that nobody knows, where the message does not name one itself: rmcp says that in plain text.
fn check_version(headers: &HeaderMap, message: &ClientJsonRpcMessage) -> Result<(), Fault> {
    let Some(header) = headers.get(VERSION) else { return Ok(()) };
    let named = match message {
        ClientJsonRpcMessage::Request(request) => request.request.get_meta().protocol_version().is_some(),
        _ => false,
    };
    let known = header
        .to_str()
        .is_ok_and(|header| named || ProtocolVersion::KNOWN_VERSIONS.iter().any(|version| version.as_str() == header));
    if known {
        return Ok(());
    }
    let versions: Vec<_> = ProtocolVersion::KNOWN_VERSIONS.iter().map(ProtocolVersion::as_str).collect();
    let text = format!("unsupported protocol version in `MCP-Protocol-Version`: use one of {}", versions.join(", "));
    let code = ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0;
    let mut fault = Fault::new(code, Code::VersionUnsupported, 400, &text, id_of(message));
    let requested = plain::name(&String::from_utf8_lossy(header.as_bytes()));
    fault.data.extend([("supported".to_owned(), json!(versions)), ("requested".to_owned(), json!(requested))]);
    Err(fault)
}

/// Whether a request's head says that it is of the era in which a method that there is not is 404.
fn is_modern(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION).and_then(|value| value.to_str().ok());
    version.is_some_and(|version| version >= param_headers::SINCE)
}

impl Exchange {
    pub(super) fn new(hub: Arc<Hub>, caller: Arc<Caller>, correlation_id: CorrelationId, headers: &HeaderMap) -> Self {
        let named = |name: HeaderName| {
            let value = headers.get(name)?;
            Some(plain::name(&String::from_utf8_lossy(value.as_bytes())))
        };
        let (host, is_modern) = (named(HOST).unwrap_or_default(), is_modern(headers));
        Self { hub, caller, correlation_id, host, origin: named(ORIGIN), is_modern }
    }

    /// Records a refusal and answers it.
    pub(super) async fn refuse(&self, fault: Fault) -> Response {
        let Fault { code, error, id, data } = fault;
        let refused = self.record(error).await;
        let mut response = answer(code, id.as_ref(), &refused, *data);
        if code == METHOD_NOT_FOUND && !self.is_modern && matches!(refused, CallError::Request(_)) {
            // As rmcp answers those whose name it gets to see; clients of the legacy era take a 404 for the end of a session.
            *response.status_mut() = StatusCode::OK;
        }
        response
    }

    async fn record(&self, error: CallError) -> CallError {
        self.hub.refuse(error, OperationKind::McpMessage, Some(&self.caller), Surface::Mcp, &self.correlation_id).await
    }

    /// The answer as it goes out. What a handler of the hub's has answered is on record; whatever else refused the request
    /// did so by itself, and is recorded and told here.
    pub(super) async fn settle(&self, response: Response, told: &Told) -> Response {
        if told.is_answered() || is(&response, "text/event-stream") {
            return response;
        }
        let (json, status) = (is(&response, "application/json"), response.status());
        let (parts, body) = response.into_parts();
        let Ok(bytes) = to_bytes(body, OWN_MAX).await else {
            return self.refuse(no_place(CallError::Internal)).await;
        };
        if !json && status == StatusCode::FORBIDDEN {
            // rmcp looks at the host first and says which of the two it was; only its text tells.
            let misaddress = match &self.origin {
                Some(origin) if memchr::memmem::find(&bytes, b"Origin").is_some() => Misaddress::Origin(origin.clone()),
                _ => Misaddress::Host(self.host.clone()),
            };
            return self.refuse(Fault::with(0, misaddress.into(), told.id().cloned())).await;
        }
        let error = if json {
            serde_json::from_slice::<Value>(&bytes)
                .ok()
                .and_then(|answer| serde_json::from_value(answer["error"].clone()).ok())
        } else if status.is_client_error() || status.is_server_error() {
            Some(ErrorData::new(ErrorCode(INVALID_REQUEST), String::from_utf8_lossy(&bytes).into_owned(), None))
        } else {
            None
        };
        let Some(error) = error else { return Response::from_parts(parts, Body::from(bytes)) };
        let fault = own_refusal(&error, status);
        let refused = self.record(fault.into()).await;
        if !matches!(refused, CallError::Request(_)) {
            return answer(error.code.0, told.id(), &refused, Map::new());
        }
        let error = bounded(error, &refused);
        let mut response = (status, Json(json!({ "jsonrpc": "2.0", "id": told.id(), "error": error }))).into_response();
        for (name, value) in &parts.headers {
            if name != CONTENT_TYPE && name != CONTENT_LENGTH {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

fn is(response: &Response, kind: &str) -> bool {
    let found = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    found.is_some_and(|found| found.starts_with(kind))
}

/// What rmcp refused, as the audit trail keeps it.
pub(super) fn own_refusal(error: &ErrorData, status: StatusCode) -> RequestFault {
    let code = match error.code {
        ErrorCode::METHOD_NOT_FOUND => Code::MethodUnknown,
        ErrorCode::INVALID_PARAMS => Code::ParamsInvalid,
        ErrorCode::HEADER_MISMATCH => Code::HeaderMismatch,
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => Code::VersionUnsupported,
        ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY => Code::CapabilityMissing,
        _ => Code::MessageRefused,
    };
    let text = match error.code {
        // It says nothing but the name.
        ErrorCode::METHOD_NOT_FOUND => message::no_method(&error.message),
        _ if error.message.trim().is_empty() => "this server does not handle such a message".to_owned(),
        _ => plain::text(&error.message, message::TEXT_MAX),
    };
    RequestFault { code, status: status.as_u16(), text }
}

/// The error of rmcp's with the hub's code, text and next step, that repeats no more of what the client sent than can be shown.
pub(super) fn bounded(mut error: ErrorData, refused: &CallError) -> ErrorData {
    error.message = refused.told().into();
    let mut data = error.data.filter(|data| data.is_object() && data.to_string().len() <= 2 * message::TEXT_MAX);
    let data = data.get_or_insert_with(|| json!({}));
    if let (Value::Object(data), Value::Object(facts)) = (&mut *data, answers::data(refused, None)) {
        data.extend(facts);
    }
    error.data = Some(data.take());
    error
}

/// A refusal in JSON-RPC's terms and HTTP's.
pub(super) fn answer(code: i32, id: Option<&RequestId>, refused: &CallError, extra: Map<String, Value>) -> Response {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, Json(message::error(code, id, refused, extra))).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE && matches!(refused, CallError::Input(_)) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Some(after) = refused.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after).max(1)));
    }
    if let Some(challenge) = challenge(refused) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

impl From<InputFault> for Fault {
    fn from(fault: InputFault) -> Self {
        Self::of(fault)
    }
}
