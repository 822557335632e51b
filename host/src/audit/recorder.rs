//! The writer's thread: what it does while rows are taken, and what while they are not.
//!
//! When a commit fails nothing new begins ([`Standing`]); events of operations that were under way are kept, and tried again
//! until they are durable. That is bounded by what was under way. Their callers are told at once that they are not recorded.

mod dispatch;

use std::{collections::VecDeque, error::Error as _, path::Path, sync::Arc, thread, time::Duration};

use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use uuid::Uuid;

use super::{
    entry::Entry,
    error::AuditError,
    event::Event,
    intake::{Intake, Taken, Writing},
    journal::{BATCH, Journal},
    ledger::Fault,
    message::{Done, Message},
    outbox,
    presence::Presence,
    sinks::Outlet,
    standing::Standing,
};
use crate::{
    store::{location::Location, sqlite::BUSY_TIMEOUT},
    telemetry::metrics,
};

/// How often writing is tried again after it failed.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How long such a try waits for another process: messages wait meanwhile.
const RETRY_BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// How often it is stated where the chains stand, if something has happened.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// The first comes sooner: a sink that fails is known before anybody relies on it.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(5);
/// How long the end of the hub waits for writing to become possible.
const ENDING: Duration = Duration::from_secs(5);

/// What the writer can do.
enum Phase {
    /// Rows are taken.
    Writable,
    /// They are not. Events of operations that were under way wait for the next try, in the order in which they came.
    Refusing { kept: VecDeque<Event>, next: Instant },
}

/// The writer.
pub(super) struct Recorder {
    journal: Journal,
    database: Location,
    next_checkpoint: Instant,
    phase: Phase,
    standing: Arc<Standing>,
    outlet: Arc<Outlet>,
    outbox: Arc<outbox::Shared>,
    /// Told of each commit.
    commits: watch::Sender<()>,
    presence: Presence,
}

/// What the writer shares with those who hold the trail.
pub(super) struct Sharing {
    pub(super) standing: Arc<Standing>,
    pub(super) outlet: Arc<Outlet>,
    pub(super) outbox: Arc<outbox::Shared>,
    pub(super) commits: watch::Sender<()>,
    pub(super) queue: mpsc::WeakSender<Message>,
}

impl Recorder {
    /// Opens the trail and answers the intents that crashed hubs left.
    pub(super) fn open(
        data: &Path,
        database: Location,
        Sharing { standing, outlet, outbox, commits, queue }: Sharing,
    ) -> Result<Self, AuditError> {
        let id = Uuid::now_v7();
        let mut presence = Presence::announce(data, &database, id)?;
        let mut journal = Journal::open(data, &database, id)?;
        for dead in presence.crashed(&mut journal)? {
            answer(&mut journal, dead)
                .and_then(|()| presence.bury(&mut journal, dead))
                .map_err(|error| AuditError::Open(error.to_string()))?;
        }
        presence.watch(id, queue)?;
        let next_checkpoint = Instant::now() + FIRST_CHECKPOINT;
        let phase = Phase::Writable;
        Ok(Self { journal, database, next_checkpoint, phase, standing, outlet, outbox, commits, presence })
    }

    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>, clock: &runtime::Runtime) {
        let mut intake = Intake::default();
        let mut arrived = Vec::with_capacity(BATCH);
        let mut open = true;
        while open {
            let dues = [intake.next_end(), self.next_try(), self.next_beat(), Some(self.next_checkpoint)];
            open = clock.block_on(receive(&mut queue, &mut arrived, dues.into_iter().flatten().min()));
            metrics::waiting(queue.len() + arrived.len());
            let Taken { batch, counted, dead, errands, closes } = intake.take(&mut arrived, Instant::now());
            open &= !closes;
            self.write(batch);
            if !open {
                // What is held has its row before the writer ends.
                self.write(intake.all());
            }
            self.tell_counted(counted);
            self.keep_within_bounds();
            if self.next_try().is_some_and(|next| next <= Instant::now()) {
                self.try_again();
            }
            for errand in errands {
                self.run_errand(errand);
            }
            for (writer, done) in dead {
                self.answer_for(writer, done);
            }
            if self.next_beat().is_some_and(|next| next <= Instant::now()) {
                self.beat();
            }
            if self.next_checkpoint <= Instant::now() {
                self.checkpoint();
            }
        }
        // So that the end of a hub that was stopped is named too.
        self.checkpoint();
        self.finish();
    }

    /// Tells those who have no row of their own, once the one that stands for them is durable.
    fn tell_counted(&self, counted: Vec<(Uuid, Done)>) {
        let refused = AuditError::Write("the audit trail cannot be written at the moment".to_owned());
        for (row, done) in counted {
            let told = if let Phase::Writable = self.phase { Ok(row) } else { Err(refused.clone()) };
            tell(vec![done], &told);
        }
    }

    fn next_try(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Writable => None,
            Phase::Refusing { next, .. } => Some(*next),
        }
    }

    /// When others have to be shown that this hub lives. While nothing can be written, the tries do that.
    fn next_beat(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Writable => self.presence.next_beat(),
            Phase::Refusing { .. } => None,
        }
    }

    /// Shows that this hub lives, and answers for those who do not any more.
    fn beat(&mut self) {
        let Self { journal, presence, .. } = self;
        let answered = presence.beat(journal).and_then(|dead| {
            dead.into_iter().try_for_each(|dead| answer(journal, dead).and_then(|()| presence.bury(journal, dead)))
        });
        if let Err(fault) = answered {
            self.refuse(&fault);
        }
    }

    /// Writes a batch and tells those who wait for it. What cannot be written is kept.
    fn write(&mut self, batch: Vec<Writing>) {
        if batch.is_empty() {
            return;
        }
        if let Phase::Refusing { .. } = self.phase {
            return self.keep(batch, &AuditError::Write("the audit trail cannot be written at the moment".to_owned()));
        }
        self.standing.committing();
        let (rows, since) = (batch.len(), metrics::clock());
        let committed = self.journal.commit(batch.iter().map(|writing| &writing.entry));
        metrics::committed(rows, since);
        match committed {
            Ok(rows) => {
                self.note_outgoing(batch.iter().map(|writing| &writing.entry));
                for (row, writing) in rows.into_iter().zip(batch) {
                    tell(writing.waiting, &row);
                }
                self.writable();
            }
            Err(fault) => {
                let told = AuditError::Write(fault.to_string());
                self.refuse(&fault);
                self.keep(batch, &told);
            }
        }
    }

    /// Keeps what must be recorded, and tells those who wait that it is not. An operation that could not be announced does
    /// not run; the event that says so is still to come.
    fn keep(&mut self, batch: Vec<Writing>, told: &AuditError) {
        for Writing { entry, waiting } in batch {
            if let (Entry::Event(event), Phase::Refusing { kept, .. }) = (entry, &mut self.phase) {
                kept.push_back(*event);
            }
            tell(waiting, &Err(told.clone()));
        }
    }

    /// From now on nothing new begins.
    fn refuse(&mut self, fault: &Fault) {
        if self.standing.refuse(fault.to_string()) {
            tracing::error!(
                error = %fault,
                cause = fault.source().map(ToString::to_string),
                database = %self.database,
                "operations could not be recorded: no new one starts until they can be"
            );
        }
        let next = Instant::now() + TRY_AGAIN;
        match &mut self.phase {
            Phase::Refusing { next: other, .. } => *other = next,
            writable @ Phase::Writable => *writable = Phase::Refusing { kept: VecDeque::new(), next },
        }
    }

    /// Rows are taken (again). Those who were turned away have their row.
    fn writable(&mut self) {
        self.commits.send_replace(());
        self.phase = Phase::Writable;
        if let Some(turned_away) = self.standing.writable() {
            let entry = Entry::Event(Box::new(turned_away.event()));
            self.write(vec![Writing { entry, waiting: Vec::new() }]);
        }
    }

    /// Tries to write what was kept.
    fn try_again(&mut self) {
        match self.write_kept() {
            Ok(recorded) => {
                tracing::warn!(recorded, database = %self.database, "operations can be recorded again");
                let refusal = self.standing.refusal();
                self.writable();
                if let Some(refusal) = refusal {
                    self.tell_of_outage(refusal);
                }
            }
            Err(fault) => self.refuse(&fault),
        }
    }

    fn write_kept(&mut self) -> Result<usize, Fault> {
        let Phase::Refusing { kept, .. } = &mut self.phase else { return Ok(0) };
        self.journal.repair()?;
        self.journal.set_patience(RETRY_BUSY_TIMEOUT);
        let mut recorded = 0;
        loop {
            let count = kept.len().min(BATCH);
            // Also when there is nothing: it shows whether something could be written.
            self.journal.commit_again(kept.iter().take(count))?;
            kept.drain(..count);
            recorded += count;
            if kept.is_empty() {
                break;
            }
        }
        self.journal.set_patience(BUSY_TIMEOUT);
        Ok(recorded)
    }

    fn answer_for(&mut self, dead: Uuid, done: oneshot::Sender<bool>) {
        let answered = match &self.phase {
            Phase::Refusing { .. } => false,
            Phase::Writable => match answer(&mut self.journal, dead) {
                Ok(()) => true,
                Err(fault) => {
                    self.refuse(&fault);
                    false
                }
            },
        };
        // The sweep may have ended.
        let _ = done.send(answered);
    }

    fn checkpoint(&mut self) {
        self.next_checkpoint = Instant::now() + CHECKPOINT;
        if let Phase::Refusing { .. } = self.phase {
            return;
        }
        let Self { journal, presence, .. } = self;
        let stated = presence.living(journal).and_then(|living| journal.checkpoint(|writer| living.includes(writer)));
        match stated {
            Ok(None) => {}
            Ok(Some(document)) => self.outlet.put(document.line()),
            Err(fault) => self.refuse(&fault),
        }
    }

    /// The end of the hub: what is kept is tried for a while.
    fn finish(mut self) {
        let until = Instant::now() + ENDING;
        while let Phase::Refusing { .. } = self.phase {
            self.try_again();
            if Instant::now() >= until {
                break;
            }
            thread::sleep(RETRY_BUSY_TIMEOUT);
        }
        let Self { mut journal, phase, presence, .. } = self;
        if let Phase::Refusing { kept, .. } = &phase {
            tracing::error!(
                operations = kept.len(),
                "these have no row; those that were announced get one by the next start, outcome `interrupted`"
            );
        }
        presence.end(&mut journal, matches!(phase, Phase::Writable));
    }
}

fn answer(journal: &mut Journal, dead: Uuid) -> Result<(), Fault> {
    let operations = journal.answer(dead)?;
    if operations > 0 {
        tracing::warn!(operations, "a hub ended in the middle of operations: see outcome `interrupted`");
    }
    Ok(())
}

fn tell(waiting: Vec<Done>, row: &Result<Uuid, AuditError>) {
    for done in waiting {
        // The caller may have gone; its event is recorded all the same.
        let _ = done.send(row.clone());
    }
}

/// Waits for messages, or until something is due. False when no more messages will come.
async fn receive(queue: &mut mpsc::Receiver<Message>, arrived: &mut Vec<Message>, due: Option<Instant>) -> bool {
    let received = queue.recv_many(arrived, BATCH);
    match due {
        None => received.await > 0,
        // Cancelling `recv_many` loses nothing.
        Some(due) => tokio::time::timeout_at(due, received).await.map_or(true, |messages| messages > 0),
    }
}
