//! The common case: a call of a tool over HTTP about which there is nothing for the library to decide. It is read once and
//! its answer written once; the library's reading, tasks and channels cost almost as much again as everything else.
//!
//! Whatever is out of the ordinary goes the long way: what is taken here is what the library takes, and is answered as the
//! library would answer it (see `reading` in `properties.rs`, and the suite `mcp`).

use axum::{
    http::{
        HeaderMap, Method, StatusCode,
        header::{CONTENT_TYPE, HOST, HeaderValue, ORIGIN},
        request::Parts,
    },
    response::{IntoResponse as _, Response},
};
use rmcp::model::{
    ContentBlock, ErrorCode, JsonRpcError, JsonRpcResponse, JsonRpcVersion2_0, MetaObject, ProtocolVersion, RequestId,
    RequestMetaObject,
};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    answers::{self, Asked},
    exchange::{self, ONCE, VERSION, is_json, takes_json},
    param_headers::SINCE,
    request_id::proper_id,
};
use crate::{
    call::{Answer, CallError, Document, Output, of_size, size_of},
    json,
};

/// The method of what is taken here.
const METHOD: &str = "tools/call";
/// How a name begins that a header holds in Base64.
const ENCODED: &str = "=?";

/// Which form of the protocol a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Before 2026-07-28.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) id: RequestId,
    pub(super) name: String,
    pub(super) input: Document,
}

impl Era {
    /// The era of a request whose head has nothing out of the ordinary.
    pub(super) fn of(head: &Parts, is_own_host: impl Fn(&str) -> bool) -> Option<Self> {
        let headers = &head.headers;
        let plain = head.method == Method::POST
            && !headers.contains_key(ORIGIN)
            && ONCE.iter().all(|name| headers.get_all(*name).iter().nth(1).is_none())
            && headers
                .get(HOST)
                .and_then(|host| host.to_str().ok())
                .is_some_and(|host| is_own_host(without_port(host)))
            && takes_json(headers)
            && is_json(headers);
        if !plain {
            return None;
        }
        match headers.get(VERSION).map(|version| version.to_str().unwrap_or_default()) {
            None => Some(Self::Legacy),
            Some(SINCE) => Some(Self::Modern),
            Some(version) if version < SINCE => {
                let known = ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| known.as_str() == version);
                known.then_some(Self::Legacy)
            }
            Some(_) => None,
        }
    }

    /// Whether the headers in which a modern request repeats parts of its message say the same.
    pub(super) fn is_repeated(self, headers: &HeaderMap, call: &Direct) -> bool {
        let says = |header: &str, value: &str| {
            headers.get(header).and_then(|told| told.to_str().ok()).is_some_and(|told| told == value)
        };
        self == Self::Legacy
            || says("mcp-method", METHOD) && says("mcp-name", &call.name) && !call.name.starts_with(ENCODED)
    }

    /// Whether what a message says of itself is what this era asks for; nothing if it says nothing that can be read.
    fn is_of(self, meta: Option<Value>) -> Option<bool> {
        let meta = match meta {
            None => RequestMetaObject::default(),
            Some(meta @ Value::Object(_)) => serde_json::from_value(meta).ok()?,
            Some(_) => return None,
        };
        let version = meta.protocol_version();
        Some(match self {
            Self::Legacy => version.is_none(),
            Self::Modern => {
                version == Some(ProtocolVersion::V_2026_07_28)
                    && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
            }
        })
    }
}

fn without_port(host: &str) -> &str {
    // An address of IPv6 stands in brackets (RFC 3986 §3.2.2).
    let is_name = |name: &str| !name.contains(':') || name.ends_with(']');
    match host.rsplit_once(':') {
        Some((name, port)) if is_name(name) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            name
        }
        _ => host,
    }
}

impl Direct {
    /// The call that a document is, if nothing about it is out of the ordinary. Blocking, as [`json::parse`].
    pub(super) fn of(era: Era, document: &[u8]) -> Option<Self> {
        let Value::Object(mut message) = json::parse(document).ok()? else { return None };
        let (id, params) = (message.remove("id")?, message.remove("params")?);
        let is_call = message.len() == 2
            && message.get("jsonrpc").is_some_and(|version| version == "2.0")
            && message.get("method").is_some_and(|method| method == METHOD);
        let Value::Object(mut params) = params else { return None };
        let (name, arguments) = (params.remove("name")?, params.remove("arguments"));
        let meta = params.remove("_meta");
        if !is_call || !params.is_empty() || !era.is_of(meta)? {
            return None;
        }
        let Value::String(name) = name else { return None };
        let input = match arguments {
            None => Document::empty(),
            Some(Value::Object(arguments)) => Document::of(arguments),
            Some(_) => return None,
        };
        Some(Self { id: proper_id(id)?, name, input })
    }
}

/// A result as the library writes it, with an output that is written already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    content: Vec<ContentBlock>,
    structured_content: &'a RawValue,
    is_error: bool,
    #[serde(rename = "_meta")]
    meta: Option<MetaObject>,
}

/// The answer to a call, as the library gives it.
pub(super) async fn answered(id: RequestId, era: Era, asked: &Asked<'_>, answer: Answer) -> Response {
    let (jsonrpc, call) = (JsonRpcVersion2_0, answer.id);
    let body = match answer.outcome {
        Ok(Output::Tool { written, content, .. }) => {
            let size = written.get().len() + content.iter().map(size_of).sum::<usize>();
            let write = move || {
                let content = answers::blocks(content, &written);
                let result_type = (era == Era::Modern).then_some("complete");
                let (meta, structured_content) = (answers::meta_of(call), &*written);
                let result = Written { result_type, content, structured_content, is_error: false, meta };
                serde_json::to_vec(&JsonRpcResponse { jsonrpc, id, result })
            };
            of_size(size, write).await
        }
        outcome => match answers::tool(asked, Answer { id: call, outcome }) {
            Ok(mut result) => {
                result.result_type.take_if(|_| era == Era::Legacy);
                serde_json::to_vec(&JsonRpcResponse { jsonrpc, id, result })
            }
            Err(error) => return refused(era, &JsonRpcError { jsonrpc, id: Some(id), error }),
        },
    };
    respond(StatusCode::OK, body)
}

/// An error that no result can carry. Clients of the legacy era take a status for the end of a session.
fn refused(era: Era, error: &JsonRpcError) -> Response {
    let status = match error.error.code {
        ErrorCode::HEADER_MISMATCH if era == Era::Modern => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    respond(status, serde_json::to_vec(error))
}

fn respond(status: StatusCode, body: serde_json::Result<Vec<u8>>) -> Response {
    match body {
        Ok(body) => (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            let internal = CallError::Internal;
            exchange::answer(internal.status().into(), None, &internal, Map::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(change: impl FnOnce(&mut HeaderMap)) -> Parts {
        let mut request = axum::http::Request::post("/mcp").body(()).expect("a request");
        let headers = request.headers_mut();
        for (name, value) in [("host", "LocalHost:8080"), ("content-type", "application/json"), ("accept", "*/*")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        change(headers);
        request.into_parts().0
    }

    fn era(change: impl FnOnce(&mut HeaderMap)) -> Option<Era> {
        Era::of(&head(change), |host| host.eq_ignore_ascii_case("localhost"))
    }

    #[test]
    fn a_port_is_taken_off_a_name_and_off_an_address_in_brackets_alone() {
        for (host, name) in
            [("a:1", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("::1:80", "::1:80"), ("a:", "a:"), ("a:b", "a:b")]
        {
            assert_eq!(without_port(host), name, "{host}");
        }
    }

    #[test]
    fn a_name_beyond_ascii_in_a_header_goes_the_long_way() {
        let call = |name: &str| Direct { id: RequestId::Number(1), name: name.to_owned(), input: Document::empty() };
        let named = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("mcp-method", HeaderValue::from_static(METHOD));
            headers.insert("mcp-name", HeaderValue::from_bytes(name.as_bytes()).expect("a value"));
            Era::Modern.is_repeated(&headers, &call(name))
        };
        assert!(named("a") && !named("\u{e4}"));
    }

    #[test]
    fn a_head_out_of_the_ordinary_goes_the_long_way() {
        let with = |name: &'static str, value: &'static str| {
            era(move |headers| {
                headers.append(name, HeaderValue::from_static(value));
            })
        };
        assert_eq!(era(|_| ()), Some(Era::Legacy));
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            assert_eq!(with(VERSION, version), Some(Era::Legacy), "{version}");
        }
        assert_eq!(with(VERSION, "2026-07-28"), Some(Era::Modern));
        for (name, value) in [
            (VERSION, "2025-11-26"),
            (VERSION, "2026-07-29"),
            (VERSION, ""),
            ("origin", "http://localhost"),
            ("host", "localhost"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(with(name, value), None, "{name}: {value}");
        }
        for (name, value) in [
            ("host", "localhost.example"),
            ("host", "localhost:"),
            ("host", "localhost:80:80"),
            ("content-type", "text/plain"),
            ("accept", "text/event-stream"),
        ] {
            let replaced = era(|headers| drop(headers.insert(name, HeaderValue::from_static(value))));
            assert_eq!(replaced, None, "{name}: {value}");
        }
        assert_eq!(era(|headers| drop(headers.remove("host"))), None);
    }

    #[test]
    fn a_modern_call_is_repeated_in_its_head() {
        let call = |name: &str| Direct { id: RequestId::Number(1), name: name.to_owned(), input: Document::empty() };
        let told = |method: &'static str, name: &'static str| {
            head(|headers| {
                headers.insert("mcp-method", HeaderValue::from_static(method));
                headers.insert("mcp-name", HeaderValue::from_static(name));
            })
        };
        assert!(Era::Modern.is_repeated(&told("tools/call", "a").headers, &call("a")));
        for (method, told_name, name) in
            [("tools/list", "a", "a"), ("tools/call", "b", "a"), ("tools/call", "=?base64?YQ==?=", "=?base64?YQ==?=")]
        {
            assert!(!Era::Modern.is_repeated(&told(method, told_name).headers, &call(name)), "{method} {told_name}");
        }
        assert!(!Era::Modern.is_repeated(&head(|_| ()).headers, &call("a")));
        assert!(Era::Legacy.is_repeated(&head(|_| ()).headers, &call("a")));
    }

    #[test]
    fn a_call_out_of_the_ordinary_goes_the_long_way() {
        let version = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let call = |params: &str, rest: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}{rest}}}"#);
            (Direct::of(Era::Legacy, text.as_bytes()), Direct::of(Era::Modern, text.as_bytes()))
        };
        let (legacy, modern) = call(r#""name":"a","arguments":{"x":1.0}"#, "");
        let legacy = legacy.expect("a call");
        assert_eq!((legacy.id, &*legacy.name), (RequestId::Number(1), "a"));
        assert_eq!(legacy.input.members().expect("an object")["x"], 1, "settled");
        assert!(modern.is_none());
        let (legacy, modern) = call(&format!(r#""name":"a",{version}"#), "");
        assert!(legacy.is_none() && modern.is_some());
        for (params, rest) in [
            (r#""name":7"#, ""),
            (r#""name":"a","arguments":[]"#, ""),
            (r#""name":"a","arguments":null"#, ""),
            (r#""name":"a","arguments":{"x":1,"x":1}"#, ""),
            (r#""name":"a","_meta":null"#, ""),
            (r#""name":"a","requestState":"x""#, ""),
            (r#""name":"a""#, r#","result":{}"#),
            (r#""name":"a""#, r#","id":2"#),
        ] {
            let (legacy, modern) = call(params, rest);
            assert!(legacy.is_none() && modern.is_none(), "{params} {rest}");
        }
    }
}
