//! Finds operations that nobody will answer any more: intents of writers that are dead, whatever became of their locks.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::{
    ledger,
    liveness::{self, Sign},
    message::Message,
};
use crate::store::sqlite;

/// A writer without a file is dead after this time: a live one makes its file again within a second.
const MISSING: Duration = Duration::from_secs(5);
/// How often signs of such a writer are looked for meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// How often the locks of other writers are looked at later, so that one that dies beside this one is answered for soon.
const ROUND: Duration = Duration::from_secs(5);

/// What a sweep needs. It never holds up the hub's end: it is told through `end`, by its sender's end too.
pub(super) struct Sweep {
    pub(super) data: PathBuf,
    pub(super) database: PathBuf,
    pub(super) own: Uuid,
    pub(super) queue: mpsc::WeakSender<Message>,
    pub(super) end: Receiver<()>,
}

impl Sweep {
    pub(super) fn start(self) -> std::io::Result<()> {
        thread::Builder::new().name("audit-sweep".to_owned()).spawn(move || self.run()).map(|_| ())
    }

    fn run(self) {
        let mut absent = None;
        let mut dead = BTreeSet::new();
        loop {
            // Those of whom a lock is left; and, once after the start, those of whom nothing is.
            dead.extend(liveness::dead(&self.data).into_iter().flatten());
            if absent.is_none() {
                absent = self.absent();
                dead.extend(absent.iter().flatten().copied());
            }
            for writer in std::mem::take(&mut dead) {
                match self.answer(writer) {
                    Some(true) => liveness::bury(&self.data, writer),
                    // It is tried again in the next round.
                    Some(false) => {
                        dead.insert(writer);
                    }
                    None => return,
                }
            }
            if self.ends_within(ROUND) {
                return;
            }
        }
    }

    /// Writers with unanswered intents of whom there has been no sign for long enough; `None` if that cannot be said yet.
    fn absent(&self) -> Option<Vec<Uuid>> {
        let found = sqlite::open_read_only(&self.database).map_err(|error| error.to_string()).and_then(|connection| {
            ledger::sqlite::writers_with_unanswered_intents(&connection, self.own).map_err(|error| error.to_string())
        });
        let mut absent = found
            .inspect_err(|error| tracing::warn!(%error, "interrupted operations cannot be looked for: trying again"))
            .ok()?;
        let started = Instant::now();
        loop {
            absent.retain(|writer| liveness::look(&self.data, *writer) != Sign::Life);
            if absent.is_empty() || started.elapsed() > MISSING {
                return Some(absent);
            }
            if self.ends_within(LOOK) {
                return None;
            }
        }
    }

    /// Has the writer answer for a dead one; `None` when the writer has ended.
    fn answer(&self, dead: Uuid) -> Option<bool> {
        let (done, answered) = oneshot::channel();
        let queue = self.queue.upgrade()?;
        queue.blocking_send(Message::Answer { dead, done }).ok()?;
        drop(queue);
        answered.blocking_recv().ok()
    }

    fn ends_within(&self, time: Duration) -> bool {
        !matches!(self.end.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
