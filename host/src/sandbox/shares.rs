//! Places that callers share fairly: so many calls at once, of which nobody can take all.
//!
//! Who holds `n` places gets another one while more than `n` are free. So one caller alone gets half of them (rounded up), two
//! a third each, three a quarter: some are always left for who comes next, and it takes many callers to fill what one fills
//! where the first come are served first. The places to wait in are shared by the same rule. A place that becomes free goes
//! to whoever holds the fewest, and among those to who has waited longest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

/// Places and a queue for them. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Shares(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: u32,
    /// How many calls may wait.
    queue: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Only who holds a place is in here.
    held: HashMap<Uuid, u32>,
    taken: u32,
    /// In the order in which they came. None of them could have a place that is free: see [`State::may_have`].
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    caller: Uuid,
    place: oneshot::Sender<Place>,
}

/// One caller's place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    caller: Uuid,
    shared: Arc<Shared>,
}

impl Shares {
    pub(super) fn new(places: u32, queue: u32) -> Self {
        Self(Arc::new(Shared { places, queue, state: Mutex::default() }))
    }

    /// A place for a call of `caller`, for which it waits so long if it must. `None` when there is none in time, or too many
    /// wait already.
    pub(super) async fn take(&self, caller: Uuid, patience: Duration) -> Option<Place> {
        let waits = {
            let mut state = self.0.lock();
            if state.may_have(caller, self.0.places) {
                return Some(self.0.give(&mut state, caller));
            }
            // Who has given up waiting holds nobody up.
            state.waiting.retain(|waiting| !waiting.place.is_closed());
            let own = state.waiting.iter().filter(|waiting| waiting.caller == caller).count();
            let free = (self.0.queue as usize).saturating_sub(state.waiting.len());
            if own >= free {
                return None;
            }
            let (place, waits) = oneshot::channel();
            state.waiting.push(Waiting { caller, place });
            waits
        };
        timeout(patience, waits).await.ok()?.ok()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(self: &Arc<Self>, state: &mut State, caller: Uuid) -> Place {
        state.taken += 1;
        *state.held.entry(caller).or_default() += 1;
        Place { caller, shared: Arc::clone(self) }
    }
}

impl State {
    fn held_by(&self, caller: Uuid) -> u32 {
        self.held.get(&caller).copied().unwrap_or_default()
    }

    fn may_have(&self, caller: Uuid, places: u32) -> bool {
        places.saturating_sub(self.taken) > self.held_by(caller)
    }

    /// Whose turn it is.
    fn next(&mut self, places: u32) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.place.is_closed());
        let may = self.waiting.iter().enumerate().filter(|(_, waiting)| self.may_have(waiting.caller, places));
        let (first, _) = may.min_by_key(|(order, waiting)| (self.held_by(waiting.caller), *order))?;
        Some(self.waiting.remove(first))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut given = Vec::new();
        let mut state = self.shared.lock();
        state.taken -= 1;
        if let Some(held) = state.held.get_mut(&self.caller) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.caller);
            }
        }
        // One that is free may be for two: who held it may have another one now, too.
        while let Some(Waiting { caller, place }) = state.next(self.shared.places) {
            given.push((place, self.shared.give(&mut state, caller)));
        }
        drop(state);
        for (waits, place) in given {
            // Who gave up just now does not take it; dropped outside of the lock, it goes to the next.
            let _ = waits.send(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    fn caller(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// All the places that a caller gets without waiting.
    async fn all_for(shares: &Shares, number: u128) -> Vec<Place> {
        let mut places = Vec::new();
        while let Some(place) = shares.take(caller(number), NOW).await {
            places.push(place);
        }
        places
    }

    #[tokio::test]
    async fn one_caller_gets_half_of_the_places_and_each_further_one_its_part() {
        for (places, half) in [(1, 1), (2, 1), (3, 2), (4, 2), (32, 16), (128, 64)] {
            assert_eq!(all_for(&Shares::new(places, 0), 1).await.len(), half, "of {places}");
        }
        let shares = Shares::new(32, 0);
        let mut held = Vec::new();
        for caller in 1.. {
            let places = all_for(&shares, caller).await;
            if places.is_empty() {
                break;
            }
            held.push(places);
        }
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [16, 8, 4, 2, 1, 1]);
        drop(held);
        assert_eq!(all_for(&shares, 9).await.len(), 16, "all are given back");
        assert!(shares.0.lock().held.is_empty(), "nobody stays in the table");
    }

    #[tokio::test]
    async fn callers_who_come_by_turns_get_equal_parts() {
        let shares = Shares::new(30, 0);
        let mut held = Vec::new();
        for turn in 0..300 {
            held.extend(shares.take(caller(turn % 4), NOW).await);
        }
        let of = |number| held.iter().filter(|place| place.caller == caller(number)).count();
        assert_eq!((0..4).map(of).collect::<Vec<_>>(), [6; 4], "and six are left for a fifth");
    }

    #[tokio::test]
    async fn a_place_goes_to_who_holds_the_fewest_and_then_to_who_came_first() {
        let shares = Shares::new(2, 16);
        let (busy, other) = (shares.take(caller(1), NOW).await, shares.take(caller(2), NOW).await);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in [1, 1, 1, 3, 4] {
            let (own, order) = (shares.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let place = own.take(caller(number), LONG).await.expect("a place");
                order.lock().expect("a lock").push(number);
                drop(place);
            }));
            while shares.0.lock().waiting.len() < waiting.len() {
                tokio::task::yield_now().await;
            }
        }
        drop(other);
        while waiting.iter().filter(|task| task.is_finished()).count() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*order.lock().expect("a lock"), [3, 4], "who holds one waits behind those who hold none");
        drop(busy);
        for task in waiting {
            task.await.expect("it ends");
        }
        assert_eq!(*order.lock().expect("a lock"), [3, 4, 1, 1, 1]);
    }

    #[tokio::test]
    async fn the_queue_is_shared_too_and_who_gives_up_leaves_it() {
        let shares = Shares::new(1, 4);
        let held = shares.take(caller(9), NOW).await.expect("a place");
        let wait = |number| {
            let shares = shares.clone();
            tokio::spawn(async move { shares.take(caller(number), LONG).await.is_some() })
        };
        let mut flood: Vec<_> = (0..10).map(|_| wait(1)).collect();
        while flood.iter().filter(|task| task.is_finished()).count() < 8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(shares.0.lock().waiting.len(), 2, "half of the queue is one caller's");
        let mut second = wait(2);
        while shares.0.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        for task in flood.iter_mut().chain([&mut second]).filter(|task| !task.is_finished()) {
            task.abort();
            let _ = task.await;
        }
        assert!(shares.take(caller(3), Duration::from_millis(1)).await.is_none(), "it is taken");
        drop(held);
        assert!(shares.take(caller(3), NOW).await.is_some(), "nobody who gave up holds a place");
        assert_eq!(shares.0.lock().taken, 0);
        let none = Shares::new(1, 0);
        let _held = none.take(caller(1), NOW).await;
        assert!(none.take(caller(2), LONG).await.is_none(), "without a queue nobody waits");
    }

    #[tokio::test]
    async fn a_place_that_comes_too_late_goes_on_to_the_next() {
        let shares = Shares::new(1, 4);
        for round in 0..200 {
            let held = shares.take(caller(1), NOW).await.expect("a place");
            let hasty = tokio::spawn({
                let shares = shares.clone();
                async move { shares.take(caller(2), Duration::from_micros(round)).await.is_some() }
            });
            let patient = tokio::spawn({
                let shares = shares.clone();
                async move { shares.take(caller(3), LONG).await.is_some() }
            });
            tokio::task::yield_now().await;
            drop(held);
            assert!(patient.await.expect("it ends"));
            let _ = hasty.await;
            assert_eq!(shares.0.lock().taken, 0);
        }
    }
}
