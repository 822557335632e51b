//! The one writer: a thread that commits all waiting events together.

use std::{
    path::Path,
    sync::{Arc, mpsc as answers},
    thread,
};

use tokio::{
    runtime,
    sync::{Mutex, mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    entry::Entry,
    error::AuditError,
    event::{Event, Intent},
    message::Message,
    outbox::{self, Outbox},
    recorder::{Recorder, Sharing},
    sinks::{Outlet, Post},
    standing::{Refusal, Standing},
    trail::Trail,
};
use crate::{config::CheckpointSink, store::location::Location};

/// Events that may wait for the writer; a call that finds the queue full waits for a place.
const QUEUE: usize = 4096;

/// The audit trail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    queue: mpsc::Sender<Message>,
    standing: Arc<Standing>,
    trail: Trail,
    outlet: Arc<Outlet>,
    outbox: Outbox,
    thread: Arc<Mutex<Option<thread::JoinHandle<()>>>>,
    #[cfg(feature = "bench")]
    forgets: bool,
}

impl Audit {
    /// Opens the trail in `data`, answers the intents that a crashed hub left, and starts the writer.
    ///
    /// # Errors
    /// When the database or the key cannot be used.
    pub fn open(data: &Path, database: impl Into<Location>) -> Result<Self, AuditError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let standing = Arc::<Standing>::default();
        let outlet = Arc::<Outlet>::default();
        // The writer's own, for it waits on its queue and on time.
        let clock = runtime::Builder::new_current_thread().enable_time().build()?;
        let (opened, is_open) = answers::channel();
        let database = database.into();
        let commits = watch::Sender::new(());
        let trail = Trail::of(&database, commits.clone());
        let shared = Arc::<outbox::Shared>::default();
        let outbox = Outbox::new(queue.downgrade(), Arc::clone(&shared));
        let data = data.to_owned();
        let sharing = Sharing {
            standing: Arc::clone(&standing),
            outlet: Arc::clone(&outlet),
            outbox: shared,
            commits,
            queue: queue.downgrade(),
        };
        // Opened by the thread that goes on with it: a database on a network is waited for on a runtime of that thread's own.
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || {
            let recorder = match Recorder::open(&data, database, sharing) {
                Ok(recorder) => recorder,
                // Whoever opens waits for it.
                Err(error) => return drop(opened.send(Err(error))),
            };
            if opened.send(Ok(())).is_ok() {
                recorder.run(waiting, &clock);
            }
        })?;
        is_open.recv().map_err(|_| AuditError::Closed)??;
        Ok(Self {
            queue,
            standing,
            trail,
            outlet,
            outbox,
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

    /// Asks before anything of a call runs. While nothing can be recorded the call is counted, and must be answered with
    /// [`AuditError::Refusing`]: this gives the id of the row that will tell of it. Cheap.
    #[must_use]
    pub fn turn_away(&self) -> Option<Uuid> {
        self.standing.turn_away()
    }

    /// What has been recorded, for reading.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What was recorded for others and waits to be delivered.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Why nothing can be recorded; `None` while it is healthy.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.standing.refusal()
    }

    /// Why the newest checkpoint could not be given to a sink; `None` while all have what they should.
    #[must_use]
    pub fn checkpoint_problem(&self) -> Option<String> {
        self.outlet.problem()
    }

    /// Gives checkpoints to the sinks that there are at the time, until the `end`. What fails is tried again, and told by
    /// [`Self::checkpoint_problem`].
    pub async fn give_checkpoints(
        &self,
        sinks: impl Fn() -> Vec<CheckpointSink>,
        post: &Post,
        end: &CancellationToken,
    ) {
        self.outlet.give(sinks, post, end).await;
    }

    /// Gives the last checkpoint, after [`Self::close`] has made it. Waits for two seconds at most.
    pub async fn give_last_checkpoint(&self, sinks: Vec<CheckpointSink>, post: &Post) {
        self.outlet.give_last(sinks, post).await;
    }

    /// Records an event; returns when it is on disk, with the id of its row. That is the event's own, but for a denial
    /// that shares a row with others of its second, and waits for its end.
    ///
    /// # Errors
    /// When it could not be made durable. Then the operation must not be answered as if it had been recorded. The event is
    /// kept, and recorded when that is possible again.
    pub async fn record(&self, event: Event) -> Result<Uuid, AuditError> {
        self.write(Entry::Event(Box::new(event.into_kept()))).await
    }

    /// Records that a scan or write is about to run; returns when that is on disk.
    ///
    /// # Errors
    /// When it could not be made durable. Then the operation must not run.
    pub async fn intend(&self, intent: Intent) -> Result<(), AuditError> {
        self.write(Entry::Intent(Box::new(intent.into_kept()))).await.map(|_| ())
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

    /// Writes what waits, then ends the writer. What comes later is refused with [`AuditError::Closed`]. While nothing can be
    /// recorded that is tried for a few seconds; what then has no row is told of as `interrupted` by the next start.
    pub async fn close(&self) {
        // An error means that the writer has ended already.
        let _ = self.queue.send(Message::Close).await;
        let Some(thread) = self.thread.lock().await.take() else { return };
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{super::event::Outcome, *};
    use crate::store::sqlite;

    #[tokio::test]
    async fn what_is_held_has_its_row_before_the_writer_ends() {
        let data = std::env::temp_dir().join(format!("bulkhead-test-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&data).expect("a folder");
        let database = data.join("ops.db");
        let audit = Audit::open(&data, &*database).expect("a trail");
        for _ in 0..20 {
            audit.record(Event::sample(Outcome::Denied)).await.expect("recorded");
        }
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
        let query = "SELECT times FROM ops.events WHERE id = ?1";
        let times: i64 = connection.query_row(query, [row.to_string()], |row| row.get(0)).expect("a row");
        assert_eq!(times, 9);
        std::fs::remove_dir_all(&data).expect("removed");
    }
}
