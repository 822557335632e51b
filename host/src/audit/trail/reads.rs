//! Reading the trail in turns, each time in a thread that may wait for the disk, for a bounded time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    super::ledger::{ReadFault, Readers},
    places::Most,
    sources::Sources,
    turns::{Reader, Turn, Turns, WAITING_OF_CALLER},
};
use crate::store::location::Location;

/// How much less of the processors a reader gets than those who call (`nice`).
const GIVES_WAY: i32 = 10;
/// How long a read may take.
const READ_TIME: Duration = Duration::from_secs(5);
/// How long one waits for its turn before it is refused: longer than the one before may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(READ_TIME.as_secs() + 1);

/// Why the trail was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrailError {
    /// Others are reading, or the caller itself.
    #[error(
        "the audit trail is being read by as many as may at once, or you have {WAITING_OF_CALLER} reads that wait for their turn: \
         try again in a moment"
    )]
    Busy,
    /// As many exports or streams are under way.
    #[error(
        "as many {what} of the audit trail are under way as may be at once, {} of one caller: end one, or wait until one ends",
        most.caller
    )]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: Most,
    },
    /// It took too long.
    #[error(
        "the search took longer than {} s: narrow it by `from` and `to`, `caller`, `correlation_id`, or `provider` and `tool`",
        READ_TIME.as_secs()
    )]
    TooLong,
    /// The database cannot be reached, or has no time for it.
    #[error("the audit trail's database cannot be reached at the moment")]
    Away,
    /// It cannot be read.
    #[error("the audit trail cannot be read: tell an admin, whom the log tells more")]
    Unreadable,
}

impl From<ReadFault> for TrailError {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Over => return Self::TooLong,
            ReadFault::Store(_) | ReadFault::Postgres(_) | ReadFault::Sqlite(_) => {}
        }
        tracing::error!(error = %fault, "the audit trail cannot be read");
        match fault {
            ReadFault::Postgres(error) if error.is_passing() => Self::Away,
            _ => Self::Unreadable,
        }
    }
}

/// Whose turn it is, and where to read. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    readers: Readers,
    turns: Turns,
}

impl Reads {
    pub(super) fn of(database: &Location) -> Self {
        Self { readers: Readers::of(database, READ_TIME), turns: Turns::default() }
    }

    /// Reads when it is the caller's turn.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        reader: Reader,
        patience: Duration,
        work: impl FnOnce(&Sources) -> Result<T, ReadFault> + Send + 'static,
    ) -> Result<T, TrailError> {
        let turn = self.turn(reader, patience).await.ok_or(TrailError::Busy)?;
        self.read_in(turn, work).await
    }

    /// The caller's turn, for which it waits so long; `None` if it does not come.
    pub(super) async fn turn(&self, reader: Reader, patience: Duration) -> Option<Turn> {
        self.turns.take(reader, patience).await
    }

    /// Reads in a turn. When this is dropped, the read ends.
    pub(super) async fn read_in<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&Sources) -> Result<T, ReadFault> + Send + 'static,
    ) -> Result<T, TrailError> {
        let wanted = Wait::default();
        let (is_left, end) = (Arc::clone(&wanted.0), Instant::now() + READ_TIME);
        let readers = self.readers.clone();
        let (done, read) = oneshot::channel();
        let work = move || {
            // Until the thread ends, whether or not somebody waits for it.
            let _turn = turn;
            let reading = readers.open(move || is_left.load(Ordering::Relaxed) || Instant::now() >= end)?;
            work(&Sources::live(reading))
        };
        // A thread of its own, so that those who call come first: what it has lost of its priority it does not get back.
        let thread = thread::Builder::new().name("trail reader".to_owned()).spawn(move || {
            // It reads all the same.
            let _ = rustix::process::nice(GIVES_WAY);
            // Whoever waited may have left.
            let _ = done.send(work());
        });
        match (thread, read.await) {
            (Ok(_), Ok(read)) => Ok(read?),
            (thread, _) => {
                tracing::error!(error = thread.err().map(tracing::field::display), "a reader of the audit trail broke");
                Err(TrailError::Unreadable)
            }
        }
    }
}

/// Ends a read for which nobody waits any more.
#[derive(Default)]
struct Wait(Arc<AtomicBool>);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
