//! A tool's input on its way in, and what can be wrong with it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    json::{self, JsonError, Violation, listed},
    limits::ConcurrencyExceeded,
};

/// A tool's input as it arrived; what is wrong with it is told when the line comes to validating it.
pub type Input = Result<Document, InputFault>;

/// An input in the one form in which it is validated, recorded and given to the provider: within the limits, and with whole
/// numbers as integers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Document {
    tree: Arc<Value>,
    /// About how long its text is, in bytes.
    size: usize,
}

impl Document {
    /// An object without members.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Map::new())
    }

    /// Reads a text. Blocking: some hundred milliseconds for the largest.
    ///
    /// # Errors
    /// When it is no JSON, or more than the hub takes.
    pub fn read(text: &[u8]) -> Result<Self, InputFault> {
        Ok(Self { tree: Arc::new(json::parse_settled(text)?), size: text.len() })
    }

    /// An object that was held against the limits as part of a message.
    pub(crate) fn of(members: Map<String, Value>) -> Self {
        let mut tree = Value::Object(members);
        json::settle(&mut tree);
        Self { size: size(&tree), tree: Arc::new(tree) }
    }

    /// Its members, if it is an object.
    pub(crate) fn members(&self) -> Option<&Map<String, Value>> {
        self.tree.as_object()
    }

    pub(super) fn tree(&self) -> &Arc<Value> {
        &self.tree
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }
}

/// About how long the text of a tree is.
fn size(tree: &Value) -> usize {
    match tree {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 1 + size(item)).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + 1 + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
    }
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputFault {
    /// Larger than the limit, in bytes.
    #[error("the input is larger than {} MB: send less", .0 / 1_000_000)]
    TooLarge(usize),
    /// Took longer than the limit to arrive, in seconds.
    #[error("the input took longer than {0} s to arrive: send it faster, or less")]
    TooSlow(u64),
    /// Came in a coding (RFC 9110 §8.4) that the hub does not undo: nothing is unpacked here.
    #[error(
        "the input has a Content-Encoding, which the hub does not decode: send it unencoded, with none or `identity`"
    )]
    Encoded,
    /// More than the caller's concurrency limit leaves for it.
    #[error(transparent)]
    ConcurrencyExceeded(#[from] ConcurrencyExceeded),
    /// Not JSON, or not an object.
    #[error("the input is malformed: {0}")]
    Malformed(String),
    /// JSON beyond a limit of [`crate::json`].
    #[error("the input exceeds a limit of the hub: {0}")]
    TooComplex(String),
    /// Holds a number that would be rounded.
    #[error("the input holds a number that would lose precision: {}", listed(std::slice::from_ref(.0)))]
    Number(Violation),
    /// Does not match the schema.
    #[error("the input does not match the schema: {}", listed(.0))]
    Invalid(Vec<Violation>),
    /// Headers that repeat parts of the input (MCP 2026-07-28, `x-mcp-header`) say something else.
    #[error("the request's headers do not match its input: {0}")]
    HeaderMismatch(String),
}

impl From<JsonError> for InputFault {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(why) => Self::Malformed(why),
            JsonError::TooComplex(limit) => Self::TooComplex(limit),
            JsonError::Number(violation) => Self::Number(violation),
        }
    }
}
