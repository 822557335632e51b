//! How a run can fail on the hub's side of the contract.

use std::time::Duration;

use super::{budget::Breach, contract::ContractError};

/// Why a run ended without an answer from the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The deadline passed.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The caller went away.
    #[error("the caller went away")]
    Cancelled,
    /// A limit of the sandbox was reached.
    #[error("{0}: ask for less, or have an admin raise it in the provider's `sandbox` config")]
    Limit(Breach),
    /// The guest trapped: panic, unreachable. The text is wasmtime's, without addresses.
    #[error("the provider crashed: {0}")]
    Trap(String),
    /// Too many calls to the provider are running.
    #[error(
        "the provider is busy: it takes {0} calls at once, and of each caller no more than a part of them; try again in a \
         moment"
    )]
    Busy(u32),
}

/// Why a component's description is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// Its functions are others than the contract's.
    #[error("its component is refused: {0}")]
    Contract(#[from] ContractError),
    /// It did not say.
    #[error("its component cannot describe itself: {0}")]
    Run(#[from] RunError),
}

/// What is wrong, in a line.
pub(super) fn first_line(error: &wasmtime::Error) -> String {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    chain.join(": ").lines().next().unwrap_or_default().to_owned()
}
