//! What is wrong in a document, and where.

use schemars::JsonSchema;
use serde::Serialize;

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// What is wrong there, without repeating the value.
    pub message: String,
}

/// Violations as a sentence can end with them.
#[must_use]
pub fn listed(violations: &[Violation]) -> String {
    let each = violations.iter().map(|violation| match violation.pointer.as_str() {
        "" => violation.message.clone(),
        pointer => format!("{pointer}: {}", violation.message),
    });
    each.collect::<Vec<_>>().join("; ")
}
