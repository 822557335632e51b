//! Pages of the lists that Netdata only gives as a whole.

use std::collections::BTreeMap;

/// A part of a list.
pub struct Page<T> {
    /// Each with its key, in the order of the keys.
    pub items: Vec<(String, T)>,
    /// How many the whole list has.
    pub total: usize,
    /// The last key of this page if more follow.
    pub next_cursor: Option<String>,
}

/// What follows the cursor. Cursors are keys, so that a page begins where it should although the list has changed.
pub fn page<T>(all: BTreeMap<String, T>, limit: u32, cursor: Option<&str>) -> Page<T> {
    let total = all.len();
    let mut rest = all.into_iter().filter(|(key, _)| cursor.is_none_or(|cursor| key.as_str() > cursor));
    let items: Vec<_> = rest.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    let more = rest.next().is_some();
    let next_cursor = items.last().filter(|_| more).map(|(key, _)| key.clone());
    Page { items, total, next_cursor }
}

/// The filter of an input without one.
pub fn any() -> String {
    "*".to_owned()
}

/// The limit of an input without one.
pub fn hundred() -> u32 {
    100
}
