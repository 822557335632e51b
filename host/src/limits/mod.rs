//! Rate limits: so many calls of a user to a provider's tools of one class, in a sliding window; and places, so many calls
//! of a user at once.

mod places;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

pub use places::{CALLS_PER_CALLER, Full, Place, Places};

use crate::{
    call::{ProviderName, ToolClass},
    config::Quota,
};

/// Above this many windows, those in which nothing counts any more are dropped.
const SWEEP_ABOVE: usize = 4096;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// Who calls.
    pub user: Uuid,
    /// Which provider.
    pub provider: ProviderName,
    /// What sort of tool.
    pub class: ToolClass,
}

/// The calls of the recent past, exact to the call.
#[derive(Debug, Default)]
pub struct Limiter {
    windows: Mutex<HashMap<LimitKey, Window>>,
}

#[derive(Debug)]
struct Window {
    calls: VecDeque<Instant>,
    length: Duration,
}

impl Limiter {
    /// Counts a call if the quota has room.
    ///
    /// # Errors
    /// When it has none: the time until it has. A refused call is not counted.
    pub fn admit(&self, key: &LimitKey, quota: Quota) -> Result<(), Duration> {
        self.admit_at(key, quota, Instant::now())
    }

    fn admit_at(&self, key: &LimitKey, quota: Quota, now: Instant) -> Result<(), Duration> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() > SWEEP_ABOVE {
            windows.retain(|_, window| window.is_live(now));
        }
        let window =
            windows.entry(key.clone()).or_insert_with(|| Window { calls: VecDeque::new(), length: quota.window });
        window.length = quota.window;
        window.forget_before(now);
        let room = window.calls.len().saturating_sub(quota.calls as usize - 1);
        // `room` is 0 when another call fits; otherwise it is how many of the oldest have to leave first.
        match room.checked_sub(1).and_then(|last_to_leave| window.calls.get(last_to_leave)) {
            None => {
                window.calls.push_back(now);
                Ok(())
            }
            Some(oldest) => Err(quota.window.saturating_sub(now.duration_since(*oldest))),
        }
    }
}

impl Window {
    fn forget_before(&mut self, now: Instant) {
        while self.calls.front().is_some_and(|at| now.duration_since(*at) >= self.length) {
            self.calls.pop_front();
        }
    }

    fn is_live(&self, now: Instant) -> bool {
        self.calls.back().is_some_and(|at| now.duration_since(*at) < self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(class: ToolClass) -> LimitKey {
        LimitKey { user: Uuid::nil(), provider: "p".parse().expect("a name"), class }
    }

    #[test]
    fn the_window_slides_and_refusals_do_not_count() {
        let (limiter, quota) = (Limiter::default(), Quota { calls: 2, window: Duration::from_secs(60) });
        let (key, start) = (key(ToolClass::Read), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(limiter.admit_at(&key, quota, at(0)), Ok(()));
        assert_eq!(limiter.admit_at(&key, quota, at(10)), Ok(()));
        assert_eq!(limiter.admit_at(&key, quota, at(20)), Err(Duration::from_secs(40)));
        assert_eq!(limiter.admit_at(&key, quota, at(59)), Err(Duration::from_secs(1)));
        assert_eq!(limiter.admit_at(&key, quota, at(60)), Ok(()));
        assert_eq!(limiter.admit_at(&key, quota, at(61)), Err(Duration::from_secs(9)));
    }

    #[test]
    fn a_lowered_quota_binds_at_once() {
        let limiter = Limiter::default();
        let start = Instant::now();
        let quota = |calls| Quota { calls, window: Duration::from_secs(60) };
        for second in 0..5 {
            let at = start + Duration::from_secs(second);
            assert_eq!(limiter.admit_at(&key(ToolClass::Read), quota(10), at), Ok(()));
        }
        let at = start + Duration::from_secs(10);
        assert_eq!(limiter.admit_at(&key(ToolClass::Read), quota(2), at), Err(Duration::from_secs(53)));
    }

    #[test]
    fn classes_are_counted_apart() {
        let (limiter, quota) = (Limiter::default(), Quota { calls: 1, window: Duration::from_secs(60) });
        assert!(limiter.admit(&key(ToolClass::Read), quota).is_ok());
        assert!(limiter.admit(&key(ToolClass::Scan), quota).is_ok());
        assert!(limiter.admit(&key(ToolClass::Read), quota).is_err());
    }
}
