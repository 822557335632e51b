//! Requests over `wasi:http`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_sdk::prelude::*;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasip2::io::streams::StreamError;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Get {
    /// Where to.
    url: String,
    /// A secret to send as `Authorization: Bearer`.
    secret: Option<String>,
    /// With a secret, send Basic credentials of this user instead.
    basic_user: Option<String>,
    /// Further headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Send {
    /// The method, such as "POST".
    method: String,
    /// Where to.
    url: String,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body; `{reference:NAME}` in it stands for a reference to that secret.
    #[serde(default)]
    body: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The status.
    status: u16,
    /// The body as text.
    body: String,
    /// The header `x-echo`.
    echo: Option<String>,
    /// The header `location`.
    location: Option<String>,
    /// The header `x-echo` backwards: what the provider saw, in a form that nothing takes out.
    ohce: Option<String>,
}

pub(crate) fn get(cx: &Context, input: Get) -> Result<Answer, CallError> {
    let mut headers = input.headers;
    if let Some(secret) = &input.secret {
        let reference = cx.secret_reference(secret)?;
        let value = match input.basic_user {
            Some(user) => format!("Basic {}", STANDARD.encode(format!("{user}:{reference}"))),
            None => format!("Bearer {reference}"),
        };
        headers.insert("authorization".to_owned(), value);
    }
    exchange(&Method::Get, &input.url, &headers, b"")
}

pub(crate) fn send(cx: &Context, input: Send) -> Result<Answer, CallError> {
    let method = match input.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    };
    let body =
        match input.body.split_once("{reference:").and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
            Some((before, (name, after))) => format!("{before}{}{after}", cx.secret_reference(name)?),
            None => input.body,
        };
    exchange(&method, &input.url, &input.headers, body.as_bytes())
}

fn exchange(method: &Method, url: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Answer, CallError> {
    let (request, out) = request(method, url, headers)?;
    let pending = outgoing_handler::handle(request, None).map_err(told)?;
    write(&out, body)?;
    OutgoingBody::finish(out, None).map_err(told)?;
    let response = wait(&pending)?;
    let header = |name: &str| {
        response.headers().get(name).into_iter().next().map(|value| String::from_utf8_lossy(&value).into_owned())
    };
    Ok(Answer {
        status: response.status(),
        echo: header("x-echo"),
        location: header("location"),
        ohce: header("x-echo").map(|echo| echo.chars().rev().collect()),
        body: String::from_utf8_lossy(&read(&response)?).into_owned(),
    })
}

/// Splits a URL as a careless HTTP library might: what it makes of a strange one is for the gate to judge.
pub(crate) fn request(
    method: &Method,
    url: &str,
    headers: &BTreeMap<String, String>,
) -> Result<(OutgoingRequest, OutgoingBody), CallError> {
    let invalid = |what: &str| upstream(&format!("invalid-request: {what}"));
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|error| invalid(&format!("header: {error:?}")))?;
    }
    let request = OutgoingRequest::new(fields);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid("no scheme"))?;
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => Scheme::Other(scheme.to_owned()),
    };
    let path = path.split('#').next().unwrap_or_default();
    request.set_method(method).map_err(|()| invalid("method"))?;
    request.set_scheme(Some(&scheme)).map_err(|()| invalid("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| invalid("authority"))?;
    request.set_path_with_query(Some(path)).map_err(|()| invalid("path"))?;
    let body = request.body().map_err(|()| invalid("body"))?;
    Ok((request, body))
}

pub(crate) fn write(body: &OutgoingBody, mut bytes: &[u8]) -> Result<(), CallError> {
    let stream = body.write().map_err(|()| upstream("no stream"))?;
    while !bytes.is_empty() {
        let now = bytes.len().min(4096);
        stream
            .blocking_write_and_flush(&bytes[..now])
            .map_err(|error| upstream(&format!("invalid-request: body: {error:?}")))?;
        bytes = &bytes[now..];
    }
    Ok(())
}

pub(crate) fn wait(pending: &FutureIncomingResponse) -> Result<IncomingResponse, CallError> {
    loop {
        match pending.get() {
            Some(Ok(answer)) => return answer.map_err(told),
            Some(Err(())) => return Err(upstream("the answer was taken before")),
            None => pending.subscribe().block(),
        }
    }
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, CallError> {
    let body: IncomingBody = response.consume().map_err(|()| upstream("the body was taken before"))?;
    let stream = body.stream().map_err(|()| upstream("the body was taken before"))?;
    let mut read = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => read.extend(bytes),
            Err(StreamError::Closed) => return Ok(read),
            Err(error) => return Err(upstream(&format!("body: {error:?}"))),
        }
    }
}

fn upstream(what: &str) -> CallError {
    CallError::upstream_unreachable(what.to_owned())
}

/// The contract's word for what `wasi:http` calls otherwise.
pub(crate) fn told(error: ErrorCode) -> CallError {
    let word = match &error {
        ErrorCode::HttpRequestDenied => "denied-host",
        ErrorCode::DestinationIpProhibited => "denied-address",
        ErrorCode::DnsError(_) => "dns",
        ErrorCode::DestinationUnavailable => "connection",
        ErrorCode::TlsProtocolError => "tls",
        ErrorCode::ConnectionReadTimeout => "timeout",
        ErrorCode::HttpResponseBodySize(_) | ErrorCode::HttpRequestBodySize(_) => "too-large",
        _ => "invalid-request",
    };
    upstream(&format!("{word}: {error:?}"))
}
