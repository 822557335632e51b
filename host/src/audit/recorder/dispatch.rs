//! The writer's part in the outbox: it counts what it puts in, keeps that within its bounds, and does what whoever delivers asks.

use chrono::Utc;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Phase, Recorder};
use crate::{
    audit::{
        cloud_event::{ForOutbox, Outgoing, Said, Sayer},
        entry::{Entry, timestamp},
        error::AuditError,
        event::{Event, Outcome, Sharing},
        intake::Writing,
        ledger::{Fault, Ledger},
        standing::Refusal,
        usage::Usage,
        waiting::{Bounds, Errand},
    },
    names::{OperationKind, Surface},
};

/// What the hub calls the event that tells what it has dropped.
const DROPPED: &str = "bulkhead.events.dropped";
/// ... and the one that tells that nothing could be recorded.
const OUTAGE: &str = "bulkhead.trail.outage";

impl Recorder {
    /// Counts what was put into the outbox just now, and drops the oldest if that is too much.
    pub(super) fn note_outgoing<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        let events = entries.filter_map(|entry| match entry {
            Entry::Event(event) => Some(&event.outbox.events),
            Entry::Intent(_) | Entry::Statement(_) => None,
        });
        let mut backlog = self.outbox.backlog();
        let before = backlog.events;
        for outgoing in events.flatten() {
            backlog.events += 1;
            backlog.bytes += outgoing.as_str().len() as u64;
            backlog.oldest = backlog.oldest.or_else(|| Some(Utc::now()));
        }
        if backlog.events > before {
            self.outbox.waits(backlog);
        }
    }

    /// Drops the oldest events that nobody has got if there are too many. How many that are is on record, and told by an event.
    pub(super) fn keep_within_bounds(&mut self) {
        let bounds = self.outbox.bounds();
        if !self.outbox.backlog().exceeds(bounds) || matches!(self.phase, Phase::Refusing { .. }) {
            return;
        }
        // A tenth more than has to, or each batch would tell of a few.
        let room = Bounds { events: bounds.events / 10 * 9, bytes: bounds.bytes / 10 * 9 };
        match self.journal.outbox().excess(room) {
            Ok(0) => {}
            Ok(excess) => {
                tracing::error!(excess, "the outbox is full: the oldest events that nobody has got are dropped");
                let text =
                    format!("the outbox was full: the oldest {excess} events were dropped before anybody got them");
                self.tell(told(DROPPED, &text, &json!({ "events": excess }), excess, self.outbox.is_open()));
            }
            Err(fault) => return self.refuse(&fault),
        }
        self.count_waiting();
    }

    /// Tells that nothing could be recorded for a while. It cannot be told sooner.
    pub(super) fn tell_of_outage(&mut self, refusal: Refusal) {
        self.count_waiting();
        if self.outbox.is_open() {
            let Refusal { since, why } = refusal;
            let since = timestamp(since);
            let text = format!("nothing could be recorded since {since}: {why}");
            self.tell(told(OUTAGE, &text, &json!({ "since": since, "reason": why }), 0, true));
        }
    }

    fn tell(&mut self, event: Event) {
        self.write(vec![Writing { entry: Entry::Event(Box::new(event)), waiting: Vec::new() }]);
    }

    pub(super) fn run_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Next(done) => self.answer_errand(done, Ledger::waiting),
            Errand::Delivered(keys, done) => {
                self.answer_errand(done, |ledger| ledger.delivered(&keys, Utc::now()));
                self.count_waiting();
            }
            Errand::TakeOver(done) => {
                self.answer_errand(done, Ledger::take_over);
                self.count_waiting();
            }
            Errand::Sweep(before, done) => self.answer_errand(done, |ledger| ledger.sweep(before)),
        }
    }

    /// While nothing can be recorded the outbox waits too.
    fn answer_errand<T>(
        &mut self,
        done: oneshot::Sender<Result<T, AuditError>>,
        errand: impl FnOnce(&mut Ledger) -> Result<T, Fault>,
    ) {
        let answer = match self.phase {
            Phase::Refusing { .. } => Err(AuditError::Refusing),
            Phase::Writable => errand(self.journal.outbox()).map_err(|fault| AuditError::Write(fault.to_string())),
        };
        // Whoever delivers may have ended.
        let _ = done.send(answer);
    }

    /// Counts anew what waits.
    fn count_waiting(&mut self) {
        if let Phase::Writable = self.phase
            && let Ok(backlog) = self.journal.outbox().backlog()
        {
            self.outbox.waits(backlog);
        }
    }
}

/// A row in which the hub tells something of its trail, and the event that says the same.
fn told(event_type: &str, text: &str, data: &Value, drops: u32, is_open: bool) -> Event {
    let (row, now) = (Uuid::now_v7(), Utc::now());
    let correlation_id = row.to_string();
    let (sayer, time) = (Sayer::Hub, now);
    let said = Said { row, ordinal: 0, sayer, event_type, subject: None, time, correlation_id: &correlation_id };
    let events = if is_open { vec![Outgoing::new(said, &data.to_string())] } else { Vec::new() };
    Event {
        id: row,
        created_at: now,
        provider: None,
        tool: Some(event_type.to_owned()),
        caller_id: None,
        caller_role: None,
        team: None,
        payload: None,
        result: None,
        outcome: Outcome::Failed,
        error_code: None,
        error: Some(Event::error_text(text)),
        duration_ms: 0,
        hostname: None,
        operation: OperationKind::Tell,
        surface: Surface::Hub,
        correlation_id,
        revision: None,
        replays: None,
        times: 1,
        used: Usage::default(),
        severity: None,
        sharing: Sharing::Own,
        quotas: Vec::new(),
        outbox: ForOutbox { events, drops },
    }
}
