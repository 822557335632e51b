//! What is a message of MCP and what is not, whichever way it came: everything that the library would refuse by itself, in
//! words of its own or in silence, is found here first.

use std::borrow::Cow;

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ClientRequest, GetExtensions as _, RequestId},
    service::RequestContext,
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Value, json};

use super::{
    answers,
    parts::{self, ToolCall},
    request_id::proper_id,
};
use crate::{
    call::{CallError, InputFault, RequestFault},
    json as limits,
    json::Object,
    names::Code,
    text::plain,
};

/// JSON-RPC 2.0 §5.1.
const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0 §5.1.
pub(super) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0 §5.1.
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0 §5.1.
const INVALID_PARAMS: i32 = -32602;

/// The methods that the hub answers, and what their parameters are. Where parameters of these are something else, the
/// library takes the method for one that it does not know.
const METHODS: [(&str, &str); 10] = [
    ("initialize", "`protocolVersion` (a string), `capabilities` (an object) and `clientInfo` (`name` and `version`)"),
    ("server/discover", "an object, if there are any"),
    ("ping", "an object, if there are any"),
    ("tools/list", "an object with a `cursor` (a string), if there are any"),
    ("tools/call", "`name` (a string) and `arguments` (an object, if there are any)"),
    ("resources/list", "an object with a `cursor` (a string), if there are any"),
    ("resources/templates/list", "an object with a `cursor` (a string), if there are any"),
    ("resources/read", "`uri` (a string)"),
    ("prompts/list", "an object with a `cursor` (a string), if there are any"),
    ("prompts/get", "`name` (a string) and `arguments` (an object of strings, if there are any)"),
];

/// What is wrong with a message, JSON-RPC's code for it, and which request it is, if that can be told.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: i32,
    pub(super) error: CallError,
    pub(super) id: Option<RequestId>,
    /// What the protocol wants beside the hub's own data.
    pub(super) data: Box<Map<String, Value>>,
}

impl Fault {
    pub(super) fn of(fault: InputFault) -> Self {
        let code = match &fault {
            InputFault::Malformed(_) => PARSE_ERROR,
            InputFault::Number(number) if number.pointer != "/id" => INVALID_PARAMS,
            _ => INVALID_REQUEST,
        };
        Self::with(code, within_arguments(fault).into(), None)
    }

    /// One with an error that says it all.
    pub(super) fn with(code: i32, error: CallError, id: Option<RequestId>) -> Self {
        Self { code, error, id, data: Box::default() }
    }

    /// One that the protocol has a code for.
    pub(super) fn new(rpc: i32, code: Code, status: u16, text: &str, id: Option<RequestId>) -> Self {
        let text = plain::text(text, TEXT_MAX);
        Self::with(rpc, RequestFault { code, status, text }.into(), id)
    }

    /// The same with the id that can be told of the document, so that whoever waits for an answer gets one.
    fn in_document(mut self, document: &[u8]) -> Self {
        self.id = self.id.or_else(|| parts::id(document));
        self
    }
}

/// Points into a tool's input, as over REST, and not into the message around it.
fn within_arguments(fault: InputFault) -> InputFault {
    match fault {
        InputFault::Number(mut number) => {
            if let Some(rest) = number.pointer.strip_prefix("/params/arguments") {
                number.pointer = rest.to_owned();
            }
            InputFault::Number(number)
        }
        other => other,
    }
}

/// The longest text of an error that is told of a message, in characters.
pub(super) const TEXT_MAX: usize = 512;

const ID: &str =
    "the `id` of a request is a whole number, or a string of at most 128 characters without control characters";

/// What every JSON-RPC message of MCP has.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    /// `Some(Null)` for one that is there and null.
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// MCP has no positional parameters: a list would be read as if its values had the members' names.
#[derive(Deserialize)]
struct Named<P> {
    #[serde(rename = "params", bound = "P: Deserialize<'de>")]
    _params: Option<Object<P>>,
}

/// Where the next page of a list begins. The library passes over one that is no string.
#[derive(Deserialize)]
struct Page {
    #[serde(rename = "cursor")]
    _cursor: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Why the input of a tool was not read: the call walks the line without it, and is refused there as any other wrong input.
#[derive(Debug, Clone)]
pub(super) struct RefusedInput(InputFault);

impl RefusedInput {
    /// What is wrong with the input of this request, if it was not read.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Option<InputFault> {
        let over_http = || context.extensions.get::<::http::request::Parts>()?.extensions.get::<Self>();
        context.extensions.get::<Self>().or_else(over_http).map(|refused| refused.0.clone())
    }
}

/// The message that a document is.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) message: ClientJsonRpcMessage,
    /// Why a tool's input is not in it, and the document without it.
    pub(super) refused: Option<(RefusedInput, Vec<u8>)>,
}

/// Reads a document.
///
/// # Errors
/// When it is no message, is beyond a limit, or asks for a method of the hub's with parameters that are not that method's.
pub(super) fn read(document: &[u8]) -> Result<Read, Fault> {
    let read = || {
        let Err(fault) = limits::check(document).map_err(InputFault::from) else {
            return Ok(Read { message: within_limits(document)?, refused: None });
        };
        let call = ToolCall::of(document).filter(|call| limits::check(&call.rest).is_ok());
        let Some(ToolCall { input, rest }) = call else { return Err(Fault::of(fault)) };
        let mut message = within_limits(&rest)?;
        // Alone it may be within the limits that it is beyond with the message around it.
        let refused =
            RefusedInput(limits::check(input).err().map_or_else(|| within_arguments(fault), InputFault::from));
        if let ClientJsonRpcMessage::Request(request) = &mut message {
            request.request.extensions_mut().insert(refused.clone());
        }
        Ok(Read { message, refused: Some((refused, rest)) })
    };
    read().map_err(|fault| fault.in_document(document))
}

/// The message that a document within the limits is.
fn within_limits(document: &[u8]) -> Result<ClientJsonRpcMessage, Fault> {
    // The parser would also take a list of a text and two more values for the members of a message.
    if !document.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("send one JSON-RPC message as an object; batches are not part of MCP"));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(document)
        .map_err(|_| invalid("the `jsonrpc` and the `method` of a JSON-RPC message are strings"))?;
    if envelope.jsonrpc.as_deref() != Some("2.0") {
        return Err(invalid(r#"a JSON-RPC message says `"jsonrpc": "2.0"`"#));
    }
    let id = envelope.id.map(|id| proper_id(id).ok_or_else(|| invalid(ID))).transpose()?;
    let Some(method) = envelope.method else {
        let answers = envelope.result.is_some() || envelope.error.is_some();
        return Err(invalid(if answers {
            "the hub sends no requests, so it takes no responses: send requests and notifications"
        } else {
            "a JSON-RPC message has a `method`"
        }));
    };
    if id.is_none() && !method.starts_with("notifications/") {
        let text = "a request has an `id`: only a method that begins with `notifications/` is sent without one";
        return Err(Fault::new(INVALID_REQUEST, Code::IdMissing, 400, text, None));
    }
    if method.chars().count() > plain::NAME_MAX || method.contains(plain::is_hidden) {
        return Err(unknown(&method, id));
    }
    let named = if method.ends_with("/list") {
        serde_json::from_slice::<Named<Page>>(document).is_ok()
    } else {
        serde_json::from_slice::<Named<IgnoredAny>>(document).is_ok()
    };
    if !named {
        let fault = wrong_params(&method, id);
        return Err(fault.unwrap_or_else(|| invalid("the `params` of a JSON-RPC message are an object")));
    }
    let unreadable = || invalid("a JSON-RPC message is a request or a notification, and not also a response");
    let message = match serde_json::from_slice::<ClientJsonRpcMessage>(document) {
        Ok(message) => message,
        Err(_) if envelope.result.is_some() || envelope.error.is_some() || id.is_none() => return Err(unreadable()),
        Err(_) => return Err(wrong_params(&method, id.clone()).unwrap_or_else(|| unknown(&method, id))),
    };
    match &message {
        ClientJsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::CustomRequest(_) => wrong_params(&method, id).map_or(Ok(message), Err),
            _ => Ok(message),
        },
        ClientJsonRpcMessage::Notification(_) => Ok(message),
        ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => Err(unreadable()),
    }
}

fn unknown(method: &str, id: Option<RequestId>) -> Fault {
    Fault::new(METHOD_NOT_FOUND, Code::MethodUnknown, 404, &no_method(method), id)
}

/// What is told of a method that there is not.
pub(super) fn no_method(method: &str) -> String {
    format!("there is no method `{}`", plain::text(method, 64))
}

/// The fault of a request that the library does not know, if it is for one of the hub's methods.
fn wrong_params(method: &str, id: Option<RequestId>) -> Option<Fault> {
    let (method, params) = METHODS.iter().find(|(known, _)| *known == method)?;
    let text = format!("the `params` of {method} are {params}; `_meta` in them is an object");
    Some(Fault::new(INVALID_PARAMS, Code::ParamsInvalid, 400, &text, id))
}

/// JSON that is no message.
pub(super) fn invalid(reason: &str) -> Fault {
    Fault::with(INVALID_REQUEST, CallError::Input(InputFault::Malformed(reason.to_owned())), None)
}

/// The answer to what was refused with `code`, or with a reason that comes before it. `extra` is what the protocol wants to be
/// told with it.
pub(super) fn error(code: i32, id: Option<&RequestId>, error: &CallError, extra: Map<String, Value>) -> Value {
    let mut data = answers::data(error, None);
    if let (CallError::Request(_), Value::Object(data)) = (error, &mut data) {
        data.extend(extra);
    }
    let code = match error {
        CallError::Input(_) | CallError::Request(_) | CallError::ConcurrencyExceeded(_) => code,
        // As for an error that no result can carry.
        other => other.status().into(),
    };
    let error = json!({ "code": code, "message": error.told(), "data": data });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(document: &str) -> Option<i32> {
        read(document.as_bytes()).err().map(|fault| fault.code)
    }

    fn request(method: &str, params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    }

    #[test]
    fn every_method_of_the_hub_is_known_with_its_parameters_and_refused_with_others() {
        for (method, _) in METHODS {
            let params = match method {
                "initialize" => {
                    r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#
                }
                "tools/call" | "prompts/get" => r#"{"name":"a"}"#,
                "resources/read" => r#"{"uri":"a://b"}"#,
                _ => "{}",
            };
            assert_eq!(code(&request(method, params)), None, "{method}");
            for wrong in ["[]", "7", "\"x\"", r#"{"_meta":7}"#, r#"{"_meta":[]}"#] {
                assert_eq!(code(&request(method, wrong)), Some(INVALID_PARAMS), "{method} {wrong}");
            }
        }
        for (method, wrong) in [
            ("tools/call", "{}"),
            ("tools/call", r#"{"name":1}"#),
            ("tools/call", r#"{"name":null}"#),
            ("tools/call", r#"{"name":"a","arguments":[]}"#),
            ("tools/call", r#"{"name":"a","arguments":"{}"}"#),
            ("resources/read", r#"{"uri":7}"#),
            ("prompts/get", r#"{"name":{}}"#),
            ("prompts/get", r#"{"name":"a","arguments":[]}"#),
            ("tools/list", r#"{"cursor":7}"#),
            ("initialize", r#"{"protocolVersion":7,"capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#),
        ] {
            let fault = read(request(method, wrong).as_bytes()).expect_err(wrong);
            assert_eq!((fault.code, fault.id), (INVALID_PARAMS, Some(RequestId::Number(1))), "{method} {wrong}");
        }
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#), Some(INVALID_PARAMS));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), None);
        assert_eq!(code(&request("tools/destroy", "{}")), None, "the library says that it is unknown");
        for params in ["7", "[]", "\"x\""] {
            assert_eq!(code(&request("tools/destroy", params)), Some(INVALID_REQUEST), "{params}");
        }
        assert_eq!(code(&request(&"x".repeat(200), "{}")), Some(METHOD_NOT_FOUND));
    }

    #[test]
    fn an_id_is_a_whole_number_or_a_short_text_that_can_be_seen() {
        let with = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let long = format!("\"{}\"", "x".repeat(128));
        for good in ["0", "-1", "9007199254740993", "1.0", "\"\"", "\"a b\"", "\"ä\"", &long] {
            assert_eq!(code(&with(good)), None, "{good}");
        }
        let longer = format!("\"{}\"", "x".repeat(129));
        let bad =
            ["null", "1.5", "[]", "{}", "true", "[1]", r#""a\nb""#, r#""\u001b[2J""#, r#""\u202e""#, r#""\u0085""#];
        for bad in bad.into_iter().chain([&*longer, "1e400", "18446744073709551615"]) {
            assert!(matches!(code(&with(bad)), Some(INVALID_REQUEST | PARSE_ERROR)), "{bad}");
        }
    }

    #[test]
    fn what_is_neither_request_nor_notification_is_invalid() {
        for document in [
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":["ping"]}"#,
            "[]",
            "{}",
        ] {
            assert_eq!(code(document), Some(INVALID_REQUEST), "{document}");
        }
        assert_eq!(code(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
        assert_eq!(code(r#"{"jsonrpc":"2.0","method":"notifications/made-up","params":{"x":1}}"#), None);
    }
}
