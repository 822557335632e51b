//! Why a document is not taken.

use super::{Violation, listed};

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (RFC 8259), not UTF-8, or a key twice in an object.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Beyond a limit.
    #[error("it exceeds a limit of the hub: {0}")]
    TooComplex(String),
    /// Holds a number that would be rounded.
    #[error("a number that would lose precision: {}", listed(std::slice::from_ref(.0)))]
    Number(Violation),
}
