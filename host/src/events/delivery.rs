//! The one task that delivers: what waits in the outbox goes where the config says, in order, until it is there.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    error::DeliveryError,
    letter::Letter,
    nats::{Nats, Stream},
    teller::Events,
};
use crate::{
    audit::{Bounds, Outbox, OutboxKey, Waiting},
    config::{EventTarget, EventsConfig},
    vault::Vault,
};

/// How soon a delivery that failed is tried again; each time twice as long, up to the longest.
const AGAIN: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// How often somebody looks whether a hub is gone that has left something, and what was kept long enough.
const ROUND: Duration = Duration::from_secs(15);

/// Where events go just now.
enum Target {
    Log,
    Nats(Box<Nats>),
}

impl Target {
    fn of(to: &EventTarget) -> Self {
        match to {
            EventTarget::Log => Self::Log,
            EventTarget::Nats(target) => Self::Nats(Box::new(Nats::new(target.clone()))),
        }
    }
}

/// Whoever delivers: what waits in the outbox goes where the config says.
pub struct Delivery<C> {
    events: Events,
    vault: Arc<Vault>,
    config: C,
    used: Arc<EventsConfig>,
    target: Target,
}

impl<C: Fn() -> Arc<EventsConfig>> Delivery<C> {
    /// From now on events are put into the outbox, if the config names somebody who is to get them.
    pub fn new(events: Events, vault: Arc<Vault>, config: C) -> Self {
        let used = config();
        open(events.outbox(), &used);
        Self { events, vault, target: Target::of(&used.to), used, config }
    }

    /// Delivers until the `end`, by the config that is in use after each of the `changes`. What is not delivered then is by the
    /// next hub.
    pub async fn run(mut self, mut changes: watch::Receiver<u64>, end: CancellationToken) {
        let outbox = self.events.outbox().clone();
        let mut news = outbox.news();
        let (mut round, mut again, mut pause) = (Instant::now(), None, AGAIN);
        loop {
            if self.takes_up_the_config() {
                (again, pause) = (None, AGAIN);
            }
            if round <= Instant::now() {
                round = Instant::now() + ROUND;
                look_around(&outbox, &self.used).await;
            }
            news.borrow_and_update();
            if again.is_none_or(|again| again <= Instant::now()) {
                let sent = tokio::select! {
                    sent = empty(&outbox, &mut self.target, &self.vault) => sent,
                    () = end.cancelled() => return,
                };
                again = sent.is_err().then(|| Instant::now() + pause);
                pause = if sent.is_err() { AGAIN_MAX.min(pause * 2) } else { AGAIN };
                self.events.note_delivery(sent.err().map(|error| error.to_string()));
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = sleep_until(again.unwrap_or(round).min(round)) => {}
                // While it fails, what comes in changes nothing.
                changed = news.changed(), if again.is_none() => if changed.is_err() { return },
                Ok(()) = changes.changed() => {}
            }
        }
    }

    /// Whether another config is in use than before.
    fn takes_up_the_config(&mut self) -> bool {
        let wanted = (self.config)();
        if wanted == self.used {
            return false;
        }
        if wanted.to != self.used.to {
            self.target = Target::of(&wanted.to);
        }
        open(self.events.outbox(), &wanted);
        self.used = wanted;
        true
    }
}

fn open(outbox: &Outbox, config: &EventsConfig) {
    let bounds = Bounds { events: config.max_waiting.get().into(), bytes: config.max_waiting_mib.bytes() };
    outbox.open(config.to != EventTarget::Log, bounds);
}

/// Takes over what is left by hubs that are gone, and removes what was kept long enough.
async fn look_around(outbox: &Outbox, config: &EventsConfig) {
    let kept = TimeDelta::days(config.keep_days.get().into());
    let looked = async {
        outbox.take_over().await?;
        outbox.sweep(Utc::now() - kept).await
    };
    if let Err(error) = looked.await {
        tracing::debug!(%error, "the outbox cannot be looked after just now");
    }
}

/// Delivers all that waits.
async fn empty(outbox: &Outbox, target: &mut Target, vault: &Vault) -> Result<(), DeliveryError> {
    while outbox.backlog().events > 0 {
        let waiting = outbox.next().await?;
        if waiting.is_empty() {
            break;
        }
        let (delivered, failed) = send(&waiting, target, vault).await;
        if !delivered.is_empty() {
            outbox.delivered(delivered).await?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

/// Sends these, each source in its order, and says which were delivered and why others were not.
async fn send(waiting: &[Waiting], target: &mut Target, vault: &Vault) -> (Vec<OutboxKey>, Option<DeliveryError>) {
    let (mut delivered, mut sources) = (Vec::new(), Vec::<Vec<Letter>>::new());
    for waiting in waiting {
        match Letter::of(waiting) {
            Ok(letter) => match sources.iter_mut().find(|letters| letters[0].source() == letter.source()) {
                Some(letters) => letters.push(letter),
                None => sources.push(vec![letter]),
            },
            Err(error) => {
                // Somebody else has written it: it would hold up the others for ever.
                tracing::error!(%error, row = waiting.key.seq, "what stands in the outbox is no event: it is passed over");
                delivered.push(waiting.key);
            }
        }
    }
    let stream = match target {
        Target::Log => {
            for letter in sources.iter().flatten() {
                tracing::info!(target: "event", event_type = letter.event_type(), data = letter.data(), "event");
                delivered.push(letter.key());
            }
            return (delivered, None);
        }
        Target::Nats(nats) => match nats.connect(vault).await {
            Ok(stream) => stream,
            Err(error) => return (delivered, Some(error)),
        },
    };
    let mut failed = None;
    // Side by side: as many as there are sources among a few hundred events.
    let mut sending = FuturesUnordered::new();
    for letters in &sources {
        sending.push(in_order(letters, stream));
    }
    while let Some((keys, error)) = sending.next().await {
        delivered.extend(keys);
        failed = error.or(failed);
    }
    (delivered, failed)
}

/// One after the other, up to the first that does not get through.
async fn in_order(letters: &[Letter], stream: Stream<'_>) -> (Vec<OutboxKey>, Option<DeliveryError>) {
    let mut delivered = Vec::with_capacity(letters.len());
    for letter in letters {
        if let Err(error) = stream.publish(letter).await {
            return (delivered, Some(error));
        }
        delivered.push(letter.key());
    }
    (delivered, None)
}
