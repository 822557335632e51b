//! What the writer is told.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{entry::Entry, error::AuditError, waiting::Errand};

/// Told the id of the row that holds the operation, once that is on disk.
pub(super) type Done = oneshot::Sender<Result<Uuid, AuditError>>;

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Make this durable and say so.
    Write { entry: Entry, done: Done },
    /// Answer for a writer that is dead, and say whether that is done.
    Answer { dead: Uuid, done: oneshot::Sender<bool> },
    /// See to the outbox.
    Outbox(Errand),
    /// End once what came before is durable, whoever may still hold the trail.
    Close,
}
