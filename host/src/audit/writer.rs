//! The one writer: a thread that commits all waiting events together.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::{
    chain::AuditKey,
    event::{Event, Intent},
    liveness::{self, Alive},
    rows,
};
use crate::store::sqlite::{self, StoreError};

/// Events that may wait for the writer; a call that finds the queue full waits for a place.
const QUEUE: usize = 4096;
/// The most events in one transaction.
const BATCH: usize = 512;

/// Why an operation could not be recorded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The audit trail could not be opened.
    #[error("the audit trail cannot be opened: {0}")]
    Open(String),
    /// The write failed: disk full, file removed, database locked.
    #[error("the operation could not be recorded: {0}")]
    Write(String),
    /// The writer has ended.
    #[error("the operation could not be recorded: the hub is shutting down")]
    Closed,
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.to_string())
    }
}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> Self {
        Self::Open(error.to_string())
    }
}

enum Entry {
    Event(Box<Event>),
    Intent(Box<Intent>),
}

/// What the writer is told.
enum Message {
    /// Make this durable and say so.
    Write { entry: Entry, done: oneshot::Sender<Result<(), AuditError>> },
    /// End once what came before is durable, whoever may still hold the trail.
    Close,
}

/// The audit trail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    queue: mpsc::Sender<Message>,
    thread: Arc<Mutex<Option<thread::JoinHandle<()>>>>,
    #[cfg(feature = "bench")]
    forgets: bool,
}

impl Audit {
    /// Opens the trail in `data`, answers the intents that a crashed hub left, and starts the writer.
    ///
    /// # Errors
    /// When the database or the key cannot be used.
    pub fn open(data: &Path, database: &Path) -> Result<Self, AuditError> {
        let mut writer = Writer::open(data, database)?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(waiting))?;
        Ok(Self {
            queue,
            thread: Arc::new(Mutex::new(Some(thread))),
            #[cfg(feature = "bench")]
            forgets: false,
        })
    }

    /// Answers at once and writes nothing: what a hub would cost that kept no record.
    #[cfg(feature = "bench")]
    #[must_use]
    pub fn forgetting(mut self) -> Self {
        self.forgets = true;
        self
    }

    /// Records an event; returns when it is on disk.
    ///
    /// # Errors
    /// When it could not be made durable. Then the operation must not be answered as if it had been recorded.
    pub async fn record(&self, event: Event) -> Result<(), AuditError> {
        self.write(Entry::Event(Box::new(event))).await
    }

    /// Records that a scan or write is about to run; returns when that is on disk.
    ///
    /// # Errors
    /// When it could not be made durable. Then the operation must not run.
    pub async fn intend(&self, intent: Intent) -> Result<(), AuditError> {
        self.write(Entry::Intent(Box::new(intent))).await
    }

    async fn write(&self, entry: Entry) -> Result<(), AuditError> {
        #[cfg(feature = "bench")]
        if self.forgets {
            return Ok(());
        }
        let (done, committed) = oneshot::channel();
        self.queue.send(Message::Write { entry, done }).await.map_err(|_| AuditError::Closed)?;
        committed.await.map_err(|_| AuditError::Closed)?
    }

    /// Writes what waits, then ends the writer. What comes later is refused with [`AuditError::Closed`].
    pub async fn close(self) {
        // An error means that the writer has ended already.
        let _ = self.queue.send(Message::Close).await;
        let Some(thread) = self.thread.lock().await.take() else { return };
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

struct Writer {
    connection: Connection,
    database: PathBuf,
    key: AuditKey,
    id: String,
    last: Link,
    _alive: Alive,
}

/// Where the chain stands.
#[derive(Clone)]
struct Link {
    seq: i64,
    hash: Vec<u8>,
}

impl Writer {
    fn open(data: &Path, database: &Path) -> Result<Self, AuditError> {
        let key = AuditKey::open(data)?;
        let mut connection = sqlite::open(database)?;
        let id = Uuid::now_v7();
        let alive = Alive::announce(data, id)?;
        let registered = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let parent = rows::insert_writer(&transaction, id)?;
            transaction.commit()?;
            Ok(parent)
        });
        let parent = registered.map_err(|error| AuditError::Open(error.to_string()))?;
        let last = Link { seq: 0, hash: key.genesis(id, parent.as_deref()) };
        let mut writer =
            Self { connection, database: database.to_owned(), key, id: id.to_string(), last, _alive: alive };
        writer.answer_the_interrupted(data)?;
        Ok(writer)
    }

    fn answer_the_interrupted(&mut self, data: &Path) -> Result<(), AuditError> {
        for dead in liveness::dead(data)? {
            let found = rows::interrupted(&self.connection, &dead.to_string());
            let events = found.map_err(|error| AuditError::Open(error.to_string()))?;
            if !events.is_empty() {
                tracing::warn!(
                    operations = events.len(),
                    "a hub ended in the middle of operations: see outcome `interrupted`"
                );
            }
            let entries: Vec<_> = events.into_iter().map(|event| Entry::Event(Box::new(event))).collect();
            self.commit(entries.iter()).map_err(|error| AuditError::Open(error.to_string()))?;
            liveness::bury(data, dead)?;
        }
        Ok(())
    }

    fn run(&mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut open = true;
        while open && waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
            let entries = batch.iter().filter_map(|message| match message {
                Message::Write { entry, .. } => Some(entry),
                Message::Close => None,
            });
            let outcome = self.commit(entries).map_err(|error| {
                tracing::error!(%error, database = %self.database.display(), "operations could not be recorded");
                AuditError::Write(error.to_string())
            });
            for message in batch.drain(..) {
                match message {
                    // The caller may have gone; its event is recorded all the same.
                    Message::Write { done, .. } => drop(done.send(outcome.clone())),
                    Message::Close => open = false,
                }
            }
        }
    }

    /// Writes all entries or none. The chain moves on only when they are on disk.
    fn commit<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut link = self.last.clone();
        for entry in entries {
            match entry {
                Entry::Intent(intent) => rows::insert_intent(&transaction, intent, &self.id)?,
                Entry::Event(event) => {
                    let (key, previous) = (&self.key, &link.hash);
                    let hash = rows::insert_event(&transaction, event, &self.id, link.seq + 1, |fields| {
                        key.over(previous, fields.iter().copied())
                    })?;
                    link = Link { seq: link.seq + 1, hash };
                }
            }
        }
        transaction.commit()?;
        self.last = link;
        Ok(())
    }
}
