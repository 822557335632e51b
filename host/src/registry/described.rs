//! Texts and names of a description, held against what they may be.

use super::error::LoadError;
use crate::text::{self, shown};

/// The longest text, in bytes.
pub(super) const TEXT_MAX: usize = 16 * 1024;
/// The longest text that is a name or a type, in bytes.
pub(super) const NAME_MAX: usize = 1024;
/// Refuses a text that is too long or holds what cannot be seen.
pub(super) fn proper(what: &str, text: &str, max: usize) -> Result<(), LoadError> {
    text::check(text, max).map_err(|why| LoadError::Description(format!("{what} {why}")))
}

/// Names of what a component has, as an error tells them.
pub(super) fn listing<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(shown).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
