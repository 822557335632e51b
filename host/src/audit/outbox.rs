//! The outbox: events that were recorded with their rows, and wait to be delivered. The writer alone changes it, so that nobody is
//! in its way; whoever delivers asks it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    error::AuditError,
    message::Message,
    waiting::{Backlog, Bounds, Errand, OutboxKey, SWEPT_TOGETHER, Waiting},
};

/// What the writer and whoever delivers both see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    is_open: AtomicBool,
    bounds: Mutex<Bounds>,
    backlog: watch::Sender<Backlog>,
}

impl Shared {
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    pub(super) fn bounds(&self) -> Bounds {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn backlog(&self) -> Backlog {
        *self.backlog.borrow()
    }

    /// So much waits now.
    pub(super) fn waits(&self, backlog: Backlog) {
        self.backlog.send_replace(backlog);
    }
}

/// The outbox for whoever delivers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    queue: mpsc::WeakSender<Message>,
    shared: Arc<Shared>,
}

impl Outbox {
    pub(super) fn new(queue: mpsc::WeakSender<Message>, shared: Arc<Shared>) -> Self {
        Self { queue, shared }
    }

    /// Whether there is anybody to deliver to. While there is nobody nothing is put into the outbox.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// Says whether there is anybody to deliver to, and how much may wait.
    pub fn open(&self, is_open: bool, bounds: Bounds) {
        *self.shared.bounds.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
        self.shared.is_open.store(is_open, Ordering::Relaxed);
    }

    /// What waits in this hub's outbox.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.shared.backlog()
    }

    /// Changes when something is put into the outbox.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<Backlog> {
        self.shared.backlog.subscribe()
    }

    /// What waits longest, some hundred at most, in the order in which it was recorded.
    ///
    /// # Errors
    /// When the outbox cannot be read at the moment.
    pub async fn next(&self) -> Result<Vec<Waiting>, AuditError> {
        self.ask(Errand::Next).await
    }

    /// These were delivered.
    ///
    /// # Errors
    /// When that cannot be written. They will be delivered again.
    pub async fn delivered(&self, keys: Vec<OutboxKey>) -> Result<(), AuditError> {
        self.ask(|done| Errand::Delivered(keys, done)).await
    }

    /// Takes over what hubs on the same database have left that are gone.
    ///
    /// # Errors
    /// When the outbox cannot be written at the moment.
    pub async fn take_over(&self) -> Result<(), AuditError> {
        self.ask(Errand::TakeOver).await
    }

    /// Removes what was delivered before a time, and says how many that was.
    ///
    /// # Errors
    /// When the outbox cannot be written at the moment. What was removed until then is.
    pub async fn sweep(&self, before: DateTime<Utc>) -> Result<u64, AuditError> {
        let mut removed = 0;
        loop {
            let some = self.ask(|done| Errand::Sweep(before, done)).await?;
            removed += u64::from(some);
            if some < SWEPT_TOGETHER {
                return Ok(removed);
            }
        }
    }

    async fn ask<T>(
        &self,
        errand: impl FnOnce(oneshot::Sender<Result<T, AuditError>>) -> Errand,
    ) -> Result<T, AuditError> {
        let (done, answered) = oneshot::channel();
        let queue = self.queue.upgrade().ok_or(AuditError::Closed)?;
        queue.send(Message::Outbox(errand(done))).await.map_err(|_| AuditError::Closed)?;
        drop(queue);
        answered.await.map_err(|_| AuditError::Closed)?
    }
}

#[cfg(test)]
mod tests;
