//! The one error that a provider answers with.

use std::time::Duration;

use crate::contract::{ErrorCode, EventError, SecretError, WireCallError};

/// Why a call failed, for the agent that made it.
///
/// The message says what went wrong **and what to do next**, and never holds a secret. Every code has a constructor.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// The kind of failure, which the hub turns into a status.
    pub code: ErrorCode,
    /// What went wrong and what to do next.
    pub message: String,
    /// How long the caller should wait before it tries again, where that is known.
    pub retry_after: Option<Duration>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $code:ident;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(message: impl Into<String>) -> Self {
                Self { code: ErrorCode::$code, message: message.into(), retry_after: None }
            }
        )*
    };
}

impl CallError {
    constructors! {
        /// The input passes the schema but makes no sense; name the field.
        invalid_input => InvalidInput;
        /// What the caller asked for does not exist; say how to list what does.
        not_found => NotFound;
        /// The upstream's state forbids it, such as a duplicate.
        conflict => Conflict;
        /// The upstream refuses our credentials; say which secret and which scope.
        upstream_auth => UpstreamAuth;
        /// The upstream asks to wait; add [`retry_after`](Self::retry_after()) if it says how long.
        upstream_rate_limited => UpstreamRateLimited;
        /// The upstream failed or answered nonsense.
        upstream_failed => UpstreamFailed;
        /// The upstream cannot be reached, or a gate refused.
        upstream_unreachable => UpstreamUnreachable;
        /// The upstream did not answer in time.
        upstream_timeout => UpstreamTimeout;
        /// The config lacks something; say what to set.
        misconfigured => Misconfigured;
        /// A mistake of the provider itself.
        internal => Internal;
    }

    /// Tells the caller how long to wait before the next attempt.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<CallError> for WireCallError {
    fn from(error: CallError) -> Self {
        let retry_after_ms = error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        Self { code: error.code, message: error.message, retry_after_ms }
    }
}

impl From<SecretError> for CallError {
    fn from(error: SecretError) -> Self {
        match error {
            // The hub says in full what the config lacks.
            SecretError::NotGranted(why) => Self::misconfigured(why),
            SecretError::NotSet(command) => {
                Self::misconfigured(format!("the vault holds no value for this secret: run `{command}`"))
            }
            SecretError::Unavailable(why) => Self::upstream_unreachable(format!(
                "the vault cannot be read now: {why}. Try again; if it lasts, see /health of the hub"
            )),
        }
    }
}

impl From<EventError> for CallError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Invalid(what) => Self::internal(format!("the provider emitted an invalid event: {what}")),
            EventError::BudgetExhausted(limit) => {
                Self::internal(format!("this call has used up its events: {limit}. Ask for less in one call"))
            }
        }
    }
}
