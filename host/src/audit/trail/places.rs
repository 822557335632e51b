//! What lasts, such as exports and streams: so many at once in all, of each caller, and of those who see their own events alone.

use std::sync::{Arc, Mutex, PoisonError};

use super::turns::{Kind, Reader};

/// How many there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// In all.
    pub hub: usize,
    /// Of one caller.
    pub caller: usize,
    /// Of all who see their own events: the rest is for those who answer for all.
    pub own_rows: usize,
}

/// Who has one. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Places {
    most: Most,
    taken: Arc<Mutex<Vec<Reader>>>,
}

/// The right to have one, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    reader: Reader,
    places: Places,
}

impl Places {
    pub(super) fn new(most: Most) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A place for a caller, if there is one.
    pub(super) fn take(&self, reader: Reader) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |same: &dyn Fn(&Reader) -> bool| taken.iter().filter(|taken| same(taken)).count();
        let is_full = taken.len() >= self.most.hub
            || alike(&|other| other.user == reader.user) >= self.most.caller
            || (reader.kind() == Kind::OwnRows && alike(&|other| other.kind() == Kind::OwnRows) >= self.most.own_rows);
        if is_full {
            return None;
        }
        taken.push(reader);
        Some(Place { reader, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = taken.iter().position(|reader| *reader == self.reader) {
            taken.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::super::filter::Scope, *};

    #[test]
    fn there_are_so_many_of_each_caller_and_some_for_those_who_see_all() {
        let places = Places::new(Most { hub: 4, caller: 2, own_rows: 3 });
        let own = |user| {
            let user = Uuid::from_u128(user);
            places.take(Reader { user, scope: Scope::Own(user) })
        };
        let all = |user| places.take(Reader { user: Uuid::from_u128(user), scope: Scope::Whole });
        let mine = (own(1).expect("a place"), own(1).expect("a place"));
        assert!(own(1).is_none());
        let other = own(2).expect("a place");
        assert!(own(3).is_none(), "the last is for those who answer for all");
        let last = all(4).expect("a place");
        assert!(all(5).is_none());
        drop(mine);
        assert!(own(3).is_some() && all(5).is_some());
        drop((other, last));
        assert!(places.taken.lock().expect("a lock").is_empty());
    }
}
