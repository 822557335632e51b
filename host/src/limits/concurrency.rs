//! The concurrency limit of each user: how many of its calls may be under way at once, and how much of what they sent may
//! be in memory.
//!
//! A user is only in the table while something of it is under way, so the table is never longer than that.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use uuid::Uuid;

/// Calls of one user that may be under way at once, unless the command line says otherwise.
pub const CALLS_PER_CALLER: u32 = 32;
/// Bytes of input that the calls of one user may hold at once: three of the largest.
const BYTES_OF_A_ROLE: usize = 32 * 1024 * 1024;
/// The same for a user without a role, who may do nothing: enough to be told so in the terms of its protocol.
const BYTES_WITHOUT_A_ROLE: usize = 256 * 1024;

/// Why there is no permit: the user has reached its concurrency limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConcurrencyExceeded {
    /// As many calls as one user may have.
    #[error(
        "concurrency limit reached: {0} of your calls are under way, as many as one caller may have: wait until one ends"
    )]
    Calls(u32),
    /// As many bytes as one user may send at once.
    #[error("concurrency limit reached: your calls under way have sent {} MB, as much as one caller may at once: wait until one ends", .0 / 1_000_000)]
    Bytes(usize),
}

#[derive(Debug, Default)]
struct UnderWay {
    calls: u32,
    bytes: usize,
}

type Table = Arc<Mutex<HashMap<Uuid, UnderWay>>>;

/// How much each user may have under way, and has.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    most: u32,
    table: Table,
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self::new(CALLS_PER_CALLER)
    }
}

impl ConcurrencyLimit {
    /// `most` calls of each user.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, table: Table::default() }
    }

    /// A permit for a call of `user`.
    ///
    /// # Errors
    /// When the user has as many calls under way as it may.
    pub fn acquire(&self, user: Uuid, has_a_role: bool) -> Result<Permit, ConcurrencyExceeded> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = table.entry(user).or_default();
        if under_way.calls >= self.most {
            return Err(ConcurrencyExceeded::Calls(self.most));
        }
        under_way.calls += 1;
        let budget = if has_a_role { BYTES_OF_A_ROLE } else { BYTES_WITHOUT_A_ROLE };
        let held = Held { user, budget, bytes: AtomicUsize::new(0), table: Arc::clone(&self.table) };
        Ok(Permit(Some(Arc::new(held))))
    }
}

/// The right to have a call under way. Clones are the same permit, which is given back when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Permit(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    user: Uuid,
    budget: usize,
    bytes: AtomicUsize,
    table: Table,
}

impl Permit {
    /// A permit of the hub itself, which has no limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Counts `bytes` more of input for as long as the permit is held.
    ///
    /// # Errors
    /// When the user's calls would hold more than they may.
    pub fn hold(&self, bytes: usize) -> Result<(), ConcurrencyExceeded> {
        let Some(held) = &self.0 else { return Ok(()) };
        let mut table = held.table.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = table.entry(held.user).or_default();
        if under_way.bytes.saturating_add(bytes) > held.budget {
            return Err(ConcurrencyExceeded::Bytes(held.budget));
        }
        under_way.bytes += bytes;
        held.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = table.get_mut(&self.user) {
            under_way.calls = under_way.calls.saturating_sub(1);
            under_way.bytes = under_way.bytes.saturating_sub(self.bytes.load(Ordering::Relaxed));
            if under_way.calls == 0 {
                table.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_permits_and_others_have_their_own() {
        let concurrency = ConcurrencyLimit::new(2);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = concurrency.acquire(one, true).expect("a permit");
        let _second = concurrency.acquire(one, true).expect("a permit");
        assert_eq!(concurrency.acquire(one, true).err(), Some(ConcurrencyExceeded::Calls(2)));
        assert!(concurrency.acquire(other, true).is_ok());
        let same = first.clone();
        drop(first);
        assert!(concurrency.acquire(one, true).is_err(), "a clone is the same permit");
        drop(same);
        assert!(concurrency.acquire(one, true).is_ok());
    }

    #[test]
    fn what_is_held_counts_until_the_permit_is_given_back() {
        let concurrency = ConcurrencyLimit::default();
        let user = Uuid::from_u128(1);
        let first = concurrency.acquire(user, true).expect("a permit");
        let second = concurrency.acquire(user, true).expect("a permit");
        assert_eq!(first.hold(BYTES_OF_A_ROLE), Ok(()));
        assert_eq!(second.hold(1), Err(ConcurrencyExceeded::Bytes(BYTES_OF_A_ROLE)));
        drop(first);
        assert_eq!(second.hold(BYTES_OF_A_ROLE), Ok(()));
        let idle = concurrency.acquire(Uuid::from_u128(2), false).expect("a permit");
        assert_eq!(idle.hold(BYTES_WITHOUT_A_ROLE), Ok(()));
        assert!(idle.hold(1).is_err());
    }

    #[test]
    fn nobody_stays_in_the_table() {
        let concurrency = ConcurrencyLimit::default();
        for user in 0..100 {
            let permit = concurrency.acquire(Uuid::from_u128(user), true).expect("a permit");
            permit.hold(10).expect("few enough bytes");
        }
        assert!(concurrency.table.lock().expect("a lock").is_empty());
    }
}
