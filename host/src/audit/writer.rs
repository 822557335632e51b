//! The one writer: a thread that commits all waiting events together.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::{
    runtime,
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use super::{
    chain::AuditKey,
    denials::{Denials, Together},
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

impl Entry {
    fn id(&self) -> Uuid {
        match self {
            Self::Event(event) => event.id,
            Self::Intent(intent) => intent.id,
        }
    }
}

/// An entry that is written now, and those who wait for it.
struct Writing {
    entry: Entry,
    waiting: Vec<Done>,
}

impl From<Together> for Writing {
    fn from(Together { event, waiting }: Together) -> Self {
        Self { entry: Entry::Event(event), waiting }
    }
}

/// Told the id of the row that holds the operation, once that is on disk.
pub(super) type Done = oneshot::Sender<Result<Uuid, AuditError>>;

/// What the writer is told.
enum Message {
    /// Make this durable and say so.
    Write { entry: Entry, done: Done },
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
        // The writer's own, for it waits on its queue and on time.
        let clock = runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(waiting, &clock))?;
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

    /// Records an event; returns when it is on disk, with the id of its row. That is the event's own, but for a denial
    /// that shares a row with others of its second, and waits for its end.
    ///
    /// # Errors
    /// When it could not be made durable. Then the operation must not be answered as if it had been recorded.
    pub async fn record(&self, event: Event) -> Result<Uuid, AuditError> {
        self.write(Entry::Event(Box::new(event))).await
    }

    /// Records that a scan or write is about to run; returns when that is on disk.
    ///
    /// # Errors
    /// When it could not be made durable. Then the operation must not run.
    pub async fn intend(&self, intent: Intent) -> Result<(), AuditError> {
        self.write(Entry::Intent(Box::new(intent))).await.map(|_| ())
    }

    async fn write(&self, entry: Entry) -> Result<Uuid, AuditError> {
        #[cfg(feature = "bench")]
        if self.forgets {
            return Ok(entry.id());
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

    fn run(&mut self, mut queue: mpsc::Receiver<Message>, clock: &runtime::Runtime) {
        let mut denials = Denials::default();
        let mut arrived = Vec::with_capacity(BATCH);
        let mut open = true;
        while open {
            open = clock.block_on(receive(&mut queue, &mut arrived, denials.next_end()));
            let now = Instant::now();
            let mut batch = Vec::with_capacity(arrived.len());
            for message in arrived.drain(..) {
                match message {
                    Message::Close => open = false,
                    Message::Write { entry: Entry::Event(event), done } => {
                        let now = denials.hold(event, done, now);
                        batch.extend(
                            now.map(|(event, done)| Writing { entry: Entry::Event(event), waiting: vec![done] }),
                        );
                    }
                    Message::Write { entry, done } => batch.push(Writing { entry, waiting: vec![done] }),
                }
            }
            // What is held has its row before the writer ends.
            let due = if open { denials.due(now) } else { denials.all() };
            batch.extend(due.into_iter().map(Writing::from));
            self.write(batch);
        }
    }

    /// Writes a batch and tells those who wait for it.
    fn write(&mut self, batch: Vec<Writing>) {
        if batch.is_empty() {
            return;
        }
        let outcome = self.commit(batch.iter().map(|writing| &writing.entry)).map_err(|error| {
            tracing::error!(%error, database = %self.database.display(), "operations could not be recorded");
            AuditError::Write(error.to_string())
        });
        for Writing { entry, waiting } in batch {
            for done in waiting {
                // The caller may have gone; its event is recorded all the same.
                let _ = done.send(outcome.clone().map(|()| entry.id()));
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

/// Waits for messages, or until a second of denials ends. False when no more messages will come.
async fn receive(queue: &mut mpsc::Receiver<Message>, arrived: &mut Vec<Message>, end: Option<Instant>) -> bool {
    let received = queue.recv_many(arrived, BATCH);
    match end {
        None => received.await > 0,
        // Cancelling `recv_many` loses nothing.
        Some(end) => tokio::time::timeout_at(end, received).await.map_or(true, |messages| messages > 0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{super::event::Outcome, *};

    #[tokio::test]
    async fn what_is_held_has_its_row_before_the_writer_ends() {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&data).expect("a folder");
        let database = data.join("ops.db");
        let audit = Audit::open(&data, &database).expect("a trail");
        audit.record(Event::sample(Outcome::Denied)).await.expect("recorded");
        let started = Instant::now();
        let held: Vec<_> = (0..9)
            .map(|_| {
                let audit = audit.clone();
                tokio::spawn(async move { audit.record(Event::sample(Outcome::Denied)).await })
            })
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        audit.close().await;
        assert!(started.elapsed().as_millis() < 900, "it does not wait for the second");
        let mut rows = std::collections::BTreeSet::new();
        for denied in held {
            rows.insert(denied.await.expect("a task").expect("recorded"));
        }
        let [row] = rows.iter().collect::<Vec<_>>()[..] else { panic!("{rows:?}") };
        let connection = sqlite::open_read_only(&database).expect("a database");
        let query = "SELECT times FROM ops.run_events WHERE id = ?1";
        let times: i64 = connection.query_row(query, [row.to_string()], |row| row.get(0)).expect("a row");
        assert_eq!(times, 9);
        std::fs::remove_dir_all(&data).expect("removed");
    }
}
