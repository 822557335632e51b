//! A fair semaphore: the concurrency limit of a provider, or of the hub, of which no caller can take all.
//!
//! Who holds `n` permits gets another one while more than `n` are free. So one caller alone gets half of them (rounded up), two
//! a third each, three a quarter: some are always left for who comes next, and it takes many callers to fill what one fills
//! where the first come are served first. The queue is shared by the same rule. A permit that is given back goes to whoever
//! holds the fewest, and among those to who has waited longest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

/// Permits and a queue for them. Clones are the same semaphore.
#[derive(Debug, Clone)]
pub(super) struct FairSemaphore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: u32,
    /// How many calls may wait.
    queue: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Only who holds a permit is in here.
    held: HashMap<Uuid, u32>,
    taken: u32,
    /// In the order in which they came. None of them could have a permit that is free: see [`State::may_have`].
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    caller: Uuid,
    permit: oneshot::Sender<FairPermit>,
}

/// One caller's permit, given back when dropped.
#[derive(Debug)]
pub(super) struct FairPermit {
    caller: Uuid,
    inner: Arc<Inner>,
}

impl FairSemaphore {
    pub(super) fn new(permits: u32, queue: u32) -> Self {
        Self(Arc::new(Inner { permits, queue, state: Mutex::default() }))
    }

    /// How much of it is in use now.
    pub(super) fn load(&self) -> Load {
        let state = self.0.lock();
        let waiting = state.waiting.iter().filter(|waiting| !waiting.permit.is_closed()).count();
        Load { permits: self.0.permits, taken: state.taken, waiting }
    }

    /// A permit for a call of `caller`, for which it waits so long if it must. `None` when there is none in time, or too many
    /// wait already.
    pub(super) async fn acquire(&self, caller: Uuid, wait_max: Duration) -> Option<FairPermit> {
        let waits = {
            let mut state = self.0.lock();
            if state.may_have(caller, self.0.permits) {
                return Some(self.0.give(&mut state, caller));
            }
            // Who has given up waiting holds nobody up.
            state.waiting.retain(|waiting| !waiting.permit.is_closed());
            let own = state.waiting.iter().filter(|waiting| waiting.caller == caller).count();
            let free = (self.0.queue as usize).saturating_sub(state.waiting.len());
            if own >= free {
                return None;
            }
            let (permit, waits) = oneshot::channel();
            state.waiting.push(Waiting { caller, permit });
            waits
        };
        timeout(wait_max, waits).await.ok()?.ok()
    }
}

/// How much of it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Permits that there are.
    pub permits: u32,
    /// Permits that are held.
    pub taken: u32,
    /// Calls that wait for one.
    pub waiting: usize,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(self: &Arc<Self>, state: &mut State, caller: Uuid) -> FairPermit {
        state.taken += 1;
        *state.held.entry(caller).or_default() += 1;
        FairPermit { caller, inner: Arc::clone(self) }
    }
}

impl State {
    fn held_by(&self, caller: Uuid) -> u32 {
        self.held.get(&caller).copied().unwrap_or_default()
    }

    fn may_have(&self, caller: Uuid, permits: u32) -> bool {
        permits.saturating_sub(self.taken) > self.held_by(caller)
    }

    /// Whose turn it is.
    fn next(&mut self, permits: u32) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.permit.is_closed());
        let may = self.waiting.iter().enumerate().filter(|(_, waiting)| self.may_have(waiting.caller, permits));
        let (first, _) = may.min_by_key(|(order, waiting)| (self.held_by(waiting.caller), *order))?;
        Some(self.waiting.remove(first))
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        let mut given = Vec::new();
        let mut state = self.inner.lock();
        state.taken -= 1;
        if let Some(held) = state.held.get_mut(&self.caller) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.caller);
            }
        }
        // One that is free may be for two: who held it may have another one now, too.
        while let Some(Waiting { caller, permit }) = state.next(self.inner.permits) {
            given.push((permit, self.inner.give(&mut state, caller)));
        }
        drop(state);
        for (waits, permit) in given {
            // Who gave up just now does not take it; dropped outside of the lock, it goes to the next.
            let _ = waits.send(permit);
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

    /// All the permits that a caller gets without waiting.
    async fn all_for(semaphore: &FairSemaphore, number: u128) -> Vec<FairPermit> {
        let mut permits = Vec::new();
        while let Some(permit) = semaphore.acquire(caller(number), NOW).await {
            permits.push(permit);
        }
        permits
    }

    #[tokio::test]
    async fn one_caller_gets_half_of_the_permits_and_each_further_one_its_part() {
        for (permits, half) in [(1, 1), (2, 1), (3, 2), (4, 2), (32, 16), (128, 64)] {
            assert_eq!(all_for(&FairSemaphore::new(permits, 0), 1).await.len(), half, "of {permits}");
        }
        let semaphore = FairSemaphore::new(32, 0);
        let mut held = Vec::new();
        for caller in 1.. {
            let permits = all_for(&semaphore, caller).await;
            if permits.is_empty() {
                break;
            }
            held.push(permits);
        }
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [16, 8, 4, 2, 1, 1]);
        drop(held);
        assert_eq!(all_for(&semaphore, 9).await.len(), 16, "all are given back");
        assert!(semaphore.0.lock().held.is_empty(), "nobody stays in the table");
    }

    #[tokio::test]
    async fn callers_who_come_by_turns_get_equal_parts() {
        let semaphore = FairSemaphore::new(30, 0);
        let mut held = Vec::new();
        for turn in 0..300 {
            held.extend(semaphore.acquire(caller(turn % 4), NOW).await);
        }
        let of = |number| held.iter().filter(|permit| permit.caller == caller(number)).count();
        assert_eq!((0..4).map(of).collect::<Vec<_>>(), [6; 4], "and six are left for a fifth");
    }

    #[tokio::test]
    async fn a_permit_goes_to_who_holds_the_fewest_and_then_to_who_came_first() {
        let semaphore = FairSemaphore::new(2, 16);
        let (busy, other) = (semaphore.acquire(caller(1), NOW).await, semaphore.acquire(caller(2), NOW).await);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in [1, 1, 1, 3, 4] {
            let (own, order) = (semaphore.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let permit = own.acquire(caller(number), LONG).await.expect("a permit");
                order.lock().expect("a lock").push(number);
                drop(permit);
            }));
            while semaphore.0.lock().waiting.len() < waiting.len() {
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
        let semaphore = FairSemaphore::new(1, 4);
        let held = semaphore.acquire(caller(9), NOW).await.expect("a permit");
        let wait = |number| {
            let semaphore = semaphore.clone();
            tokio::spawn(async move { semaphore.acquire(caller(number), LONG).await.is_some() })
        };
        let mut flood: Vec<_> = (0..10).map(|_| wait(1)).collect();
        while flood.iter().filter(|task| task.is_finished()).count() < 8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(semaphore.0.lock().waiting.len(), 2, "half of the queue is one caller's");
        let mut second = wait(2);
        while semaphore.0.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        for task in flood.iter_mut().chain([&mut second]).filter(|task| !task.is_finished()) {
            task.abort();
            let _ = task.await;
        }
        assert!(semaphore.acquire(caller(3), Duration::from_millis(1)).await.is_none(), "it is taken");
        drop(held);
        assert!(semaphore.acquire(caller(3), NOW).await.is_some(), "nobody who gave up holds a permit");
        assert_eq!(semaphore.0.lock().taken, 0);
        let none = FairSemaphore::new(1, 0);
        let _held = none.acquire(caller(1), NOW).await;
        assert!(none.acquire(caller(2), LONG).await.is_none(), "without a queue nobody waits");
    }

    #[tokio::test]
    async fn a_permit_that_comes_too_late_goes_on_to_the_next() {
        let semaphore = FairSemaphore::new(1, 4);
        for round in 0..200 {
            let held = semaphore.acquire(caller(1), NOW).await.expect("a permit");
            let hasty = tokio::spawn({
                let semaphore = semaphore.clone();
                async move { semaphore.acquire(caller(2), Duration::from_micros(round)).await.is_some() }
            });
            let waits_long = tokio::spawn({
                let semaphore = semaphore.clone();
                async move { semaphore.acquire(caller(3), LONG).await.is_some() }
            });
            tokio::task::yield_now().await;
            drop(held);
            assert!(waits_long.await.expect("it ends"));
            let _ = hasty.await;
            assert_eq!(semaphore.0.lock().taken, 0);
        }
    }
}
