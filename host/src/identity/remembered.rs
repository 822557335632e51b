//! Tokens that were verified, so that the same one is not verified again with every call.
//!
//! What is remembered belongs to the keys that verified it and is dropped with them: no change of keys can forget to clear it.
//! Only what was let in is here, under a digest of the whole token, never the token itself.

use std::{
    cmp::Reverse,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::{caller::Caller, lifetime::Lifetime};

/// Tokens are remembered in groups, by the first byte of their digests. Each has a lock of its own.
const GROUPS: usize = 256;
/// How many are remembered in a group: 4096 in all. Few enough to look at each.
const OF_A_GROUP: usize = 16;

/// What a token is remembered by. Whoever can tell how long digests take to compare learns nothing of a token from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// Who a token names, and when it does.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub(super) caller: Arc<Caller>,
    pub(super) lifetime: Lifetime,
}

/// The tokens that some keys have verified, at most 4096.
pub(super) struct Remembered(Vec<Mutex<Group>>);

#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    /// Counts what is asked for, to tell what was not for the longest time.
    asked: u64,
}

struct Entry {
    digest: Digest,
    verified: Verified,
    last_asked: u64,
}

impl Default for Remembered {
    fn default() -> Self {
        Self((0..GROUPS).map(|_| Mutex::default()).collect())
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered")
    }
}

impl Remembered {
    /// The caller of a token that was verified and is valid at `now`, by the clock.
    pub(super) fn recall(&self, digest: &Digest, now: Duration) -> Option<Arc<Caller>> {
        self.group(digest)?.recall(digest, now)
    }

    /// Remembers a token that was verified; gives its caller. Who has no role is not worth it: it may do nothing, and where
    /// anybody can sign up there are many.
    pub(super) fn keep(&self, digest: Digest, verified: Verified, now: Duration) -> Arc<Caller> {
        let caller = Arc::clone(&verified.caller);
        if caller.role.is_some()
            && let Some(mut group) = self.group(&digest)
        {
            group.keep(digest, verified, now);
        }
        caller
    }

    fn group(&self, digest: &Digest) -> Option<MutexGuard<'_, Group>> {
        let group = self.0.get(usize::from(digest.0[0]))?;
        Some(group.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Group {
    fn recall(&mut self, digest: &Digest, now: Duration) -> Option<Arc<Caller>> {
        let index = self.entries.iter().position(|entry| entry.digest == *digest)?;
        if self.entries[index].verified.lifetime.check(now).is_err() {
            // Verified once more, it is told what is wrong with it.
            self.entries.swap_remove(index);
            return None;
        }
        self.asked += 1;
        self.entries[index].last_asked = self.asked;
        Some(Arc::clone(&self.entries[index].verified.caller))
    }

    fn keep(&mut self, digest: Digest, verified: Verified, now: Duration) {
        // Verified twice at once, it is here once.
        self.entries.retain(|entry| entry.digest != digest);
        if self.entries.len() >= OF_A_GROUP {
            self.make_room(&verified.caller, now);
        }
        self.asked += 1;
        self.entries.push(Entry { digest, verified, last_asked: self.asked });
    }

    /// Forgets a token whose time is over, or else one of the user who would have the most here: who comes with ever new
    /// tokens replaces its own. Among those, the one that was not asked for the longest.
    fn make_room(&mut self, newcomer: &Caller, now: Duration) {
        let of_its_user = |entry: &Entry| {
            let user = entry.verified.caller.user;
            let others = self.entries.iter().filter(|other| other.verified.caller.user == user).count();
            others + usize::from(user == newcomer.user)
        };
        let claim = |entry: &Entry| {
            (entry.verified.lifetime.check(now).is_err(), of_its_user(entry), Reverse(entry.last_asked))
        };
        let least = self.entries.iter().enumerate().max_by_key(|(_, entry)| claim(entry)).map(|(index, _)| index);
        if let Some(index) = least {
            self.entries.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::names::Role;

    const NOW: Duration = Duration::from_secs(1000);

    fn of(user: u128) -> Verified {
        let lifetime = Lifetime { exp: 2000.0, nbf: None, iat: None };
        let user = Uuid::from_u128(user);
        let caller = Caller { user, role: Some(Role::OpsViewer), team: None, valid_until: lifetime.ends() };
        Verified { caller: Arc::new(caller), lifetime }
    }

    fn token(number: u32) -> Digest {
        Digest::of(&number.to_string())
    }

    /// One of a group's tokens.
    fn in_group(group: u8, number: u8) -> Digest {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        (bytes[0], bytes[SHA256_OUTPUT_LEN - 1]) = (group, number);
        Digest(bytes)
    }

    fn count(remembered: &Remembered) -> usize {
        remembered.0.iter().map(|group| group.lock().expect("a lock").entries.len()).sum()
    }

    #[test]
    fn ever_new_tokens_do_not_take_ever_more_memory() {
        let remembered = Remembered::default();
        for number in 0..20_000 {
            remembered.keep(token(number), of(number.into()), NOW);
        }
        assert_eq!(count(&remembered), GROUPS * OF_A_GROUP);
        assert!(remembered.recall(&token(19_999), NOW).is_some(), "the newest is there");
        let grown = remembered.0.iter().map(|group| group.lock().expect("a lock").entries.capacity()).max();
        assert!(grown <= Some(2 * OF_A_GROUP), "{grown:?}");
    }

    #[test]
    fn who_comes_with_ever_new_tokens_replaces_its_own() {
        let remembered = Remembered::default();
        for number in 0..1000 {
            remembered.keep(token(number), of(number.into()), NOW);
        }
        for number in 1000..20_000 {
            remembered.keep(token(number), of(u128::MAX), NOW);
        }
        let left = (0..1000).filter(|number| remembered.recall(&token(*number), NOW).is_some()).count();
        assert_eq!(left, 1000, "what others have stays");
        assert_eq!(count(&remembered), GROUPS * OF_A_GROUP);
    }

    #[test]
    fn among_equals_the_one_that_was_not_asked_for_the_longest_goes() {
        let remembered = Remembered::default();
        for number in 0..16 {
            remembered.keep(in_group(7, number), of(number.into()), NOW);
        }
        for number in (0..16).filter(|number| *number != 3) {
            assert!(remembered.recall(&in_group(7, number), NOW).is_some());
        }
        remembered.keep(in_group(7, 16), of(16), NOW);
        let left: Vec<_> = (0..=16).filter(|number| remembered.recall(&in_group(7, *number), NOW).is_some()).collect();
        assert_eq!(left, (0..=16).filter(|number| *number != 3).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_over_goes_first_and_is_gone_once_it_is_asked_for() {
        let remembered = Remembered::default();
        for number in 0..16 {
            let mut verified = of(if number < 8 { 0 } else { number.into() });
            verified.lifetime.exp = if number == 9 { 1100.0 } else { 2000.0 };
            remembered.keep(in_group(0, number), verified, NOW);
        }
        let later = Duration::from_secs(1106);
        remembered.keep(in_group(0, 16), of(0), later);
        assert!(remembered.recall(&in_group(0, 9), NOW).is_none(), "although one user has half of the group");
        assert_eq!(count(&remembered), 16);
        assert!(remembered.recall(&in_group(0, 8), Duration::from_secs(2006)).is_none());
        assert_eq!(count(&remembered), 15);
    }

    #[test]
    fn verified_twice_at_once_it_is_remembered_once() {
        let remembered = Remembered::default();
        for _ in 0..3 {
            remembered.keep(token(1), of(1), NOW);
        }
        assert_eq!(count(&remembered), 1);
    }
}
