//! Structs that are read from objects alone.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

/// A struct that is read from an object and from nothing else. A plain `Deserialize` would also take a list of its members'
/// values: `["ops_admin"]` for an object with a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject(PhantomData)).map(Self)
    }
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_not_read_as_an_object() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct Grant<'a> {
            #[serde(borrow)]
            role: Option<std::borrow::Cow<'a, str>>,
            #[serde(default)]
            further: Object<Further>,
        }
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        struct Further {
            count: Option<u32>,
        }
        let read =
            |text: &str| serde_json::from_str::<Object<Grant<'_>>>(text).map(|Object(grant)| format!("{grant:?}"));
        assert!(serde_json::from_str::<Grant<'_>>(r#"["a", {}]"#).is_ok(), "the trap");
        for list in [r#"["a", {}]"#, r#"["a"]"#, "[]", r#"{"further":[1]}"#, r#"{"further":[]}"#, "null", r#""a""#] {
            assert!(read(list).is_err(), "{list}");
        }
        let object = read(r#"{"role":"a","more":[1],"further":{"count":1}}"#).expect("an object");
        assert!(object.contains(r#"Some("a")"#) && object.contains("Some(1)"), "{object}");
    }
}
