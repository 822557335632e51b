//! Which request a message is.

use rmcp::model::RequestId;
use serde::Deserialize as _;
use serde_json::Value;

use crate::text::plain;

/// The id of a request, if it is a proper one: what an answer repeats and the log may show.
pub(super) fn proper_id(id: Value) -> Option<RequestId> {
    let fits = match &id {
        Value::String(text) => text.chars().count() <= plain::NAME_MAX && !text.contains(plain::is_hidden),
        Value::Number(_) => true,
        _ => false,
    };
    if fits { RequestId::deserialize(id).ok() } else { None }
}
