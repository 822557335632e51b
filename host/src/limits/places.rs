//! Places: how many calls of one user may be under way at once, and how much of what they sent may be in memory.
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

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many calls as one user may have.
    #[error("{0} of your calls are under way, as many as one caller may have: wait until one ends")]
    Calls(u32),
    /// As many bytes as one user may send at once.
    #[error("your calls under way have sent {} MB, as much as one caller may at once: wait until one ends", .0 / 1_000_000)]
    Bytes(usize),
}

#[derive(Debug, Default)]
struct UnderWay {
    calls: u32,
    bytes: usize,
}

type Table = Arc<Mutex<HashMap<Uuid, UnderWay>>>;

/// Who has how much under way.
#[derive(Debug)]
pub struct Places {
    most: u32,
    table: Table,
}

impl Default for Places {
    fn default() -> Self {
        Self::new(CALLS_PER_CALLER)
    }
}

impl Places {
    /// Room for `most` calls of each user.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, table: Table::default() }
    }

    /// Takes a place for a call of `user`.
    ///
    /// # Errors
    /// When the user has as many calls under way as it may.
    pub fn enter(&self, user: Uuid, has_a_role: bool) -> Result<Place, Full> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = table.entry(user).or_default();
        if under_way.calls >= self.most {
            return Err(Full::Calls(self.most));
        }
        under_way.calls += 1;
        let budget = if has_a_role { BYTES_OF_A_ROLE } else { BYTES_WITHOUT_A_ROLE };
        let held = Held { user, budget, bytes: AtomicUsize::new(0), table: Arc::clone(&self.table) };
        Ok(Place(Some(Arc::new(held))))
    }
}

/// A place among a user's calls under way. Clones are the same place, which is free when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Place(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    user: Uuid,
    budget: usize,
    bytes: AtomicUsize,
    table: Table,
}

impl Place {
    /// A place of the hub itself, which has no limit.
    #[must_use]
    pub fn of_the_hub() -> Self {
        Self(None)
    }

    /// Counts `bytes` more of input for as long as the place is held.
    ///
    /// # Errors
    /// When the user's calls would hold more than they may.
    pub fn hold(&self, bytes: usize) -> Result<(), Full> {
        let Some(held) = &self.0 else { return Ok(()) };
        let mut table = held.table.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = table.entry(held.user).or_default();
        if under_way.bytes.saturating_add(bytes) > held.budget {
            return Err(Full::Bytes(held.budget));
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
    fn a_user_has_so_many_places_and_others_have_their_own() {
        let places = Places::new(2);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = places.enter(one, true).expect("a place");
        let _second = places.enter(one, true).expect("a place");
        assert_eq!(places.enter(one, true).err(), Some(Full::Calls(2)));
        assert!(places.enter(other, true).is_ok());
        let same = first.clone();
        drop(first);
        assert!(places.enter(one, true).is_err(), "a clone is the same place");
        drop(same);
        assert!(places.enter(one, true).is_ok());
    }

    #[test]
    fn what_is_held_counts_until_the_place_is_given_back() {
        let places = Places::default();
        let user = Uuid::from_u128(1);
        let first = places.enter(user, true).expect("a place");
        let second = places.enter(user, true).expect("a place");
        assert_eq!(first.hold(BYTES_OF_A_ROLE), Ok(()));
        assert_eq!(second.hold(1), Err(Full::Bytes(BYTES_OF_A_ROLE)));
        drop(first);
        assert_eq!(second.hold(BYTES_OF_A_ROLE), Ok(()));
        let idle = places.enter(Uuid::from_u128(2), false).expect("a place");
        assert_eq!(idle.hold(BYTES_WITHOUT_A_ROLE), Ok(()));
        assert!(idle.hold(1).is_err());
    }

    #[test]
    fn nobody_stays_in_the_table() {
        let places = Places::default();
        for user in 0..100 {
            let place = places.enter(Uuid::from_u128(user), true).expect("a place");
            place.hold(10).expect("room");
        }
        assert!(places.table.lock().expect("a lock").is_empty());
    }
}
