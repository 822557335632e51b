//! How a run can fail on the hub's side of the contract.

use std::time::Duration;

/// Why a run ended without an answer from the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The deadline passed.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The caller went away.
    #[error("the caller went away")]
    Cancelled,
    /// The memory limit was reached.
    #[error("memory limit {0} MiB reached")]
    Memory(usize),
    /// The guest trapped: panic, unreachable, stack overflow. The text is wasmtime's, without addresses.
    #[error("the provider crashed: {0}")]
    Trap(String),
    /// Too many calls to the provider are running.
    #[error("the provider is busy with {0} calls")]
    Busy(u32),
    /// The output is larger than the limit, in bytes.
    #[error("the provider's output is larger than {0} bytes")]
    OutputTooLarge(usize),
}
