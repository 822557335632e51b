//! What a health check answers.

use crate::contract::{HealthStatus, WireHealth};
use crate::error::CallError;

/// The state of the provider and its upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// ok, degraded or down.
    pub status: HealthStatus,
    /// Empty when ok; otherwise what is wrong and the one thing that mends it.
    pub reason: String,
}

impl Health {
    /// Everything works.
    #[must_use]
    pub fn ok() -> Self {
        Self { status: HealthStatus::Ok, reason: String::new() }
    }

    /// It works, but not fully or not well.
    #[must_use]
    pub fn degraded(reason: impl Into<String>) -> Self {
        Self { status: HealthStatus::Degraded, reason: reason.into() }
    }

    /// It does not work.
    #[must_use]
    pub fn down(reason: impl Into<String>) -> Self {
        Self { status: HealthStatus::Down, reason: reason.into() }
    }
}

/// Ok is ok; an error is down, with its message as the reason. So a check can be one request and a `?`.
impl<T> From<Result<T, CallError>> for Health {
    fn from(result: Result<T, CallError>) -> Self {
        match result {
            Ok(_) => Self::ok(),
            Err(error) => Self::down(error.message),
        }
    }
}

impl From<Health> for WireHealth {
    fn from(health: Health) -> Self {
        Self { status: health.status, reason: health.reason }
    }
}
