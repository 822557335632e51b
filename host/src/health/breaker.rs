//! A circuit breaker: whether requests to one upstream are sent, by how those before them ended.
//!
//! It is closed while all is well. It opens when too many fail, in a row or of those of late; then none is sent. After a pause
//! one is, to see (half-open): if the upstream answers, the breaker closes, if not, there is another pause. So it opens once in
//! a pause at most, however the upstream flaps.
//!
//! Some inputs make some upstreams fail, and nobody's input may keep the others out. What one caller sent and what did arrive
//! counts for half of what opens a breaker, at most: somebody else has to see it fail too, another caller or the hub, which
//! checks each provider's health. Who has tried in vain lets others try first. That nothing could be sent at all is not due to any
//! input, and counts whoever it was.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::config::BreakerSettings;

/// How many of the requests of late are remembered: as many as the settings can ask for, and some more.
const KEPT: usize = 128;
/// When to come back while another request tries whether the upstream is back.
const SOON: Duration = Duration::from_secs(1);

/// On whose behalf a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A caller, by its user.
    Caller(Uuid),
    /// The hub itself, which asks after a provider's health.
    Hub,
}

/// What a request tells of its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Answers,
    /// It was sent the request and failed: no answer, or none in time, or one that says that it failed.
    Fails,
    /// There is no connection to it.
    Unreached,
}

/// What a request that ended has made of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It was closed, and is open.
    Opened,
    /// It is closed again.
    Closed,
}

/// The right to send a request, in the breaker's `era`: what was sent in another one says nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    era: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    sender: Sender,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    /// Nothing is sent `until` then. Who tried last, in vain, comes after others.
    Open {
        until: Instant,
        tried: Option<Sender>,
    },
    /// One request is under way.
    Trying {
        tried: Option<Sender>,
    },
}

/// The breaker of one upstream.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: State,
    era: u64,
    /// Those that ended since it was closed, oldest first.
    seen: VecDeque<Seen>,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: State::Closed, era: 0, seen: VecDeque::new() }
    }

    /// Lets a request through, or says after how long it may come again.
    pub(super) fn admit(&mut self, sender: Sender, now: Instant) -> Result<Ticket, Duration> {
        if let Some(wait) = self.refuses(sender, now) {
            return Err(wait);
        }
        if let State::Open { tried, .. } = self.state {
            self.state = State::Trying { tried };
        }
        Ok(Ticket { era: self.era })
    }

    /// Whether a request would be refused now, and for how long.
    pub(super) fn refuses(&self, sender: Sender, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { until, tried } => {
                let last = tried == Some(sender) && sender != Sender::Hub;
                let until = if last { until + self.settings.pause() } else { until };
                Some(until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
            }
            State::Trying { .. } => Some(SOON),
        }
    }

    /// Whether it is not closed, and for how long nothing is sent. One that nobody has tried for a whole window tells no more than
    /// one that is closed.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { until, .. } if now >= until + self.settings.window() => None,
            State::Open { until, .. } => Some(until.saturating_duration_since(now)),
            State::Trying { .. } => Some(Duration::ZERO),
        }
    }

    /// A request has ended.
    pub(super) fn ended(
        &mut self,
        ticket: Ticket,
        (sender, verdict): (Sender, Verdict),
        now: Instant,
    ) -> Option<Change> {
        if ticket.era != self.era {
            return None;
        }
        match (self.state, verdict) {
            (State::Closed, _) => {
                if self.seen.len() == KEPT {
                    self.seen.pop_front();
                }
                self.seen.push_back(Seen { at: now, sender, verdict });
                if verdict == Verdict::Answers || !self.is_enough(now) {
                    return None;
                }
                self.open(None, now);
                Some(Change::Opened)
            }
            (State::Trying { .. }, Verdict::Answers) => {
                (self.state, self.era) = (State::Closed, self.era + 1);
                self.seen.clear();
                Some(Change::Closed)
            }
            (State::Trying { .. }, Verdict::Fails) => {
                self.open(Some(sender), now);
                None
            }
            (State::Trying { .. }, Verdict::Unreached) => {
                self.open(None, now);
                None
            }
            // Nobody has a ticket of an era in which nothing was let through.
            (State::Open { .. }, _) => None,
        }
    }

    /// A request has ended in a way that tells nothing of the upstream: its caller left, or the hub refused it after all. If it
    /// was to try, the next one does.
    pub(super) fn given_back(&mut self, ticket: Ticket, now: Instant) {
        if let State::Trying { tried } = self.state
            && ticket.era == self.era
        {
            (self.state, self.era) = (State::Open { until: now, tried }, self.era + 1);
        }
    }

    fn open(&mut self, tried: Option<Sender>, now: Instant) {
        (self.state, self.era) = (State::Open { until: now + self.settings.pause(), tried }, self.era + 1);
        self.seen.clear();
    }

    fn is_enough(&self, now: Instant) -> bool {
        let BreakerSettings { failures, rate_percent, rate_requests, .. } = self.settings;
        let in_a_row = self.seen.iter().rev().take_while(|seen| seen.verdict != Verdict::Answers);
        if weight(in_a_row, failures.get()) >= failures.get() {
            return true;
        }
        let of_late = self.seen.iter().filter(|seen| now.saturating_duration_since(seen.at) <= self.settings.window());
        let requests = u32::try_from(of_late.clone().count()).unwrap_or(u32::MAX);
        let needed = (requests * rate_percent.get()).div_ceil(100);
        let failed = of_late.filter(|seen| seen.verdict != Verdict::Answers);
        requests >= rate_requests.get() && weight(failed, needed) >= needed
    }
}

/// How much these failures count where `needed` are enough.
fn weight<'a>(failures: impl Iterator<Item = &'a Seen>, needed: u32) -> u32 {
    let most_of_one = needed.div_ceil(2);
    let (mut all, mut of_callers) = (0_u32, HashMap::<Uuid, u32>::new());
    for failure in failures {
        match (failure.sender, failure.verdict) {
            (Sender::Caller(user), Verdict::Fails) => {
                let own = of_callers.entry(user).or_default();
                *own = (*own + 1).min(most_of_one);
            }
            _ => all += 1,
        }
    }
    all + of_callers.values().sum::<u32>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Verdict::*, *};
    use crate::config::BreakerPercent;

    const PAUSE: Duration = Duration::from_secs(10);

    fn caller(number: u128) -> Sender {
        Sender::Caller(Uuid::from_u128(number))
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings::default())
    }

    /// Sends a request that ends at once.
    fn send(breaker: &mut Breaker, sender: Sender, verdict: Verdict, now: Instant) -> Option<Change> {
        let ticket = breaker.admit(sender, now).expect("it is let through");
        breaker.ended(ticket, (sender, verdict), now)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = breaker();
        let changes: Vec<_> = (0..5).map(|_| send(&mut breaker, caller(1), Unreached, now)).collect();
        assert_eq!(changes, [None, None, None, None, Some(Change::Opened)]);
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_tries_once_after_a_pause_and_closes_when_that_is_answered() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert_eq!(breaker.admit(caller(2), start), Err(PAUSE));
        assert_eq!(breaker.admit(caller(2), start + PAUSE / 2), Err(PAUSE / 2));
        let trying = breaker.admit(caller(2), start + PAUSE).expect("one tries");
        assert_eq!(breaker.admit(caller(3), start + PAUSE), Err(SOON), "and one only");
        assert_eq!(breaker.ended(trying, (caller(2), Answers), start + PAUSE), Some(Change::Closed));
        assert!(breaker.admit(caller(3), start + PAUSE).is_ok() && breaker.open_for(start + PAUSE).is_none());
    }

    #[test]
    fn a_try_in_vain_is_followed_by_another_pause_and_one_that_is_broken_off_by_another_try() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert_eq!(send(&mut breaker, caller(2), Unreached, start + PAUSE), None);
        assert_eq!(breaker.admit(caller(2), start + PAUSE), Err(PAUSE));
        let now = start + PAUSE * 2;
        let left = breaker.admit(caller(2), now).expect("one tries");
        breaker.given_back(left, now);
        let second = breaker.admit(caller(3), now).expect("another one tries");
        breaker.given_back(left, now + PAUSE);
        assert_eq!(breaker.ended(second, (caller(3), Answers), now + PAUSE), Some(Change::Closed));
    }

    #[test]
    fn what_was_sent_before_it_opened_says_nothing_later() {
        let start = Instant::now();
        let mut breaker = breaker();
        let early: Vec<_> = (0..9).map(|_| breaker.admit(caller(1), start).expect("closed")).collect();
        for ticket in &early[..5] {
            breaker.ended(*ticket, (caller(1), Unreached), start);
        }
        let trying = breaker.admit(caller(2), start + PAUSE).expect("one tries");
        assert_eq!(breaker.ended(early[5], (caller(1), Answers), start + PAUSE), None, "it is not the one that tries");
        breaker.given_back(early[6], start + PAUSE);
        assert_eq!(breaker.admit(caller(3), start + PAUSE), Err(SOON));
        breaker.ended(trying, (caller(2), Answers), start + PAUSE);
        for ticket in &early[7..] {
            breaker.ended(*ticket, (caller(1), Unreached), start + PAUSE);
        }
        assert!(breaker.seen.is_empty());
    }

    #[test]
    fn one_callers_inputs_alone_do_not_open_it() {
        let start = Instant::now();
        let mut breaker = breaker();
        for _ in 0..1000 {
            assert_eq!(send(&mut breaker, caller(1), Fails, start), None, "however many fail");
        }
        assert_eq!(send(&mut breaker, caller(2), Fails, start), None);
        assert_eq!(send(&mut breaker, caller(2), Fails, start), Some(Change::Opened), "another one sees it too");
        let mut breaker = self::breaker();
        for _ in 0..3 {
            assert_eq!(send(&mut breaker, caller(1), Fails, start), None);
        }
        assert_eq!(send(&mut breaker, Sender::Hub, Fails, start), None);
        assert_eq!(send(&mut breaker, Sender::Hub, Fails, start), Some(Change::Opened), "or the hub does");
    }

    #[test]
    fn one_that_nobody_tries_again_is_not_open_for_ever() {
        let start = Instant::now();
        let mut breaker = opened(start);
        let window = BreakerSettings::default().window();
        assert_eq!(breaker.open_for(start + PAUSE + window / 2), Some(Duration::ZERO));
        assert_eq!(breaker.open_for(start + PAUSE + window), None);
        assert_eq!(send(&mut breaker, caller(1), Unreached, start + PAUSE + window), None, "one tries all the same");
        assert_eq!(breaker.open_for(start + PAUSE + window), Some(PAUSE), "and it is open again");
    }

    #[test]
    fn who_tried_in_vain_lets_others_try_first() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert_eq!(send(&mut breaker, caller(1), Fails, start + PAUSE), None);
        let now = start + PAUSE * 2;
        assert_eq!(breaker.refuses(caller(1), now), Some(PAUSE), "alone, it waits for twice as long");
        assert_eq!(breaker.refuses(Sender::Hub, now), None);
        assert_eq!(send(&mut breaker, caller(2), Answers, now), Some(Change::Closed));
        assert_eq!(breaker.refuses(caller(1), now), None);
    }

    #[test]
    fn a_share_of_failures_opens_it_once_enough_were_sent_within_the_window() {
        let start = Instant::now();
        let settings = BreakerSettings {
            rate_percent: BreakerPercent::try_from(25).expect("a share"),
            ..BreakerSettings::default()
        };
        let mut breaker = Breaker::new(settings);
        // Every fourth fails, never two in a row.
        let verdict = |request: u32| if request % 4 == 3 { Unreached } else { Answers };
        for request in 0..16 {
            assert_eq!(send(&mut breaker, caller(1), verdict(request), start), None, "{request}");
        }
        let late = start + settings.window() + Duration::from_secs(1);
        for request in 0..19 {
            assert_eq!(send(&mut breaker, caller(1), verdict(request), late), None, "what is old does not count");
        }
        assert_eq!(send(&mut breaker, caller(1), Unreached, late), Some(Change::Opened));
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(256))]
        /// Whatever the upstream does and whoever sends: it opens once in a pause at most, and what it remembers is bounded.
        #[test]
        fn it_never_changes_more_often_than_its_pause_allows(
            requests in prop::collection::vec((0..3_u128, 0..4_u32, 0..3000_u64, 0..4_usize), 0..400),
        ) {
            let (mut breaker, start) = (breaker(), Instant::now());
            let (mut now, mut under_way) = (start, Vec::new());
            let (mut opened, mut closed) = (Vec::<Instant>::new(), 0_usize);
            for (sender, ends, wait, which) in requests {
                now += Duration::from_millis(wait);
                let sender = if sender == 0 { Sender::Hub } else { caller(sender) };
                if let Ok(ticket) = breaker.admit(sender, now) {
                    under_way.push((ticket, sender));
                }
                // Some end later than others, in any order.
                if under_way.len() <= which {
                    continue;
                }
                let (ticket, sender) = under_way.swap_remove(which);
                let verdict = match ends {
                    0 => Answers,
                    1 => Fails,
                    2 => Unreached,
                    _ => { breaker.given_back(ticket, now); continue }
                };
                match breaker.ended(ticket, (sender, verdict), now) {
                    Some(Change::Opened) => {
                        prop_assert!(opened.last().is_none_or(|before| now - *before >= PAUSE), "twice in a pause");
                        opened.push(now);
                    }
                    Some(Change::Closed) => {
                        closed += 1;
                        let before = opened.last().copied();
                        prop_assert!(before.is_some_and(|before| now - before >= PAUSE), "closed within the pause");
                    }
                    None => {}
                }
                prop_assert!(breaker.seen.len() <= KEPT);
            }
            prop_assert!(closed <= opened.len() && opened.len() <= closed + 1);
        }
    }
}
