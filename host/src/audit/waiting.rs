//! What waits in the outbox, how much that may be, and what the writer is asked to do with it.

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::error::AuditError;

/// Events that are looked at together.
pub(super) const TOGETHER: u32 = 256;
/// ... and how large those may be together, in bytes: one more is taken before that is seen.
pub(super) const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// The most that one removal takes away: others write meanwhile.
pub(super) const SWEPT_TOGETHER: u32 = 1000;

/// How much may wait in the outbox of one hub. Beyond that the oldest go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Events.
    pub events: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { events: 10_000, bytes: 64 * 1024 * 1024 }
    }
}

/// What waits in the outbox of this hub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many events.
    pub events: u64,
    /// How many bytes of JSON those are.
    pub bytes: u64,
    /// When the oldest was recorded.
    pub oldest: Option<DateTime<Utc>>,
}

impl Backlog {
    pub(super) fn exceeds(&self, bounds: Bounds) -> bool {
        self.events > bounds.events || self.bytes > bounds.bytes
    }
}

/// Where in the outbox an event stands: with which row it was written, and which of the row's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutboxKey {
    /// Whose chain the row is in.
    pub writer: Uuid,
    /// The row's number there.
    pub seq: i64,
    /// Which of the row's events.
    pub ordinal: i32,
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Where it stands.
    pub key: OutboxKey,
    /// A CloudEvent, JSON.
    pub event: String,
    /// How often it was asked to be delivered anew.
    pub replays: i32,
}

/// What the writer is asked to do with the outbox.
#[derive(Debug)]
pub(super) enum Errand {
    /// Give what waits longest.
    Next(oneshot::Sender<Result<Vec<Waiting>, AuditError>>),
    /// Note that these were delivered.
    Delivered(Vec<OutboxKey>, oneshot::Sender<Result<(), AuditError>>),
    /// Take over what hubs that are gone have left.
    TakeOver(oneshot::Sender<Result<(), AuditError>>),
    /// Remove some of what was delivered before that time, and say how many.
    Sweep(DateTime<Utc>, oneshot::Sender<Result<u32, AuditError>>),
}
