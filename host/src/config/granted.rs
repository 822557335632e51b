//! What of a component's items the config grants: all of them, or those that it lists.

use std::{fmt, marker::PhantomData};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// The most items of a kind that a provider may have, and so the most that can be listed.
pub const ITEMS_MAX: usize = 256;

/// `all`, or a list. Without either nothing is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted<T> {
    /// Whatever the component has, now and after an update.
    All,
    /// These.
    Listed(Vec<T>),
}

impl<T> Granted<T> {
    /// What is listed; nothing where all is granted.
    #[must_use]
    pub fn listed(&self) -> &[T] {
        match self {
            Self::All => &[],
            Self::Listed(items) => items,
        }
    }

    /// Whether everything is granted.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

impl<T: PartialEq> Granted<T> {
    /// Whether this item is granted.
    #[must_use]
    pub fn grants(&self, item: &T) -> bool {
        self.is_all() || self.listed().contains(item)
    }
}

impl<T> Default for Granted<T> {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Granted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading(PhantomData))
    }
}

struct Reading<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reading<T> {
    type Value = Granted<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`all`, or a list such as [one, another]")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Granted<T>, E> {
        if word == "all" { Ok(Granted::All) } else { Err(E::custom("write `all`, or a list such as [one, another]")) }
    }

    /// A key without a value grants nothing.
    fn visit_unit<E: Error>(self) -> Result<Granted<T>, E> {
        Ok(Granted::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Granted<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(Granted::Listed)
    }
}

/// The form of it, for editors.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum GrantedForm {
    /// Everything that the component has.
    All(AllWord),
    /// These alone.
    Listed(Vec<String>),
}

/// The one word.
#[derive(JsonSchema)]
pub(super) enum AllWord {
    /// Everything.
    #[serde(rename = "all")]
    #[expect(dead_code, reason = "only its schema is used")]
    All,
}
