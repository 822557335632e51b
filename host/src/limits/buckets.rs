//! Token buckets: a burst, and then one every so often, for each key, counted in one number (GCRA).

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use super::table::Table;

/// A bucket for each key; what is kept of it is when it will be full again.
#[derive(Debug)]
pub struct Buckets<K> {
    burst: u32,
    every: Duration,
    full_at: Table<K, Instant>,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// `burst` at once for each key, and then one `every` so often.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Table::default() }
    }

    /// Takes one of a key's.
    ///
    /// # Errors
    /// When there is none: the time until there is. Nothing is taken then.
    pub fn take(&mut self, key: &K, now: Instant) -> Result<(), Duration> {
        let (every, most) = (self.every, self.every * self.burst.saturating_sub(1));
        // Who has all of theirs again is forgotten: somebody new has as many.
        let is_full = |full_at: &Instant| *full_at <= now;
        self.full_at.update(
            key,
            is_full,
            || now,
            |full_at| {
                let begins = (*full_at).max(now);
                let missing = begins.duration_since(now);
                if missing > most {
                    return Err(missing.saturating_sub(most));
                }
                *full_at = begins + every;
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_at_once_and_then_one_every_so_often() {
        let mut buckets = Buckets::new(3, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(buckets.take(&"one", at(0)), Ok(()));
        }
        assert_eq!(buckets.take(&"one", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take(&"other", at(0)), Ok(()), "each key has its own");
        assert_eq!(buckets.take(&"one", at(9)), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take(&"one", at(10)), Ok(()));
        assert_eq!(buckets.take(&"one", at(10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(buckets.take(&"one", at(100)), Ok(()), "never more than there are at once");
        }
        assert!(buckets.take(&"one", at(100)).is_err());
    }

    #[test]
    fn keys_that_have_all_of_theirs_are_forgotten() {
        let mut buckets = Buckets::new(2, Duration::from_secs(1));
        let start = Instant::now();
        for key in 0..10_000 {
            assert!(buckets.take(&key, start + Duration::from_secs(key)).is_ok());
        }
        assert!(buckets.full_at.len() <= 4, "{}", buckets.full_at.len());
    }
}
