//! A table that forgets what counts for nothing any more, a little at each look-up: none of them goes through all of it,
//! however many entries there are.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

/// How many entries each look-up looks at beside its own. More than one, so that a table in which nothing lasts gets shorter
/// even while every look-up makes an entry.
const LOOKED_AT: usize = 2;

/// Entries by key: at most about twice as many as counted for something at any one time.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    by_key: HashMap<Arc<K>, V>,
    /// Every key once, the one that is looked at next in front.
    turns: VecDeque<Arc<K>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), turns: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Table<K, V> {
    /// Gives the entry of `key` to `change`, one that `make` has made if there is none. Entries whose turn it is are forgotten
    /// if they are over.
    pub(super) fn update<T>(
        &mut self,
        key: &K,
        is_over: impl Fn(&V) -> bool,
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> T,
    ) -> T {
        for _ in 0..LOOKED_AT {
            self.look_at_one(&is_over);
        }
        if let Some(entry) = self.by_key.get_mut(key) {
            return change(entry);
        }
        let key = Arc::new(key.clone());
        self.turns.push_back(Arc::clone(&key));
        change(self.by_key.entry(key).or_insert_with(make))
    }

    fn look_at_one(&mut self, is_over: impl Fn(&V) -> bool) {
        let Some(key) = self.turns.pop_front() else { return };
        if self.by_key.get(&key).is_some_and(is_over) {
            self.by_key.remove(&key);
        } else {
            self.turns.push_back(key);
        }
    }

    #[cfg(test)]
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_key.len(), self.turns.len(), "every key has its turn, once");
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_look_up_looks_at_two_entries_however_many_there_are() {
        let (mut table, looks) = (Table::default(), Cell::new(0));
        for key in 0..10_000_u32 {
            let is_over = |_: &u32| {
                looks.set(looks.get() + 1);
                false
            };
            table.update(&key, is_over, || key, |_| ());
            assert!(looks.take() <= LOOKED_AT);
        }
        assert_eq!(table.len(), 10_000, "nothing that counts is forgotten");
    }

    #[test]
    fn what_is_over_is_forgotten_while_new_entries_come_and_while_none_do() {
        let mut table = Table::default();
        for now in 0..50_000_u32 {
            table.update(&now, |made: &u32| now - made >= 100, || now, |_| ());
            assert!(table.len() <= 2 * 100 + LOOKED_AT, "{} at {now}", table.len());
        }
        for _ in 0..table.len() {
            table.update(&0, |_| true, || 0, |_| ());
        }
        assert!(table.len() <= 1, "{}", table.len());
    }
}
