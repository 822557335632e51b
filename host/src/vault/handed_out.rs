//! What this process has handed out of the vault, so that it is looked for until the process ends: whoever has got a value
//! may say it after it was replaced or removed.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{scrub::Scrubber, value::SecretValue};
use crate::config::SecretName;

/// How many values of one secret are remembered, the last ones.
const MOST: usize = 16;

/// A value and what finds it. Wiped when nobody holds it any more.
pub(super) struct HandedOut {
    value: SecretValue,
    scrubber: Scrubber,
}

/// All of them, by secret. Bounded by the names that the config grants.
#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<SecretName, VecDeque<Arc<HandedOut>>>>);

impl HandedOut {
    pub(super) fn new(name: &SecretName, value: SecretValue) -> Self {
        Self { scrubber: Scrubber::new(name, &value), value }
    }

    pub(super) const fn value(&self) -> &SecretValue {
        &self.value
    }

    pub(super) const fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }
}

impl Memory {
    /// Notes that `value` is handed out.
    pub(super) fn note(&self, name: &SecretName, value: SecretValue) -> Arc<HandedOut> {
        let mut all = self.all();
        let values = all.entry(name.clone()).or_default();
        let known = values.iter().position(|known| known.value.expose() == value.expose());
        let known = known.and_then(|index| values.remove(index));
        let known = known.unwrap_or_else(|| Arc::new(HandedOut::new(name, value)));
        if values.len() == MOST {
            values.pop_front();
        }
        values.push_back(Arc::clone(&known));
        known
    }

    /// What was handed out of the secret called `name`.
    pub(super) fn of(&self, name: &SecretName) -> Vec<Arc<HandedOut>> {
        self.all().get(name).map(|values| values.iter().cloned().collect()).unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<SecretName, VecDeque<Arc<HandedOut>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn the_last_sixteen_values_of_a_secret_are_remembered_each_once() {
        let (memory, name) = (Memory::default(), "token".parse().expect("a name"));
        let value =
            |number: usize| SecretValue::new(Zeroizing::new(format!("value number {number}"))).expect("a secret");
        let first = memory.note(&name, value(0));
        for number in 1..MOST {
            memory.note(&name, value(number));
        }
        assert!(Arc::ptr_eq(&first, &memory.note(&name, value(0))), "known, and in use again");
        memory.note(&name, value(MOST));
        let values: Vec<_> = memory.of(&name).iter().map(|known| known.value.expose().to_owned()).collect();
        assert_eq!(values.len(), MOST);
        assert!(values.contains(&"value number 0".to_owned()) && !values.contains(&"value number 1".to_owned()));
        assert!(memory.of(&"other".parse().expect("a name")).is_empty());
    }
}
