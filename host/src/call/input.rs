//! A tool's input on its way in, and what can be wrong with it.

use serde_json::Value;

use crate::{
    json::{JsonError, Violation, listed},
    limits::ConcurrencyExceeded,
};

/// A tool's input as it arrived; what is wrong with it is told when the line comes to validating it.
pub type Input = Result<Value, InputFault>;

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
