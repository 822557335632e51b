//! What a call knows and what it may do.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::{CallContext, Level, SecretError};
use crate::error::CallError;
use crate::gate::Gate;
use crate::json;

/// One call: its ids, deadline and settings, and the three gates to the outside world.
pub struct Context {
    call: CallContext,
    gate: Rc<dyn Gate>,
}

impl Context {
    pub(crate) fn new(call: CallContext, gate: Rc<dyn Gate>) -> Self {
        Self { call, gate }
    }

    /// This call's id.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call.call_id
    }

    /// The id that ties this call to the others of the same request.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        &self.call.correlation_id
    }

    /// What was left when the call began. The hub ends the call when it is over.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.call.deadline_ms.into())
    }

    /// Wall clock when the call began, in milliseconds since the Unix epoch. A provider has no clock of its own:
    /// `std::time` panics.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.call.now_ms
    }

    /// The provider's `settings` from provider-config.yaml; `{}` without any, so a type whose fields all have defaults
    /// makes them optional.
    ///
    /// # Errors
    /// [`misconfigured`](CallError::misconfigured), naming the setting, if they do not fit `T`.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        json::parse(self.call.settings.as_bytes()).map_err(|why| {
            CallError::misconfigured(format!("the `settings` of this provider in provider-config.yaml are wrong{why}"))
        })
    }

    // --- secrets ---

    /// An opaque placeholder, valid during this call, that the hub replaces with the secret in outgoing headers towards
    /// the secret's hosts. The value itself never enters the provider.
    ///
    /// # Errors
    /// [`misconfigured`](CallError::misconfigured) if the secret is not granted or not set.
    pub fn secret_reference(&self, name: &str) -> Result<String, CallError> {
        Ok(self.gate.secret_reference(name)?)
    }

    /// As [`secret_reference`](Self::secret_reference), for an upstream that may need none: not granted and not set are
    /// `None`.
    ///
    /// # Errors
    /// [`upstream_unreachable`](CallError::upstream_unreachable) if the vault cannot be read.
    pub fn optional_secret_reference(&self, name: &str) -> Result<Option<String>, CallError> {
        match self.gate.secret_reference(name) {
            Ok(reference) => Ok(Some(reference)),
            Err(SecretError::NotGranted(_) | SecretError::NotSet(_)) => Ok(None),
            Err(error @ SecretError::Unavailable(_)) => Err(error.into()),
        }
    }

    /// The secret itself, for one that must be parsed. Needs `reveal: true` in the config; never put it into an output,
    /// an error or a log.
    ///
    /// # Errors
    /// [`misconfigured`](CallError::misconfigured) if this is not granted or the secret is not set.
    pub fn secret_reveal(&self, name: &str) -> Result<String, CallError> {
        Ok(self.gate.secret_reveal(name)?)
    }

    // --- events ---

    /// Emits a `CloudEvent` of the given type. The hub adds id, source, time and the correlation id.
    ///
    /// # Errors
    /// [`internal`](CallError::internal) if the event is invalid or the call has used up its events.
    pub fn emit(&self, event_type: &str, data: &impl Serialize) -> Result<(), CallError> {
        let data = serde_json::to_string(data)
            .map_err(|why| CallError::internal(format!("the event `{event_type}` cannot be written as JSON: {why}")))?;
        Ok(self.gate.emit(event_type, &data)?)
    }

    /// Writes to the hub's log under the provider's name.
    pub fn log(&self, level: Level, message: impl Display) {
        self.gate.log(level, &message.to_string());
    }

    /// Logs what helps while developing.
    pub fn debug(&self, message: impl Display) {
        self.log(Level::Debug, message);
    }

    /// Logs what an operator may want to know.
    pub fn info(&self, message: impl Display) {
        self.log(Level::Info, message);
    }

    /// Logs what an operator should look at some day.
    pub fn warn(&self, message: impl Display) {
        self.log(Level::Warn, message);
    }

    /// Logs what an operator should look at now.
    pub fn error(&self, message: impl Display) {
        self.log(Level::Error, message);
    }

    pub(crate) fn gate(&self) -> &dyn Gate {
        self.gate.as_ref()
    }
}
