//! The provider's only ways out, as a trait, so that a test can stand in for the hub.

use crate::contract::{EventError, HttpError, HttpRequest, HttpResponse, Level, SecretError};

/// The three gates of the contract. In the hub they are the component's imports; in tests a
/// `testing::FakeGate`. Providers use them through [`Context`](crate::Context).
pub trait Gate {
    /// Sends one request and waits for the whole answer.
    ///
    /// # Errors
    /// The request is refused by the hub, or no answer comes.
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError>;

    /// Sends several concurrently; answers come in the order of the requests.
    fn send_all(&self, requests: &[HttpRequest]) -> Vec<Result<HttpResponse, HttpError>>;

    /// An opaque placeholder that the hub replaces with the secret in outgoing headers.
    ///
    /// # Errors
    /// The secret is not granted, not set, or the vault is unavailable.
    fn secret_reference(&self, name: &str) -> Result<String, SecretError>;

    /// The secret itself; needs `reveal: true` in the config.
    ///
    /// # Errors
    /// The secret is not granted for this use, not set, or the vault is unavailable.
    fn secret_reveal(&self, name: &str) -> Result<String, SecretError>;

    /// Emits a `CloudEvent` whose `data` is JSON.
    ///
    /// # Errors
    /// The event is invalid or the call has used up its events.
    fn emit(&self, event_type: &str, data: &str) -> Result<(), EventError>;

    /// Writes to the hub's log under the provider's name.
    fn log(&self, level: Level, message: &str);
}
