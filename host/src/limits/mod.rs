//! Rate limits: so many calls of a user to a provider's tools of one class, in a sliding window (a log of calls).
//! Concurrency limits: so many calls of a user at once. And how often a user may be refused.

mod buckets;
mod concurrency;
mod often;
mod table;

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

pub use buckets::Buckets;
pub use concurrency::{CALLS_PER_CALLER, ConcurrencyExceeded, ConcurrencyLimit, Permit};
pub use often::{Often, TooOften};

use self::table::Table;
use crate::{
    config::Quota,
    names::{ProviderName, ToolClass},
};

/// The longest window that the config knows. What is older counts for nothing, whatever the config becomes.
const LONGEST: Duration = Duration::from_hours(24);
/// So many calls are remembered at least, in case a later config counts more of them than the one in force.
const KEPT_MIN: usize = 256;

/// What is counted together. The caller's role is no part of it: who changes roles keeps what was counted.
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
///
/// What a quota allows is decided from the calls themselves, not from a window that was opened for it. So a quota that
/// becomes another one, because the caller's role changes, finds every call that counts for it, and going back and forth
/// between quotas gives nobody more calls than the quota in force allows. One of a later config finds the newest 256 at least.
#[derive(Debug, Default)]
pub struct Limiter {
    windows: Mutex<Table<LimitKey, Window>>,
}

/// The newest calls, oldest first: as many as the largest quota that was asked for can count, and some more.
#[derive(Debug, Default)]
struct Window {
    calls: VecDeque<Instant>,
    most: usize,
}

impl Limiter {
    /// Counts a call if the quota allows another. `largest` is the most calls that the quota of any role counts for this
    /// provider and class: so many are remembered, in case the caller comes with another role.
    ///
    /// # Errors
    /// When it does not: the time until it does. A refused call is not counted.
    pub fn admit(&self, key: &LimitKey, quota: Quota, largest: u32) -> Result<(), Duration> {
        self.admit_at(key, quota, largest, Instant::now())
    }

    fn admit_at(&self, key: &LimitKey, quota: Quota, largest: u32, now: Instant) -> Result<(), Duration> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.update(key, |window| !window.is_live(now), Window::default, |window| window.admit(quota, largest, now))
    }
}

impl Window {
    fn admit(&mut self, quota: Quota, largest: u32, now: Instant) -> Result<(), Duration> {
        let most = quota.calls as usize;
        self.most = self.most.max(most).max(largest as usize).max(KEPT_MIN);
        // Another call fits if that many calls ago is longer ago than the window.
        let decides = self.calls.len().checked_sub(most).and_then(|index| self.calls.get(index));
        if let Some(at) = decides {
            let wait = quota.window.saturating_sub(now.saturating_duration_since(*at));
            if !wait.is_zero() {
                return Err(wait);
            }
        }
        while self.calls.len() >= self.most || self.calls.front().is_some_and(|at| is_over(*at, now)) {
            self.calls.pop_front();
        }
        self.calls.push_back(now);
        Ok(())
    }

    fn is_live(&self, now: Instant) -> bool {
        self.calls.back().is_some_and(|at| !is_over(*at, now))
    }
}

fn is_over(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= LONGEST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(class: ToolClass) -> LimitKey {
        LimitKey { user: Uuid::nil(), provider: "p".parse().expect("a name"), class }
    }

    #[test]
    fn the_window_slides_and_refusals_do_not_count() {
        let (limiter, quota) = (Limiter::default(), Quota { calls: 2, window: Duration::from_secs(60) });
        let (key, start) = (key(ToolClass::Read), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(limiter.admit_at(&key, quota, 0, at(0)), Ok(()));
        assert_eq!(limiter.admit_at(&key, quota, 0, at(10)), Ok(()));
        assert_eq!(limiter.admit_at(&key, quota, 0, at(20)), Err(Duration::from_secs(40)));
        assert_eq!(limiter.admit_at(&key, quota, 0, at(59)), Err(Duration::from_secs(1)));
        assert_eq!(limiter.admit_at(&key, quota, 0, at(60)), Ok(()));
        assert_eq!(limiter.admit_at(&key, quota, 0, at(61)), Err(Duration::from_secs(9)));
    }

    #[test]
    fn a_lowered_quota_binds_at_once() {
        let limiter = Limiter::default();
        let start = Instant::now();
        let quota = |calls| Quota { calls, window: Duration::from_secs(60) };
        for second in 0..5 {
            let at = start + Duration::from_secs(second);
            assert_eq!(limiter.admit_at(&key(ToolClass::Read), quota(10), 0, at), Ok(()));
        }
        let at = start + Duration::from_secs(10);
        assert_eq!(limiter.admit_at(&key(ToolClass::Read), quota(2), 0, at), Err(Duration::from_secs(53)));
    }

    #[test]
    fn a_role_with_a_small_quota_and_a_short_window_hides_no_calls_from_the_quota_of_another() {
        let limiter = Limiter::default();
        let (key, start) = (key(ToolClass::Read), Instant::now());
        let viewer = Quota { calls: 10, window: Duration::from_secs(1) };
        let operator = Quota { calls: 1000, window: Duration::from_secs(3600) };
        let at = |call: u32| start + Duration::from_millis(100) * call;
        for call in 0..1000 {
            assert_eq!(limiter.admit_at(&key, viewer, operator.calls, at(call)), Ok(()), "{call}");
        }
        assert!(limiter.admit_at(&key, operator, operator.calls, at(1000)).is_err());
    }

    #[test]
    fn classes_are_counted_apart() {
        let (limiter, quota) = (Limiter::default(), Quota { calls: 1, window: Duration::from_secs(60) });
        assert!(limiter.admit(&key(ToolClass::Read), quota, 0).is_ok());
        assert!(limiter.admit(&key(ToolClass::Scan), quota, 0).is_ok());
        assert!(limiter.admit(&key(ToolClass::Read), quota, 0).is_err());
    }

    #[test]
    fn a_role_that_changes_and_changes_back_finds_what_was_counted() {
        let limiter = Limiter::default();
        let (key, start) = (key(ToolClass::Read), Instant::now());
        let quota = |calls, seconds| Quota { calls, window: Duration::from_secs(seconds) };
        let (viewer, operator) = (quota(3, 3600), quota(5, 60));
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..3 {
            assert_eq!(limiter.admit_at(&key, viewer, 0, at(second)), Ok(()));
        }
        assert_eq!(limiter.admit_at(&key, viewer, 0, at(3)), Err(Duration::from_secs(3597)));
        // An operator may do more, and what was done counts.
        assert_eq!(limiter.admit_at(&key, operator, 0, at(4)), Ok(()));
        assert_eq!(limiter.admit_at(&key, operator, 0, at(5)), Ok(()));
        assert_eq!(limiter.admit_at(&key, operator, 0, at(6)), Err(Duration::from_secs(54)));
        // The operator's shorter window forgets nothing that counts for the viewer.
        assert_eq!(limiter.admit_at(&key, operator, 0, at(100)), Ok(()));
        assert_eq!(limiter.admit_at(&key, viewer, 0, at(101)), Err(Duration::from_secs(3600 + 4 - 101)));
    }

    #[test]
    fn a_window_that_gets_shorter_or_longer_multiplies_no_quota() {
        let quota = |calls, seconds| Quota { calls, window: Duration::from_secs(seconds) };
        let hour = quota(10, 3600);
        // Whatever stands in the config in between: ten within any hour in which ten is what it says.
        for other in [quota(3, 1), quota(10, 1), quota(1, 1), quota(1, 86_400), quota(10, 86_400), quota(4, 60)] {
            let limiter = Limiter::default();
            let (key, start) = (key(ToolClass::Read), Instant::now());
            let mut admitted = Vec::new();
            for second in 0..7200_u32 {
                let now = start + Duration::from_secs(second.into());
                if second % 7 == 0 && second % 49 != 0 {
                    // Only asked for: a quota in force that lets nothing through must not make others forget either.
                    if limiter.admit_at(&key, other, 0, now).is_ok() {
                        admitted.push(second);
                    }
                } else if limiter.admit_at(&key, hour, 0, now).is_ok() {
                    let recent = admitted.iter().filter(|at| second - **at < 3600).count();
                    assert!(recent < 10, "{other}: {recent} within the hour before second {second}");
                    admitted.push(second);
                }
            }
            assert!(admitted.len() >= 10, "{other}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_by_the_largest_quota() {
        let (limiter, quota) = (Limiter::default(), Quota { calls: 3, window: Duration::from_secs(1) });
        let (key, start) = (key(ToolClass::Read), Instant::now());
        for second in 0..1000 {
            assert_eq!(limiter.admit_at(&key, quota, 0, start + Duration::from_secs(second)), Ok(()));
        }
        let windows = limiter.windows.lock().expect("a lock");
        assert_eq!(windows.get(&key).map(|window| window.calls.len()), Some(KEPT_MIN));
    }

    proptest! {
        #![proptest_config(bulkhead_properties::tries(64))]
        /// What is forgotten on the way counts for nothing: the verdicts are those of somebody who forgets no call.
        #[test]
        fn every_verdict_is_that_of_all_calls_so_far(
            quotas in prop::collection::vec((1..6_u32, 1..86_400_u64), 4),
            calls in prop::collection::vec((0..40_u128, prop_oneof![0..30_u64, 0..90_000_u64]), 0..300),
        ) {
            let (limiter, mut now) = (Limiter::default(), Instant::now());
            let mut admitted: Vec<(u128, Instant)> = Vec::new();
            for (user, pause) in calls {
                now += Duration::from_secs(pause);
                let (calls, seconds) = quotas[usize::try_from(user % 4).expect("an index")];
                let quota = Quota { calls, window: Duration::from_secs(seconds) };
                let own: Vec<_> = admitted.iter().filter(|(of, at)| *of == user && now - *at < quota.window).collect();
                let expected = match own.len().checked_sub(calls as usize) {
                    None => Ok(()),
                    Some(first) => Err(quota.window.saturating_sub(now - own[first].1)),
                };
                let key = LimitKey { user: Uuid::from_u128(user), ..key(ToolClass::Read) };
                prop_assert_eq!(limiter.admit_at(&key, quota, 0, now), expected);
                if expected.is_ok() {
                    admitted.push((user, now));
                }
            }
        }
    }
}
