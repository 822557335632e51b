//! Why an operation is not on record.

use std::io;

use crate::store::sqlite::StoreError;

/// Why an operation could not be recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The audit trail could not be opened.
    #[error("the audit trail cannot be opened: {0}")]
    Open(String),
    /// The write failed: disk full, file removed, database locked.
    #[error("the operation could not be recorded: {0}")]
    Write(String),
    /// Nothing can be recorded just now, so nothing begins.
    #[error("the operation did not run, because nothing can be recorded at the moment")]
    Refusing,
    /// The writer has ended.
    #[error("the operation could not be recorded: the hub is shutting down")]
    Closed,
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.to_string())
    }
}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> Self {
        Self::Open(error.to_string())
    }
}
