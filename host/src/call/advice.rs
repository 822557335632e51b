//! What to do about an error, and when. Many clients show a model nothing but the text, so the text says all of it.

use std::time::Duration;

use super::{CallError, InputFault, ProviderFault};
use crate::{
    audit::{AuditError, TrailError},
    identity::IdentityError,
    names::Code,
    sandbox::RunError,
    text::whole_seconds,
};

/// How long to leave alone what failed for a reason that passes, where nobody said how long.
const PASSING: Duration = Duration::from_secs(5);
/// When to come back to a provider that is still loading.
const LOADING: Duration = Duration::from_secs(2);

/// When it makes sense to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After this long, not before.
    After(Duration),
    /// At once, with another input: the same one ends the same way.
    Changed,
    /// When somebody has fixed what is wrong: waiting does not.
    Fixed,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// The next step, as a clause.
    pub next: &'static str,
    /// When the call may be tried again.
    pub retry: Retry,
}

impl Retry {
    /// The same as a clause.
    #[must_use]
    pub fn told(self) -> String {
        match self {
            Self::After(after) => format!("in {} s", whole_seconds(after).max(1)),
            Self::Changed => "immediately with another input, not with this one".to_owned(),
            Self::Fixed => "not before that is done".to_owned(),
        }
    }
}

impl CallError {
    /// The error for whoever sees only text: its code, what is wrong, what to do next, and when. One line, unless a provider's
    /// own words are more.
    #[must_use]
    pub fn told(&self) -> String {
        let Advice { next, retry } = self.advice();
        format!("{}: {self} (next: {next}; retry: {})", self.code(), retry.told())
    }

    /// When trying again makes sense, if time is what it takes.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.advice().retry {
            Retry::After(after) => Some(after),
            Retry::Changed | Retry::Fixed => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Advice {
        let (next, retry) = match self {
            Self::Unauthenticated(IdentityError::KeysUnavailable) => ("wait", Retry::After(PASSING)),
            Self::Unauthenticated(_) => ("send a valid token as `Authorization: Bearer <token>`", Retry::Fixed),
            Self::UnknownProvider(_) | Self::UnknownItem { .. } => {
                ("list what there is and use a name exactly as listed", Retry::Changed)
            }
            Self::Ambiguous { .. } => ("ask for one of these names", Retry::Changed),
            Self::Disabled { .. } => ("go on without this provider, or have an admin enable it", Retry::Fixed),
            Self::Unavailable { .. } => {
                ("go on without this provider, or tell an admin", Retry::After(crate::health::RECHECK_DOWN))
            }
            Self::CircuitOpen { open, .. } => {
                ("go on without this provider, or tell an admin if it persists", Retry::After(open.retry_after))
            }
            Self::Loading(_) => ("wait", Retry::After(LOADING)),
            Self::Forbidden { .. } => ("go on without it, or have an admin grant the role", Retry::Fixed),
            Self::Misaddressed(_) => ("use the hub's own URL, or tell its admin", Retry::Fixed),
            Self::RateLimited { retry_after, .. } => {
                ("wait, or have an admin raise the quota", Retry::After(*retry_after))
            }
            Self::ConcurrencyExceeded(_) | Self::Input(InputFault::ConcurrencyExceeded(_)) => {
                ("wait for a call of yours to end", Retry::After(Duration::from_secs(1)))
            }
            Self::TooOften(often) => ("fix what is refused, and ask less often", Retry::After(often.retry_after())),
            Self::Request(_) => ("send it as the protocol specifies", Retry::Changed),
            Self::Input(InputFault::TooSlow(_)) => ("send it again", Retry::After(Duration::from_secs(1))),
            Self::Input(_) => ("correct the input", Retry::Changed),
            Self::Run(RunError::Timeout(_)) => (
                "ask for less; a scan or write may have taken effect all the same, so check before you retry",
                Retry::After(PASSING),
            ),
            Self::Run(RunError::Cancelled) => (
                "a scan or write may have taken effect all the same, so check before you retry",
                Retry::After(Duration::from_secs(1)),
            ),
            Self::Run(RunError::Limit(_)) | Self::Trail(TrailError::TooLong) => ("ask for less", Retry::Changed),
            Self::Run(RunError::Trap(_)) => (
                "try once more, then with another input, and tell an admin if it persists; a scan or write may have taken effect, \
                 so check before you retry",
                Retry::After(PASSING),
            ),
            Self::Run(RunError::Busy(_)) | Self::Trail(TrailError::Busy | TrailError::Full { .. }) => {
                ("wait", Retry::After(Duration::from_secs(1)))
            }
            Self::Provider(fault) => return of_provider(fault),
            Self::InvalidOutput(_) => {
                ("try with another input, and tell an admin; a scan or write has taken effect", Retry::Changed)
            }
            Self::ConfigRefused(_) => ("correct the file where the error says, and reload", Retry::Fixed),
            Self::OverrideRefused(_) => ("look at GET /admin/providers, and decide again", Retry::Changed),
            Self::OverrideNotKept(_) => {
                ("look at GET /admin/providers what holds, and try again", Retry::After(PASSING))
            }
            Self::Trail(TrailError::Away) => ("wait, and tell an admin if it persists", Retry::After(PASSING)),
            Self::Trail(TrailError::Unreadable) => ("tell an admin", Retry::Fixed),
            Self::NotRecorded(AuditError::Refusing) => {
                ("nothing ran; tell an admin if it persists", Retry::After(PASSING))
            }
            Self::NotRecorded(_) | Self::Internal => (
                "a scan or write may have taken effect, so check before you retry; tell an admin if it persists",
                Retry::After(PASSING),
            ),
        };
        Advice { next, retry }
    }
}

/// What a provider's own code means for its caller. Its words may say more, or nothing.
fn of_provider(fault: &ProviderFault) -> Advice {
    let passing = Retry::After(fault.retry_after.unwrap_or(PASSING));
    let (next, retry) = match fault.code {
        Code::InvalidInput => ("correct the input", Retry::Changed),
        Code::NotFound => ("look up the name or id, then ask for that", Retry::Changed),
        Code::Conflict => ("look up the current state, then decide again", Retry::Changed),
        Code::UpstreamAuth => ("have an admin check the provider's credentials", Retry::Fixed),
        Code::Misconfigured => ("have an admin check the provider's config", Retry::Fixed),
        Code::UpstreamRateLimited => ("wait", passing),
        Code::UpstreamTimeout => {
            ("ask for less; a scan or write may have taken effect all the same, so check before you retry", passing)
        }
        Code::UpstreamFailed | Code::UpstreamUnreachable => ("wait, and tell an admin if it persists", passing),
        _ => ("try with another input, and tell an admin if it persists", Retry::Changed),
    };
    // What the provider says itself is more than a guess from its code.
    Advice { next, retry: fault.retry_after.map_or(retry, Retry::After) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_code_the_next_step_and_the_time() {
        let timeout = CallError::Run(RunError::Timeout(Duration::from_millis(300))).told();
        assert!(timeout.starts_with("timeout: no answer within 300 ms"), "{timeout}");
        assert!(timeout.contains("next: ask for less") && timeout.ends_with("retry: in 5 s)"), "{timeout}");

        let trap = CallError::Run(RunError::Trap("unreachable".into())).told();
        assert!(
            trap.starts_with("provider_crashed: ") && trap.contains("next: ") && trap.contains("retry: in"),
            "{trap}"
        );

        let fault = |code, retry_after| {
            CallError::Provider(ProviderFault { code, message: "no".into(), retry_after, status: 502 }).told()
        };
        assert!(fault(Code::UpstreamAuth, None).ends_with("retry: not before that is done)"));
        assert!(fault(Code::InvalidInput, None).ends_with("retry: immediately with another input, not with this one)"));
        assert!(fault(Code::UpstreamFailed, Some(Duration::from_millis(6100))).ends_with("retry: in 7 s)"));
        assert!(fault(Code::NotFound, Some(Duration::ZERO)).ends_with("retry: in 1 s)"));
    }
}
