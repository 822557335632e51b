//! Why a provider is not as the config wants it, and when that is tried again.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::error::LoadError;
use crate::text::one_line;

/// The longest problem that is told, in characters. Parts of it may be the component's own words.
const TEXT_MAX: usize = 4000;
/// What a problem ends with where the old revision may not serve in place of the new one.
const OUT_OF_SERVICE: &str =
    " (out of service until this is fixed: the config withdrew something that the older revision was granted)";
/// How soon a load is tried again that may have failed for a reason that passes.
const FIRST: Duration = Duration::from_secs(5);
/// Each time it fails again it is left alone for twice as long, at most this long.
const LONGEST: Duration = Duration::from_mins(10);

/// Why a provider could not be loaded as configured.
#[derive(Debug, Clone)]
pub struct Problem {
    text: String,
    /// The id of the revision that was not to be had; `None` if the component could not even be read.
    attempt: Option<String>,
    /// `None` where the same component and config would only fail again.
    again: Option<Again>,
}

#[derive(Debug, Clone, Copy)]
struct Again {
    at: Instant,
    after: Duration,
}

impl Problem {
    /// What a failed attempt leaves behind, given what the one before it did.
    pub(super) fn of(error: &LoadError, attempt: Option<String>, before: Option<&Self>) -> Self {
        Self::of_at(error, attempt, before, Instant::now())
    }

    fn of_at(error: &LoadError, attempt: Option<String>, before: Option<&Self>, now: Instant) -> Self {
        let earlier = before.filter(|before| before.attempt == attempt).and_then(|before| before.again);
        let after = earlier.map_or(FIRST, |again| again.after.saturating_mul(2).min(LONGEST));
        let again = error.is_passing().then(|| Again { at: now + after, after });
        Self { text: one_line(&error.to_string(), TEXT_MAX), attempt, again }
    }

    /// The same, where what served before had to go, too.
    pub(super) fn out_of_service(self) -> Self {
        let text = if self.text.ends_with(OUT_OF_SERVICE) { self.text } else { self.text + OUT_OF_SERVICE };
        Self { text, ..self }
    }

    /// Whether it says that what served before had to go.
    pub(super) fn is_out_of_service(&self) -> bool {
        self.text.ends_with(OUT_OF_SERVICE)
    }

    /// Whether there is no point in trying the same revision now. Who is asked to be `eager` tries whatever may pass.
    pub(super) fn stands(&self, attempt: &str, eager: bool) -> bool {
        self.stands_at(attempt, eager, Instant::now())
    }

    fn stands_at(&self, attempt: &str, eager: bool, now: Instant) -> bool {
        self.is_of(attempt) && self.again.is_none_or(|again| !eager && now < again.at)
    }

    /// Whether this revision is what was not to be had.
    pub(super) fn is_of(&self, attempt: &str) -> bool {
        self.attempt.as_deref() == Some(attempt)
    }

    /// When to try again; `None` for when something changes.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again.map(|again| again.at)
    }

    /// Whether this is nothing new after another one.
    pub(super) fn is_same(&self, before: &Self) -> bool {
        self.text == before.text && self.attempt == before.attempt
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::sandbox::CompileError;

    fn failed(error: &LoadError, id: &str, before: Option<&Problem>, now: Instant) -> Problem {
        Problem::of_at(error, Some(id.to_owned()), before, now)
    }

    #[test]
    fn what_passes_is_tried_again_ever_less_often_and_what_lasts_when_something_changes() {
        let start = Instant::now();
        let passing: LoadError = CompileError::Killed.into();
        let first = failed(&passing, "a", None, start);
        assert!(
            first.stands_at("a", false, start) && !first.stands_at("a", true, start),
            "an eager one waits for nothing"
        );
        assert!(!first.stands_at("a", false, start + FIRST) && !first.stands_at("b", false, start));
        let (mut last, mut waits) = (first, Vec::new());
        for _ in 0..9 {
            let at = last.again_at().expect("it is tried again");
            last = failed(&passing, "a", Some(&last), at);
            waits.push((last.again_at().expect("again") - at).as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        let other = failed(&passing, "b", Some(&last), start);
        assert_eq!(other.again_at(), Some(start + FIRST), "another revision begins anew");

        let lasting = failed(&LoadError::Description("odd".to_owned()), "a", None, start);
        assert_eq!(lasting.again_at(), None);
        assert!(lasting.stands_at("a", true, start + LONGEST) && !lasting.stands_at("b", false, start));
        let unread = LoadError::File { path: "x".into(), source: io::Error::other("held") };
        let unread = Problem::of_at(&unread, None, None, start);
        assert!(unread.again_at().is_some() && !unread.stands_at("a", false, start));
    }
}
