//! Why events wait.

use crate::audit::AuditError;

/// Why events do not get through.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// There is no connection.
    #[error("the connection to the broker was lost: it is made again")]
    NotConnected,
    /// None can be made.
    #[error("the broker cannot be reached ({0}): check `events.to` and the broker")]
    Connection(String),
    /// The vault has no credentials.
    #[error("the credentials for the broker cannot be read: {0}")]
    Credentials(String),
    /// Nobody takes the subject.
    #[error(
        "no stream of the broker takes the events: make one for the subjects, or name one as `events.to.nats.stream`"
    )]
    NoStream,
    /// It was not taken.
    #[error("the broker does not take an event: {0}")]
    Refused(String),
    /// The outbox cannot be read or written.
    #[error("the outbox cannot be used: {0}")]
    Outbox(#[from] AuditError),
}
