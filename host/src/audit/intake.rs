//! What the writer takes in: what is written now, what waits for others like it, and what is only counted.

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    denials::{Denials, Together},
    entry::Entry,
    event::Event,
    frequent::{Frequent, Held},
    message::{Done, Message},
    waiting::Errand,
};

/// An entry that is written now, and those who wait for it.
pub(super) struct Writing {
    pub(super) entry: Entry,
    pub(super) waiting: Vec<Done>,
}

impl From<Together> for Writing {
    fn from(Together { event, waiting }: Together) -> Self {
        Self { entry: Entry::Event(event), waiting }
    }
}

/// What came of the messages that had arrived.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) batch: Vec<Writing>,
    /// Those that are counted, and the row that stands for each.
    pub(super) counted: Vec<(Uuid, Done)>,
    /// Writers to answer for.
    pub(super) dead: Vec<(Uuid, tokio::sync::oneshot::Sender<bool>)>,
    /// What is to be done with the outbox.
    pub(super) errands: Vec<Errand>,
    /// Whether no more messages are to be taken.
    pub(super) closes: bool,
}

/// What is held.
#[derive(Default)]
pub(super) struct Intake {
    denials: Denials,
    frequent: Frequent,
}

impl Intake {
    /// Sorts what has arrived, and adds what was held until now.
    pub(super) fn take(&mut self, arrived: &mut Vec<Message>, now: Instant) -> Taken {
        let mut taken = Taken { batch: Vec::with_capacity(arrived.len()), ..Taken::default() };
        for message in arrived.drain(..) {
            match message {
                Message::Close => taken.closes = true,
                Message::Outbox(errand) => taken.errands.push(errand),
                Message::Answer { dead, done } => taken.dead.push((dead, done)),
                Message::Write { entry: Entry::Event(event), done } => match self.frequent.hold(event, now) {
                    Held::Counted(row) => taken.counted.push((row, done)),
                    Held::Written(event) => {
                        let written = self.denials.hold(event, done, now);
                        let written = written.map(|(event, done)| (Entry::Event(event), done));
                        taken.batch.extend(written.map(|(entry, done)| Writing { entry, waiting: vec![done] }));
                    }
                },
                Message::Write { entry, done } => taken.batch.push(Writing { entry, waiting: vec![done] }),
            }
        }
        taken.batch.extend(self.denials.due(now).into_iter().map(Writing::from));
        taken.batch.extend(self.frequent.due(now).into_iter().map(counting));
        taken
    }

    /// When something that is held is due; `None` while nothing is.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.denials.next_end().into_iter().chain(self.frequent.next_end()).min()
    }

    /// All that is held.
    pub(super) fn all(&mut self) -> Vec<Writing> {
        let shared = self.denials.all().into_iter().map(Writing::from);
        shared.chain(self.frequent.all().into_iter().map(counting)).collect()
    }
}

/// A row that counts has nobody who waits for it.
fn counting(event: Event) -> Writing {
    Writing { entry: Entry::Event(Box::new(event)), waiting: Vec::new() }
}
