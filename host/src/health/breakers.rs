//! The circuit breakers of one provider, one for each upstream that it sends requests to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::breaker::{Breaker, Change, Sender, Ticket, Verdict};
use crate::{
    config::BreakerSettings,
    names::ProviderName,
    outbound::{OutboundError, OutboundResponse, Target},
    text::whole_seconds,
};

/// Upstreams of one provider that have a breaker. Beyond them, which takes wildcards in `allowed_hosts`, the one that was used
/// longest ago has none.
const UPSTREAMS: usize = 64;
/// Less time than this says nothing of an upstream that has not answered: its call had no more to give.
const FAIR: Duration = Duration::from_secs(1);

/// A request is not sent: its upstream keeps failing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{host}` keeps failing, so the hub sends it nothing for the moment (circuit breaker): try again in {} s",
    whole_seconds(*retry_after).max(1)
)]
pub struct CircuitOpen {
    /// The upstream: host, and port if it is not the scheme's own.
    pub host: String,
    /// When a request may be sent again.
    pub retry_after: Duration,
}

/// The circuit breakers of one revision of a provider.
#[derive(Debug)]
pub struct Breakers {
    provider: ProviderName,
    settings: BreakerSettings,
    /// Where all of its requests go; `None` if a wildcard leads further.
    upstreams: Option<Vec<Target>>,
    table: Mutex<HashMap<Target, OfUpstream>>,
}

#[derive(Debug)]
struct OfUpstream {
    breaker: Breaker,
    shown: String,
    used: Instant,
}

/// A breaker has opened, or has closed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Whose requests it is about.
    pub provider: ProviderName,
    /// The upstream.
    pub host: String,
    /// For how long nothing is sent; `None` if it has closed.
    pub open_for: Option<Duration>,
}

/// A request that is let through, until it has ended.
#[derive(Debug)]
pub struct Attempt {
    breakers: Arc<Breakers>,
    target: Target,
    sender: Sender,
    since: Instant,
    /// None where there is no room for a breaker.
    ticket: Option<Ticket>,
}

impl Breakers {
    /// All closed. `upstreams` is what each entry of `allowed_hosts` leads to, `None` for a wildcard.
    #[must_use]
    pub fn new(
        provider: ProviderName,
        settings: BreakerSettings,
        upstreams: impl Iterator<Item = Option<Target>>,
    ) -> Self {
        Self { provider, settings, upstreams: upstreams.collect(), table: Mutex::default() }
    }

    /// Lets a request to `target` through, which is told as `shown`, without secrets.
    ///
    /// # Errors
    /// While it keeps failing.
    pub fn admit(self: &Arc<Self>, target: &Target, shown: &str, sender: Sender) -> Result<Attempt, CircuitOpen> {
        let now = Instant::now();
        let attempt =
            |ticket| Attempt { breakers: Arc::clone(self), target: target.clone(), sender, since: now, ticket };
        let mut table = self.lock();
        if !table.contains_key(target) && !has_room(&mut table) {
            return Ok(attempt(None));
        }
        let of_upstream = table.entry(target.clone()).or_insert_with(|| OfUpstream {
            breaker: Breaker::new(self.settings),
            shown: shown.to_owned(),
            used: now,
        });
        of_upstream.used = now;
        let admitted = of_upstream.breaker.admit(sender, now);
        admitted
            .map(|ticket| attempt(Some(ticket)))
            .map_err(|retry_after| CircuitOpen { host: shown.to_owned(), retry_after })
    }

    /// Why no request of `sender` would be sent now, wherever the provider may go; `None` if one might.
    #[must_use]
    pub fn all_refuse(&self, sender: Sender) -> Option<CircuitOpen> {
        self.all(|breaker, now| breaker.refuses(sender, now))
    }

    /// The same for whoever only looks: also while the next request is to try whether an upstream is back.
    #[must_use]
    pub fn all_open(&self) -> Option<CircuitOpen> {
        self.all(Breaker::open_for)
    }

    /// The upstreams that keep failing, by name.
    #[must_use]
    pub fn open(&self) -> Vec<CircuitOpen> {
        let now = Instant::now();
        let table = self.lock();
        let open = table.values().filter_map(|of| {
            of.breaker.open_for(now).map(|retry_after| CircuitOpen { host: of.shown.clone(), retry_after })
        });
        let mut open: Vec<_> = open.collect();
        open.sort_by(|one, other| one.host.cmp(&other.host));
        open
    }

    /// Of all upstreams that there are, the one that is back first; `None` if one is not refused.
    fn all(&self, refused: impl Fn(&Breaker, Instant) -> Option<Duration>) -> Option<CircuitOpen> {
        let now = Instant::now();
        let upstreams = self.upstreams.as_ref()?;
        let table = self.lock();
        let mut first: Option<CircuitOpen> = None;
        for target in upstreams {
            let of_upstream = table.get(target)?;
            let retry_after = refused(&of_upstream.breaker, now)?;
            if first.as_ref().is_none_or(|first| retry_after < first.retry_after) {
                first = Some(CircuitOpen { host: of_upstream.shown.clone(), retry_after });
            }
        }
        first
    }

    fn turned(&self, host: String, change: Change) -> Turned {
        let provider = &self.provider;
        let open_for = match change {
            Change::Opened => {
                tracing::warn!(%provider, host, "an upstream keeps failing: its circuit breaker is open");
                Some(self.settings.pause())
            }
            Change::Closed => {
                tracing::info!(%provider, host, "an upstream answers again: its circuit breaker is closed");
                None
            }
        };
        Turned { provider: provider.clone(), host, open_for }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, OfUpstream>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for another one, if there is none. One that is open keeps its place.
fn has_room(table: &mut HashMap<Target, OfUpstream>) -> bool {
    if table.len() < UPSTREAMS {
        return true;
    }
    let now = Instant::now();
    let closed = table.iter().filter(|(_, of)| of.breaker.open_for(now).is_none());
    let oldest = closed.min_by_key(|(_, of)| of.used).map(|(target, _)| target.clone());
    oldest.is_some_and(|target| table.remove(&target).is_some())
}

impl Attempt {
    /// The request has ended like this. Tells if the breaker has turned by that.
    #[must_use]
    pub fn ended(mut self, answer: &Result<OutboundResponse, OutboundError>) -> Option<Turned> {
        let now = Instant::now();
        let verdict = match verdict(answer, now - self.since)? {
            // Where a wildcard leads, whoever asks may have made the name up.
            Verdict::Unreached if self.breakers.upstreams.is_none() => Verdict::Fails,
            verdict => verdict,
        };
        let ticket = self.ticket.take()?;
        let mut table = self.breakers.lock();
        let of_upstream = table.get_mut(&self.target)?;
        let change = of_upstream.breaker.ended(ticket, (self.sender, verdict), now)?;
        let host = of_upstream.shown.clone();
        drop(table);
        Some(self.breakers.turned(host, change))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        if let Some(of_upstream) = self.breakers.lock().get_mut(&self.target) {
            of_upstream.breaker.given_back(ticket, Instant::now());
        }
    }
}

/// What the end of a request tells of its upstream; `None` where it is the hub's or the provider's doing.
fn verdict(answer: &Result<OutboundResponse, OutboundError>, took: Duration) -> Option<Verdict> {
    match answer {
        Ok(response) if response.status < 500 => Some(Verdict::Answers),
        Ok(_) | Err(OutboundError::Connection(_)) => Some(Verdict::Fails),
        Err(OutboundError::Timeout) => (took >= FAIR).then_some(Verdict::Fails),
        Err(OutboundError::Dns(_) | OutboundError::NoConnection(_) | OutboundError::Tls(_)) => Some(Verdict::Unreached),
        // More than the call may have, or in a form that is not passed on: an answer all the same.
        Err(OutboundError::TooLarge { .. } | OutboundError::BudgetExhausted | OutboundError::Unsearchable(_)) => {
            Some(Verdict::Answers)
        }
        Err(
            OutboundError::InvalidRequest(_)
            | OutboundError::DeniedHost(_)
            | OutboundError::DeniedAddress(_)
            | OutboundError::DeniedMethod(_)
            | OutboundError::Crowded { .. },
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text).expect("a URL").0
    }

    fn breakers(upstreams: &[Option<&str>]) -> Arc<Breakers> {
        let upstreams = upstreams.iter().map(|url| url.map(target));
        Arc::new(Breakers::new("p".parse().expect("a name"), BreakerSettings::default(), upstreams))
    }

    fn fail(breakers: &Arc<Breakers>, url: &str) {
        let target = target(url);
        let attempt = breakers.admit(&target, &target.authority(), Sender::Hub).expect("it is let through");
        let _ = attempt.ended(&Err(OutboundError::NoConnection(String::new())));
    }

    fn status(status: u16) -> OutboundResponse {
        OutboundResponse { status, headers: Vec::new(), body: Vec::new() }
    }

    #[test]
    fn only_what_an_upstream_does_counts() {
        let long = Duration::from_secs(2);
        for (answer, expected) in [
            (Ok(status(200)), Some(Verdict::Answers)),
            (Ok(status(404)), Some(Verdict::Answers)),
            (Ok(status(429)), Some(Verdict::Answers)),
            (Ok(status(500)), Some(Verdict::Fails)),
            (Ok(status(503)), Some(Verdict::Fails)),
            (Err(OutboundError::Connection(String::new())), Some(Verdict::Fails)),
            (Err(OutboundError::Timeout), Some(Verdict::Fails)),
            (Err(OutboundError::NoConnection(String::new())), Some(Verdict::Unreached)),
            (Err(OutboundError::Dns(String::new())), Some(Verdict::Unreached)),
            (Err(OutboundError::TooLarge { limit: 1 }), Some(Verdict::Answers)),
            (Err(OutboundError::DeniedAddress(String::new())), None),
            (Err(OutboundError::Crowded { most: 1 }), None),
        ] {
            assert_eq!(verdict(&answer, long), expected, "{answer:?}");
        }
        assert_eq!(verdict(&Err(OutboundError::Timeout), FAIR / 2), None, "a hasty caller says nothing of it");
    }

    #[test]
    fn a_provider_is_shut_when_every_upstream_that_it_has_is() {
        let (one, other) = ("https://one.example/", "https://other.example/");
        let both = breakers(&[Some(one), Some(other)]);
        (0..5).for_each(|_| fail(&both, one));
        assert!(both.all_refuse(Sender::Hub).is_none() && both.all_open().is_none());
        assert_eq!(both.open().iter().map(|open| open.host.as_str()).collect::<Vec<_>>(), ["one.example"]);
        assert!(both.admit(&target(one), "one.example", Sender::Hub).is_err());
        assert!(both.admit(&target(other), "other.example", Sender::Hub).is_ok());
        (0..5).for_each(|_| fail(&both, other));
        assert!(both.all_refuse(Sender::Hub).is_some() && both.all_open().is_some());

        let wide = breakers(&[Some(one), None]);
        (0..5).for_each(|_| fail(&wide, one));
        assert!(wide.all_refuse(Sender::Hub).is_none(), "a wildcard may lead elsewhere");
        assert!(breakers(&[]).all_refuse(Sender::Hub).is_none(), "what has no upstream needs none");
    }

    #[test]
    fn an_attempt_that_is_dropped_counts_for_nothing() {
        let url = "https://one.example/";
        let one = breakers(&[Some(url)]);
        for _ in 0..100 {
            drop(one.admit(&target(url), "one.example", Sender::Hub));
        }
        assert!(one.open().is_empty());
    }

    #[test]
    fn there_is_room_for_so_many_upstreams_and_one_that_is_open_keeps_its_place() {
        let wide = breakers(&[None]);
        let url = |number: usize| format!("https://h{number}.example/");
        (0..5).for_each(|_| fail(&wide, &url(0)));
        (1..1000).for_each(|number| fail(&wide, &url(number)));
        assert_eq!(wide.lock().len(), UPSTREAMS);
        assert_eq!(wide.open().len(), 1, "the first is still open");
        let open = breakers(&[None]);
        for number in 0..UPSTREAMS {
            (0..5).for_each(|_| fail(&open, &url(number)));
        }
        assert!(open.admit(&target(&url(9999)), "h9999.example", Sender::Hub).is_ok(), "it has no breaker");
        assert_eq!(open.open().len(), UPSTREAMS);
    }
}
