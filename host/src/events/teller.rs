//! Where the hub says what is to be told: by the row of a call, or by a row of its own.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{SecondsFormat, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::hub_event::HubEvent;
use crate::{
    audit::{Audit, Backlog, Event, ForOutbox, Outbox, Outcome, Outgoing, Said, Sayer, Sharing, Usage},
    names::{OperationKind, ProviderName, Surface, ToolClass},
};

/// Events of the hub that may wait for their rows. There are few: each is a change that lasts.
const QUEUE: usize = 256;
/// How often it is told that a quota is used up.
const LIMITS_TOLD: Duration = Duration::from_secs(60);
/// Quotas that are counted at once.
const LIMITS_MAX: usize = 1024;
/// While nothing can be recorded, how often somebody looks whether it can be.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Events that wait for longer than this are a sign that something is wrong.
const OLD: TimeDelta = TimeDelta::seconds(60);

/// Tells what happens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    audit: Audit,
    queue: mpsc::Sender<HubEvent>,
    seen: Arc<Mutex<Seen>>,
    /// Why the last delivery did not get through.
    problem: Arc<Mutex<Option<String>>>,
}

/// What was told, so that it is told once.
#[derive(Debug, Default)]
struct Seen {
    /// Providers that are down.
    down: HashSet<ProviderName>,
    /// Quotas that are used up.
    limits: HashMap<(ProviderName, ToolClass), Limit>,
}

#[derive(Debug)]
struct Limit {
    told: Instant,
    /// Refused since then.
    refused: u32,
}

/// Events of the hub on their way to their rows.
#[derive(Debug)]
pub struct Untold(mpsc::Receiver<HubEvent>);

impl Events {
    /// Events of a hub that records here; and what [`record`](Self::record) makes rows of.
    #[must_use]
    pub fn new(audit: Audit) -> (Self, Untold) {
        let (queue, untold) = mpsc::channel(QUEUE);
        (Self { audit, queue, seen: Arc::default(), problem: Arc::default() }, Untold(untold))
    }

    /// Tells something of the hub itself. It waits for nothing, and so can be said anywhere: the row is written soon after.
    pub fn of_hub(&self, event: HubEvent) {
        if self.queue.try_send(event).is_err() {
            tracing::error!("more events of the hub wait than may: one is lost");
        }
    }

    /// A health check has ended: whether it has found the provider down, and why. Told when it is news.
    pub fn checked(&self, provider: &ProviderName, down: Option<&str>) {
        let mut seen = self.seen();
        let event = match down {
            Some(reason) if seen.down.insert(provider.clone()) => {
                HubEvent::ProviderDown { provider: provider.clone(), reason: reason.to_owned() }
            }
            None if seen.down.remove(provider) => HubEvent::ProviderBack { provider: provider.clone() },
            _ => return,
        };
        drop(seen);
        self.of_hub(event);
    }

    /// A call was refused because a quota is used up. Told for the first, and then once a minute with how many there were.
    pub fn limit_reached(&self, provider: &ProviderName, class: ToolClass) {
        let mut seen = self.seen();
        let (limits, key) = (&mut seen.limits, (provider.clone(), class));
        if limits.len() >= LIMITS_MAX {
            limits.retain(|_, limit| limit.told.elapsed() < LIMITS_TOLD);
        }
        let (now, is_full) = (Instant::now(), limits.len() >= LIMITS_MAX);
        let refused = match limits.get_mut(&key) {
            Some(limit) if limit.told.elapsed() < LIMITS_TOLD => {
                limit.refused = limit.refused.saturating_add(1);
                return;
            }
            Some(limit) => std::mem::take(&mut limit.refused).saturating_add(1),
            None if is_full => return,
            None => 1,
        };
        limits.insert(key, Limit { told: now, refused: 0 });
        drop(seen);
        self.of_hub(HubEvent::LimitReached { provider: provider.clone(), class, refused });
    }

    /// Whether there is anybody whom events are delivered to, beside the log.
    #[must_use]
    pub fn are_delivered(&self) -> bool {
        self.audit.outbox().is_open()
    }

    /// Where they wait.
    pub(super) fn outbox(&self) -> &Outbox {
        self.audit.outbox()
    }

    /// How the last delivery went.
    pub(super) fn note_delivery(&self, found: Option<String>) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*problem, &found) {
            (None, Some(why)) => tracing::error!(%why, "events are not delivered: they wait"),
            (Some(_), None) => tracing::info!("events are delivered again"),
            _ => {}
        }
        *problem = found;
    }

    /// Why events wait for long; `None` while they do not.
    #[must_use]
    pub fn delivery_problem(&self) -> Option<String> {
        let Backlog { events, oldest, .. } = self.backlog();
        let since = oldest.filter(|oldest| Utc::now() - oldest > OLD)?;
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = problem.unwrap_or_else(|| "they are delivered as fast as the broker takes them".to_owned());
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        Some(format!("{events} events wait to be delivered, the oldest since {since}: {why}"))
    }

    /// What waits to be delivered.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.audit.outbox().backlog()
    }

    /// Records what the hub tells of itself, until the end. While nothing can be recorded it waits. Where there is nobody to
    /// deliver it to, the log is all.
    pub async fn record(self, Untold(mut untold): Untold, end: CancellationToken) {
        loop {
            let event = tokio::select! {
                () = end.cancelled() => return,
                event = untold.recv() => match event {
                    Some(event) => event,
                    None => return,
                },
            };
            if !self.are_delivered() {
                let (event_type, data) = (event.event_type(), event.data());
                tracing::info!(target: "event", event_type, %data, "event");
                continue;
            }
            while self.audit.refusal().is_some() {
                tokio::select! {
                    () = end.cancelled() => return,
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            }
            if let Err(error) = self.audit.record(row(&event)).await {
                // Its row is kept, and written when that is possible again.
                tracing::warn!(%error, event_type = event.event_type(), "an event of the hub is not on record yet");
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The row of an event of the hub.
fn row(event: &HubEvent) -> Event {
    let (id, now) = (Uuid::now_v7(), Utc::now());
    let (correlation_id, provider) = (id.to_string(), event.provider().map(ProviderName::as_str));
    let said = Said {
        row: id,
        ordinal: 0,
        sayer: Sayer::Hub,
        event_type: event.event_type(),
        subject: provider,
        time: now,
        correlation_id: &correlation_id,
    };
    let events = vec![Outgoing::new(said, &event.data().to_string())];
    Event {
        id,
        created_at: now,
        provider: provider.map(str::to_owned),
        tool: Some(event.event_type().to_owned()),
        caller_id: None,
        caller_role: None,
        team: None,
        payload: None,
        result: None,
        outcome: if event.is_trouble() { Outcome::Failed } else { Outcome::Ok },
        error_code: None,
        error: Some(event.text()),
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
        outbox: ForOutbox { events, drops: 0 },
    }
}
