//! What is a JSON-RPC message and what is not, whichever way it came.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{CallError, InputFault, json as limits};

/// The name in the audit trail of a message that nothing can be read from.
pub(super) const OPERATION: &str = "mcp_message";
/// JSON-RPC 2.0 §5.1.
const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0 §5.1.
pub(super) const INVALID_REQUEST: i32 = -32600;

/// What is wrong with a message, and JSON-RPC's code for it.
pub(super) struct Fault {
    pub(super) code: i32,
    pub(super) error: CallError,
}

impl Fault {
    pub(super) fn of(fault: InputFault) -> Self {
        let code = if matches!(fault, InputFault::Malformed(_)) { PARSE_ERROR } else { INVALID_REQUEST };
        Self { code, error: fault.into() }
    }
}

/// What every JSON-RPC message of MCP has.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    result: Option<serde::de::IgnoredAny>,
    error: Option<serde::de::IgnoredAny>,
}

/// Checks that a document is one message within the limits.
pub(super) fn check(document: &[u8]) -> Result<(), Fault> {
    limits::check(document).map_err(Fault::of)?;
    // The parser would also take a list of a text and two more values for the members of a message.
    if !document.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("send one JSON-RPC message as an object; batches are not part of MCP"));
    }
    match serde_json::from_slice::<Message<'_>>(document) {
        Ok(message) if message.method.is_some() || message.result.is_some() || message.error.is_some() => Ok(()),
        Ok(_) => Err(invalid("a JSON-RPC message has a `method`")),
        Err(_) => Err(invalid("the `method` of a JSON-RPC message is a string")),
    }
}

/// JSON that is no message.
pub(super) fn invalid(reason: &str) -> Fault {
    Fault { code: INVALID_REQUEST, error: CallError::Input(InputFault::Malformed(reason.to_owned())) }
}

/// The answer to a message whose id cannot be told.
pub(super) fn error(code: i32, error: &CallError) -> Value {
    json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": error.to_string() } })
}
