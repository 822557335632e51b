//! So many at once, and then one every so often: counted for each key, in one number.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Above this many keys, those that have all of theirs again are dropped.
const SWEEP_ABOVE: usize = 4096;

/// A bucket for each key (GCRA: what is kept is when the bucket will be full again).
#[derive(Debug)]
pub struct Buckets<K> {
    burst: u32,
    every: Duration,
    full_at: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// `burst` at once for each key, and then one `every` so often.
    #[must_use]
    pub fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: HashMap::new() }
    }

    /// Takes one of a key's.
    ///
    /// # Errors
    /// When there is none: the time until there is. Nothing is taken then.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        if self.full_at.len() > SWEEP_ABOVE {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let full_at = self.full_at.entry(key).or_insert(now);
        let begins = (*full_at).max(now);
        let missing = begins.duration_since(now);
        let most = self.every * self.burst.saturating_sub(1);
        if missing > most {
            return Err(missing.saturating_sub(most));
        }
        *full_at = begins + self.every;
        Ok(())
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
            assert_eq!(buckets.take("one", at(0)), Ok(()));
        }
        assert_eq!(buckets.take("one", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take("other", at(0)), Ok(()), "each key has its own");
        assert_eq!(buckets.take("one", at(9)), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take("one", at(10)), Ok(()));
        assert_eq!(buckets.take("one", at(10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(buckets.take("one", at(100)), Ok(()), "never more than there are at once");
        }
        assert!(buckets.take("one", at(100)).is_err());
    }

    #[test]
    fn keys_that_have_all_of_theirs_are_forgotten() {
        let mut buckets = Buckets::new(2, Duration::from_secs(1));
        let start = Instant::now();
        for key in 0..3 * SWEEP_ABOVE {
            assert!(buckets.take(key, start + Duration::from_secs(key as u64)).is_ok());
        }
        assert!(buckets.full_at.len() <= SWEEP_ABOVE + 1);
    }
}
