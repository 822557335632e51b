//! What costs nobody's quota has a limit of its own per user: operations that are refused before anything runs, and checks
//! of health.
//!
//! Only what is refused is held against the first: a user who used it up is still served what it may have. Unauthenticated
//! callers are in neither, because they have no name: one limit for all of them would be a way to keep everybody from
//! being told to authenticate. What they do is counted together (`audit/denials.rs`) and bounded by connections.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::buckets::Buckets;

/// Operations of one user that may be refused at once...
pub const REFUSED_AT_ONCE: u32 = 1000;
/// ... and how often one more.
pub const REFUSED_EVERY: Duration = Duration::from_millis(100);
/// Checks of health that one user may ask for at once...
pub const CHECKS_AT_ONCE: u32 = 500;
/// ... and how often one more.
pub const CHECKS_EVERY: Duration = Duration::from_millis(100);

/// Why a user has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooOften {
    /// Too much of what it asked for was refused.
    #[error(
        "too many of your requests are refused: one caller may have {REFUSED_AT_ONCE} refused at once, then {} a second: fix them, and try again in {} s",
        per_second(REFUSED_EVERY),
        seconds(*.0)
    )]
    Refused(Duration),
    /// Too many checks.
    #[error(
        "too many health checks: one caller may ask for {CHECKS_AT_ONCE} at once, then {} a second: try again in {} s",
        per_second(CHECKS_EVERY),
        seconds(*.0)
    )]
    Checks(Duration),
}

fn per_second(every: Duration) -> u128 {
    1000 / every.as_millis().max(1)
}

fn seconds(after: Duration) -> u64 {
    crate::text::whole_seconds(after).max(1)
}

impl TooOften {
    /// When trying again makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Refused(after) | Self::Checks(after) => *after,
        }
    }
}

/// How often each user was refused, and asked how providers are.
#[derive(Debug)]
pub struct Often {
    refused: Mutex<Buckets<Uuid>>,
    checks: Mutex<Buckets<Uuid>>,
}

impl Default for Often {
    fn default() -> Self {
        Self {
            refused: Mutex::new(Buckets::new(REFUSED_AT_ONCE, REFUSED_EVERY)),
            checks: Mutex::new(Buckets::new(CHECKS_AT_ONCE, CHECKS_EVERY)),
        }
    }
}

impl Often {
    /// Counts an operation of `user` that is refused.
    ///
    /// # Errors
    /// When it is one too many: that is told instead of the reason.
    pub fn refused(&self, user: Uuid) -> Result<(), TooOften> {
        lock(&self.refused).take(&user, Instant::now()).map_err(TooOften::Refused)
    }

    /// Counts a check that `user` asks for.
    ///
    /// # Errors
    /// When it is one too many.
    pub fn checks(&self, user: Uuid) -> Result<(), TooOften> {
        lock(&self.checks).take(&user, Instant::now()).map_err(TooOften::Checks)
    }
}

fn lock(buckets: &Mutex<Buckets<Uuid>>) -> MutexGuard<'_, Buckets<Uuid>> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_its_own_and_what_is_refused_is_no_check() {
        let (often, one) = (Often::default(), Uuid::from_u128(1));
        let refused = (0..2 * REFUSED_AT_ONCE).find_map(|_| often.refused(one).err()).expect("a limit");
        assert!(refused.retry_after() <= REFUSED_EVERY && refused.to_string().ends_with("in 1 s"), "{refused}");
        assert_eq!(often.checks(one), Ok(()));
        assert_eq!(often.refused(Uuid::from_u128(2)), Ok(()));
        assert!((0..2 * CHECKS_AT_ONCE).any(|_| often.checks(one).is_err()));
    }
}
