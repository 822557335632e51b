//! Names with nothing behind them, which YAML reads as null.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error as _};

/// A list that means something else when it is left out: a name with nothing behind it lists nothing, as `[]` does.
pub(super) fn listed<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    Option::deserialize(from).map(|list| Some(list.unwrap_or_default()))
}

/// Something that means something else when it is left out: a name with nothing behind it is a mistake.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A map that says much when it is empty: a name with nothing behind it, as a file that is half written has, is a mistake.
pub(super) fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Filled::deserialize(from).map(|Filled(content)| content)
}

/// The same for each entry of a map.
pub(super) fn each_filled<'de, D, K, T>(from: D) -> Result<BTreeMap<K, T>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    T: Deserialize<'de>,
{
    let entries = BTreeMap::<K, Filled<T>>::deserialize(from)?;
    Ok(entries.into_iter().map(|(name, Filled(content))| (name, content)).collect())
}

struct Filled<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Filled<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let content: Option<T> = Option::deserialize(from)?;
        let nothing = || D::Error::custom("the value is missing: write `{}` if it is to be empty");
        content.map(Self).ok_or_else(nothing)
    }
}
