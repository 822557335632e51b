//! One writer's chain: seals what is to be recorded, has the ledger store it, and says what became of each entry.

use std::{borrow::Cow, path::Path, time::Duration};

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

use super::{
    certificate::{self, Certificate},
    checkpoint::Document,
    entry::{Entry, timestamp},
    error::AuditError,
    event::Event,
    key::AuditKey,
    ledger::{Fault, Ledger, Purged, Rejection, Stretch, Unstored, Untied, postgres::Lease},
    seal::{Batch, Head, is_signed, seal},
    statement::{Archived, Checkpoint, FORMAT, Purge, Restore, Start, Statement, Tie},
    vouched::vouched_for,
};
use crate::store::location::Location;

/// The most entries in one batch.
pub(super) const BATCH: usize = 512;

/// What becomes of an event if another writer has one of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfAnswered {
    /// It has a row of its own beside that.
    Beside,
    /// That is enough.
    Enough,
}

/// The chain of one writer, and where it is stored.
#[derive(Debug)]
pub(super) struct Journal {
    ledger: Ledger,
    key: AuditKey,
    certificates: Vec<Certificate>,
    writer: Uuid,
    /// When the newest batch was sealed.
    sealed_at: DateTime<Utc>,
    /// Whether something was recorded since the last checkpoint.
    has_news: bool,
    /// Whether the chain has its first entry.
    has_started: bool,
}

impl Journal {
    /// Opens the trail and begins the chain of a writer, whose lock is held already.
    pub(super) fn open(data: &Path, database: &Location, writer: Uuid) -> Result<Self, AuditError> {
        Self::begin(data, Ledger::open(data, database, writer)?, writer)
    }

    /// The same for a writer that removes bodies.
    pub(super) fn open_as_owner(data: &Path, database: &Location, writer: Uuid) -> Result<Self, AuditError> {
        Self::begin(data, Ledger::open_as_owner(data, database, writer)?, writer)
    }

    fn begin(data: &Path, ledger: Ledger, writer: Uuid) -> Result<Self, AuditError> {
        let key = AuditKey::open(data)?;
        let certificates = certificate::read(data)?;
        let sealed_at = DateTime::<Utc>::MIN_UTC;
        let mut journal = Self { ledger, key, certificates, writer, sealed_at, has_news: false, has_started: false };
        journal.start().map_err(|fault| AuditError::Open(fault.to_string()))?;
        Ok(journal)
    }

    fn start(&mut self) -> Result<(), Fault> {
        let ties = self.untied()?.into_iter().map(|untied| untied.tie).collect();
        let hub = env!("CARGO_PKG_VERSION").to_owned();
        let certificates = self.certificates.clone();
        let start = Start { certificates, format: FORMAT, hub, key: self.key.public().to_string(), ties };
        self.write(vec![Cow::Owned(Entry::Statement(Box::new(Statement::start(&start))))], IfAnswered::Enough)?;
        self.has_started = true;
        Ok(())
    }

    /// How long a transaction waits for others.
    pub(super) fn set_patience(&mut self, timeout: Duration) {
        self.ledger.set_patience(timeout);
    }

    /// Repairs what can be repaired after a fault. A writer that counts as dead goes on as another, with a chain of its own.
    pub(super) fn repair(&mut self) -> Result<(), Fault> {
        let repaired = self.ledger.repair();
        if self.ledger.is_fenced() {
            let writer = Uuid::now_v7();
            self.ledger.begin(writer)?;
            tracing::warn!(was = %self.writer, now = %writer, "another hub has taken this one for dead: it goes on under a new name");
            (self.writer, self.has_started) = (writer, false);
        } else {
            repaired?;
        }
        if self.has_started { Ok(()) } else { self.start() }
    }

    /// The store, for the outbox: that is no part of the chain.
    pub(super) fn outbox(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// Writers that have left something unanswered and count as dead, but for those with a lock.
    pub(super) fn abandoned(&mut self) -> Result<Vec<Uuid>, Fault> {
        self.ledger.abandoned()
    }

    /// Renews the lease, and gives those of others that have run out.
    pub(super) fn renew_and_look(&mut self) -> Result<Vec<Lease>, Fault> {
        self.ledger.renew_and_look()
    }

    /// Who has a lease.
    pub(super) fn living(&mut self) -> Result<Vec<Uuid>, Fault> {
        self.ledger.living()
    }

    /// Keeps a writer from writing whose lease has run out. False if it lives after all.
    pub(super) fn fence(&mut self, writer: Uuid) -> Result<bool, Fault> {
        self.ledger.fence(writer)
    }

    /// Forgets a writer that was fenced, when all is answered.
    pub(super) fn bury(&mut self, writer: Uuid) -> Result<(), Fault> {
        self.ledger.bury(writer)
    }

    /// Gives up the lease. If something is unanswered others find that it has run out.
    pub(super) fn end_lease(&mut self, is_answered: bool) -> Result<(), Fault> {
        self.ledger.end_lease(is_answered)
    }

    /// Writes all entries, and gives each one's row. An entry that cannot be written while others can does not hold them
    /// up: an event has another in its place, an intent is refused.
    pub(super) fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Result<Vec<Result<Uuid, AuditError>>, Fault> {
        self.write(entries.map(Cow::Borrowed).collect(), IfAnswered::Beside)
    }

    /// Writes events that were to be written before, each once: those that are there already have come through.
    pub(super) fn commit_again<'a>(&mut self, events: impl Iterator<Item = &'a Event>) -> Result<(), Fault> {
        let entries = events.map(|event| Cow::Owned(Entry::Event(Box::new(event.clone())))).collect();
        self.write(entries, IfAnswered::Beside)?;
        // Nobody would know whether something can be written if nothing had to be.
        self.ledger.touch()
    }

    /// Removes bodies and states that, or neither.
    pub(super) fn purge(&mut self, bodies: &[Purged]) -> Result<(), Fault> {
        let purge = Purge { bodies: bodies.iter().map(|purged| purged.of).collect() };
        let entry = Entry::Statement(Box::new(Statement::purge(&purge)));
        let previous = self.ledger.head()?;
        let batch = self.sealed(previous, std::iter::once(&entry));
        self.ledger.purge(&batch, bodies)
    }

    /// Overwrites what was removed, as far as this program can. False where it may still stand in files.
    pub(super) fn forget_removed(&mut self) -> Result<bool, Fault> {
        self.ledger.forget_removed()
    }

    /// Answers what a dead writer has left unanswered, and says how much that was. Of several hubs that do, the store lets
    /// one. An intent that no hub has sealed is none: what it says is not signed here.
    pub(super) fn answer(&mut self, dead: Uuid) -> Result<usize, Fault> {
        let intents = self.ledger.unanswered(dead)?;
        let mut stretch: Option<Stretch> = None;
        let mut events = Vec::with_capacity(intents.len());
        for intent in intents {
            let seq = intent.place.seq;
            if !stretch.as_ref().is_some_and(|known| (known.previous.seq + 1..=known.head.seq).contains(&seq)) {
                stretch = self.ledger.stretch(dead, seq)?;
            }
            if stretch.as_ref().is_some_and(|stretch| self.is_ours(dead, stretch)) {
                events.push(Entry::Event(Box::new(Event::interrupted(intent.entry))));
            } else {
                tracing::error!(writer = %dead, seq, "somebody else has announced an operation in the trail, or changed what was announced: run `bulkhead audit verify`");
            }
        }
        let mut answered = 0;
        for some in events.chunks(BATCH) {
            let written = self.write(some.iter().map(Cow::Borrowed).collect(), IfAnswered::Enough)?;
            answered += written.iter().filter(|row| row.is_ok()).count();
        }
        Ok(answered)
    }

    /// Whether this hub's key, or one before it, has signed these entries as they are.
    fn is_ours(&self, writer: Uuid, stretch: &Stretch) -> bool {
        let Stretch { previous, entries, head, signature } = stretch;
        let hashed = entries.iter().fold(*previous, |at, sealed| at.after(&sealed.entry.encoding(&sealed.place)));
        hashed == *head
            && certificate::with_predecessors(self.key.public(), &self.certificates)
                .iter()
                .any(|key| is_signed(key, writer, previous, head, signature))
    }

    /// States where the chains stand, if something has happened since that was last stated: here, or in a chain of which
    /// nobody has named the end. `is_alive` says of whom more is to be expected. Gives the same for places outside the database,
    /// if there was something to state.
    pub(super) fn checkpoint(&mut self, is_alive: impl Fn(Uuid) -> bool) -> Result<Option<Document>, Fault> {
        let untied = self.untied()?;
        // Checkpoints of those who live are no news, or two hubs would answer each other for ever.
        let is_news = self.has_news || untied.iter().any(|chain| !(chain.is_checkpoint && is_alive(chain.tie.writer)));
        if !is_news {
            return Ok(None);
        }
        let ties: Vec<_> = untied.into_iter().map(|untied| untied.tie).collect();
        let statement = Statement::checkpoint(&Checkpoint { ties: ties.clone() });
        self.write(vec![Cow::Owned(Entry::Statement(Box::new(statement)))], IfAnswered::Enough)?;
        self.has_news = false;
        let Head { seq, hash: head } = self.ledger.head()?;
        let own = Tie { head, seq, writer: self.writer };
        Ok(Some(Document::sign(&self.key, ties.into_iter().chain([own]).collect())))
    }

    /// The newest heads of other chains that no statement names yet.
    fn untied(&mut self) -> Result<Vec<Untied>, Fault> {
        let keys = certificate::with_predecessors(self.key.public(), &self.certificates);
        Ok(vouched_for(&keys, self.ledger.untied()?))
    }

    /// States what an archive holds.
    pub(super) fn archived(&mut self, archived: &Archived) -> Result<(), AuditError> {
        self.state(Statement::archive(archived))
    }

    /// States that the trail is that of a backup.
    pub(super) fn restored(&mut self, backed_up_at: DateTime<Utc>) -> Result<(), AuditError> {
        self.state(Statement::restore(&Restore { backed_up_at: timestamp(backed_up_at) }))
    }

    fn state(&mut self, statement: Statement) -> Result<(), AuditError> {
        let statement = Entry::Statement(Box::new(statement));
        let written = self.write(vec![Cow::Owned(statement)], IfAnswered::Enough);
        let written = written.map_err(|fault| AuditError::Write(fault.to_string()))?;
        written.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
    }

    fn write(
        &mut self,
        entries: Vec<Cow<'_, Entry>>,
        if_answered: IfAnswered,
    ) -> Result<Vec<Result<Uuid, AuditError>>, Fault> {
        let mut slots: Vec<_> = entries.into_iter().map(Slot::new).collect();
        let previous = self.ledger.head()?;
        loop {
            let waiting: Vec<usize> = (0..slots.len()).filter(|&slot| slots[slot].settled.is_none()).collect();
            if waiting.is_empty() {
                break;
            }
            match self.append(previous, waiting.iter().map(|&slot| &*slots[slot].entry)) {
                Ok(()) => {
                    for slot in waiting {
                        slots[slot].settle();
                    }
                    break;
                }
                Err(Unstored::Fault(fault)) => return Err(fault),
                // One of them cannot be as it is. The others are sealed anew without it.
                Err(Unstored::Entry { index, why }) => slots[waiting[index]].reject(&why, if_answered)?,
            }
        }
        Ok(slots.into_iter().filter_map(|slot| slot.settled).collect())
    }

    fn append<'a>(&mut self, previous: Head, entries: impl Iterator<Item = &'a Entry>) -> Result<(), Unstored> {
        let batch = self.sealed(previous, entries);
        self.ledger.append(&batch)
    }

    fn sealed<'a>(&mut self, previous: Head, entries: impl Iterator<Item = &'a Entry>) -> Batch<'a> {
        let batch = seal(&self.key, self.writer, previous, self.sealed_at, entries);
        if let Some(first) = batch.entries.first() {
            self.sealed_at = first.place.recorded_at;
        }
        self.has_news = true;
        batch
    }
}

/// An entry on its way into the store.
struct Slot<'a> {
    entry: Cow<'a, Entry>,
    is_stand_in: bool,
    /// What became of it.
    settled: Option<Result<Uuid, AuditError>>,
}

impl<'a> Slot<'a> {
    fn new(entry: Cow<'a, Entry>) -> Self {
        Self { entry, is_stand_in: false, settled: None }
    }

    /// It is in the store.
    fn settle(&mut self) {
        self.settled = Some(Ok(self.entry.id()));
    }

    /// It cannot be stored as it is.
    fn reject(&mut self, why: &Rejection, if_answered: IfAnswered) -> Result<(), Fault> {
        match (&*self.entry, why) {
            (Entry::Event(_), Rejection::Repeated { own: true }) => self.settle(),
            (Entry::Event(_), Rejection::Repeated { own: false }) if if_answered == IfAnswered::Enough => {
                self.settled = Some(Err(AuditError::Write("another hub has answered it".to_owned())));
            }
            (Entry::Event(event), _) if !self.is_stand_in => {
                let stand_in = stand_in(event, matches!(why, Rejection::Repeated { .. }));
                tracing::error!(?why, call_id = %event.id, row = %stand_in.id, "the database rejected a row: a substitute is written instead");
                self.entry = Cow::Owned(Entry::Event(Box::new(stand_in)));
                self.is_stand_in = true;
            }
            (Entry::Intent(intent), _) => {
                tracing::error!(?why, call_id = %intent.id, "an operation could not be announced, so it does not run");
                self.settled = Some(Err(AuditError::Write(format!("{why:?}"))));
            }
            // If this fails too, it is not for what is in it.
            (Entry::Event(_) | Entry::Statement(_), _) => return Err(Fault::Rejects(format!("{why:?}"))),
        }
        Ok(())
    }
}

/// The id of the row in the place of another: always the same, so that it is there once.
fn stand_in_id(id: Uuid) -> Uuid {
    let digest = digest::digest(&digest::SHA256, &[b"in the place of ".as_slice(), id.as_bytes()].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

/// What is recorded in the place of an event that cannot be. If that is because its operation has an answer already, which
/// another hub gave that took this one for dead, nothing else is wrong with it.
fn stand_in(event: &Event, answered: bool) -> Event {
    let told = if answered {
        format!("substitute for {}, which was answered already", event.id)
    } else {
        format!("substitute for {}, whose contents the database rejected", event.id)
    };
    let error = match &event.error {
        Some(error) if answered => format!("{told}: {error}"),
        _ => told,
    };
    let mut stand_in = Event { id: stand_in_id(event.id), error: Some(Event::error_text(&error)), ..event.clone() };
    if !answered {
        (stand_in.payload, stand_in.result, stand_in.hostname, stand_in.tool) = (None, None, None, None);
        (stand_in.provider, stand_in.team, stand_in.quotas) = (None, None, Vec::new());
        (stand_in.correlation_id, stand_in.times) = (event.id.to_string(), stand_in.times.max(1));
    }
    stand_in
}

#[cfg(test)]
impl Journal {
    /// Whose chain it is.
    pub(super) fn writer(&self) -> Uuid {
        self.writer
    }
}

#[cfg(test)]
mod tests;
