//! When a token is valid. The same judgement for one that is verified and for one that is remembered: what is remembered ends
//! when it would no longer be verified, and a clock that is set back or forward makes no difference between them.

use std::time::{Duration, Instant, SystemTime};

use super::error::IdentityError;

/// Clock skew allowed on `exp` and `nbf`, in seconds.
pub(super) const LEEWAY: Duration = Duration::from_secs(5);
/// The same on `iat`, which says when and not from when: far in the future it means a broken clock or a forger.
const IAT_LEEWAY: Duration = Duration::from_secs(60);
/// The longest that a token may still be valid. One that is valid for ever cannot be waited out when it leaks.
const VALID_MAX: Duration = Duration::from_hours(366 * 24);

/// What time it is, twice: keys are as old as the monotonic clock says, which nobody sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Since 1970, as the machine's clock has it.
    pub(super) clock: Duration,
    /// For ages.
    pub(super) monotonic: Instant,
}

impl Moment {
    pub(super) fn now() -> Self {
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { clock, monotonic: Instant::now() }
    }
}

/// A token's own words on when it is valid, in seconds since 1970, perhaps with a fraction (RFC 7519 §2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) exp: f64,
    pub(super) nbf: Option<f64>,
    pub(super) iat: Option<f64>,
}

impl Lifetime {
    /// When the token ends by its own words. What no clock can say is over.
    pub(super) fn ends(&self) -> SystemTime {
        let since = Duration::try_from_secs_f64(self.exp).unwrap_or_default();
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Whether the token is valid at `now`, by the clock.
    ///
    /// # Errors
    /// When its time has not come, is over, or lasts too long.
    pub(super) fn check(&self, now: Duration) -> Result<(), IdentityError> {
        // Whole seconds, and `exp` and `nbf` rounded to them, as the library that verifies compares them.
        let second = Duration::from_secs(now.as_secs()).as_secs_f64();
        if self.exp.round() < second - LEEWAY.as_secs_f64() {
            return Err(IdentityError::Expired);
        }
        let too_early = self.nbf.is_some_and(|from| from.round() > second + LEEWAY.as_secs_f64());
        if too_early || self.iat.is_some_and(|issued| issued > (now + IAT_LEEWAY).as_secs_f64()) {
            return Err(IdentityError::NotYetValid);
        }
        if self.exp > (now + VALID_MAX).as_secs_f64() {
            return Err(IdentityError::Malformed("it is valid for longer than a year"));
        }
        Ok(())
    }
}
