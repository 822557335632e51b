//! What a schema marks `writeOnly`, such as a password, and how it is taken out of what is recorded. Nothing is validated here: whatever
//! might say of a place that it is write-only does, whether or not it matches there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{parts::References, places::Place};

/// What stands in the place of a value.
pub const MASK: &str = "[masked]";
/// Looks at schemas that masking one document may take: beyond them all of it is masked.
const STEPS: usize = 500_000;
/// Masked texts that are remembered, and how long one has to be that is looked for elsewhere.
const TEXTS_MAX: usize = 64;
const TEXT_MIN: usize = 4;

/// A document as it may be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// Without what is write-only.
    pub value: Value,
    /// Texts that were taken out, the longest first: an error may repeat them.
    pub texts: Vec<String>,
}

/// Whether a schema marks anything.
pub(super) fn marks(schema: &Value, place: Place) -> bool {
    match schema {
        Value::Array(items) => items.iter().any(|item| marks(item, place)),
        Value::Object(members) => members.iter().any(|(key, member)| {
            // A reference may lead to names as if they were keywords.
            (key == "writeOnly" && *member == Value::Bool(true))
                || (place.below(key) != Place::Value && marks(member, place.below(key)))
        }),
        _ => false,
    }
}

/// The document without what the schema marks.
pub(super) fn masked(schema: &Value, references: &References, value: &Value) -> Masked {
    let mut masking = Masking { schema, references, left: STEPS, texts: BTreeSet::new() };
    let value = masking.at(vec![schema], value);
    let mut texts: Vec<_> = masking.texts.into_iter().collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    Masked { value, texts }
}

/// The way down through a document and what its schema says of each place.
struct Masking<'a> {
    schema: &'a Value,
    references: &'a References,
    left: usize,
    texts: BTreeSet<String>,
}

impl<'a> Masking<'a> {
    fn at(&mut self, said: Vec<&'a Value>, value: &Value) -> Value {
        let Some(said) = self.all_that_is_said(said) else { return self.mask(value) };
        if said.iter().any(|schema| is_write_only(schema)) {
            return self.mask(value);
        }
        match value {
            _ if said.is_empty() => value.clone(),
            Value::Object(members) => self.object(&said, members),
            Value::Array(items) => {
                let below = |(index, item)| self.at(of_item(&said, index), item);
                items.iter().enumerate().map(below).collect()
            }
            // A text that holds a document.
            Value::String(_) if said.iter().any(|schema| holds_marks(schema, "contentSchema")) => self.mask(value),
            plain => plain.clone(),
        }
    }

    fn object(&mut self, said: &[&'a Map<String, Value>], members: &Map<String, Value>) -> Value {
        if said.iter().any(|schema| holds_marks(schema, "propertyNames")) {
            return self.mask(&Value::Object(members.clone()));
        }
        let below = |(name, member): (&String, &Value)| (name.clone(), self.at(of_member(said, name), member));
        Value::Object(members.iter().map(below).collect())
    }

    fn mask(&mut self, value: &Value) -> Value {
        self.remember(value);
        MASK.into()
    }

    fn remember(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                // As it is, and as it stands in JSON.
                let quoted = value.to_string();
                let quoted = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(text);
                for text in [text.as_str(), quoted] {
                    self.remember_text(text);
                }
            }
            Value::Number(number) => self.remember_text(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.remember(item)),
            Value::Object(members) => members.values().for_each(|member| self.remember(member)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn remember_text(&mut self, text: &str) {
        if text.len() >= TEXT_MIN && self.texts.len() < TEXTS_MAX {
            self.texts.insert(text.to_owned());
        }
    }

    /// These schemas and all that they lead to at the same place; `None` if that is too much.
    fn all_that_is_said(&mut self, said: Vec<&'a Value>) -> Option<Vec<&'a Map<String, Value>>> {
        let (mut found, mut waiting) = (BTreeMap::new(), said);
        while let Some(schema) = waiting.pop() {
            self.left = self.left.checked_sub(1)?;
            let Value::Object(members) = schema else { continue };
            if found.insert(std::ptr::from_ref(members), members).is_some() {
                continue;
            }
            for (key, member) in members {
                match (key.as_str(), member) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                        // What is not known may be anything in the schema.
                        let target = self.references.target(reference).and_then(|pointer| self.schema.pointer(pointer));
                        waiting.push(target.unwrap_or(self.schema));
                    }
                    ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => waiting.extend(all),
                    ("if" | "then" | "else" | "not", one) => waiting.push(one),
                    ("dependentSchemas" | "dependencies", Value::Object(by_name)) => waiting.extend(by_name.values()),
                    _ => {}
                }
            }
        }
        Some(found.into_values().collect())
    }
}

fn is_write_only(schema: &Map<String, Value>) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
}

fn holds_marks(schema: &Map<String, Value>, keyword: &str) -> bool {
    schema.get(keyword).is_some_and(|below| marks(below, Place::Schema) || below.to_string().contains("\"$"))
}

/// What may be said of a member: a pattern is not looked at, it may match.
fn of_member<'a>(said: &[&'a Map<String, Value>], name: &str) -> Vec<&'a Value> {
    let mut below = Vec::new();
    for schema in said {
        let own = schema.get("properties").and_then(|properties| properties.get(name));
        if own.is_none() {
            below.extend(["additionalProperties", "unevaluatedProperties"].iter().filter_map(|key| schema.get(*key)));
        }
        below.extend(own);
        below.extend(schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::values));
    }
    below
}

/// What may be said of an item.
fn of_item<'a>(said: &[&'a Map<String, Value>], index: usize) -> Vec<&'a Value> {
    let mut below = Vec::new();
    for schema in said {
        let own = schema.get("prefixItems").and_then(|items| items.get(index));
        if own.is_none() {
            below.extend(["items", "additionalItems", "unevaluatedItems"].iter().filter_map(|key| schema.get(*key)));
        }
        below.extend(own);
        below.extend(schema.get("contains"));
    }
    below
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::Schema;
    use super::*;

    fn kept(schema: &Value, value: &Value) -> Value {
        let schema = Schema::read(&schema.to_string()).unwrap_or_else(|error| panic!("{schema}: {error}"));
        schema.masked(value).map_or_else(|| value.clone(), |masked| masked.value)
    }

    fn secret() -> Value {
        json!({ "type": "string", "writeOnly": true })
    }

    #[test]
    fn what_is_marked_is_masked_wherever_the_mark_comes_from() {
        let of =
            |property: Value| json!({ "type": "object", "properties": { "a": property }, "$defs": { "s": secret() } });
        for property in [
            secret(),
            json!({ "writeOnly": true }),
            json!({ "$ref": "#/$defs/s" }),
            json!({ "allOf": [{}, { "$ref": "#/$defs/s" }] }),
            json!({ "anyOf": [{ "type": "null" }, secret()] }),
            json!({ "oneOf": [{ "type": "integer" }, secret()] }),
            json!({ "if": { "type": "string" }, "then": secret() }),
            json!({ "else": secret(), "if": true }),
            json!({ "not": { "not": secret() } }),
            json!({ "contentMediaType": "application/json", "contentSchema": { "properties": { "x": secret() } } }),
        ] {
            assert_eq!(
                kept(&of(property.clone()), &json!({ "a": "hunter2", "b": 1 })),
                json!({ "a": MASK, "b": 1 }),
                "{property}"
            );
        }
        for (schema, value, masked) in [
            (json!({ "additionalProperties": secret() }), json!({ "x": "s" }), json!({ "x": MASK })),
            (json!({ "unevaluatedProperties": secret() }), json!({ "x": "s" }), json!({ "x": MASK })),
            (json!({ "patternProperties": { "^p_": secret() } }), json!({ "p_x": 7 }), json!({ "p_x": MASK })),
            (json!({ "propertyNames": secret() }), json!({ "hunter2": 7 }), json!(MASK)),
            (
                json!({ "dependentSchemas": { "k": { "properties": { "x": secret() } } } }),
                json!({ "x": [1] }),
                json!({ "x": MASK }),
            ),
            (
                json!({ "properties": { "l": { "items": secret() } } }),
                json!({ "l": ["s", "t"] }),
                json!({ "l": [MASK, MASK] }),
            ),
            (
                json!({ "properties": { "l": { "prefixItems": [{}, secret()], "items": {} } } }),
                json!({ "l": [1, 2, 3] }),
                json!({ "l": [1, MASK, 3] }),
            ),
            (json!({ "properties": { "l": { "contains": secret() } } }), json!({ "l": ["s"] }), json!({ "l": [MASK] })),
            (
                json!({ "properties": { "c": { "$ref": "#" }, "s": secret() } }),
                json!({ "s": 1, "c": { "s": 2, "c": { "s": 3, "t": 4 } } }),
                json!({ "s": MASK, "c": { "s": MASK, "c": { "s": MASK, "t": 4 } } }),
            ),
            (json!({ "writeOnly": true }), json!({ "x": 1 }), json!(MASK)),
        ] {
            let mut typed = schema.clone();
            typed["type"] = "object".into();
            assert_eq!(kept(&typed, &value), masked, "{schema}");
        }
    }

    #[test]
    fn what_is_not_marked_stays_as_it_is() {
        for schema in [
            json!({ "type": "object", "properties": { "writeOnly": { "type": "boolean" } } }),
            json!({ "type": "object", "properties": { "a": { "writeOnly": false, "default": { "writeOnly": true } } } }),
            json!({ "type": "object" }),
        ] {
            let schema = Schema::read(&schema.to_string()).expect("a schema");
            assert_eq!(schema.masked(&json!({ "a": "x", "writeOnly": true })), None);
        }
    }

    #[test]
    fn a_schema_that_asks_for_endless_looks_masks_all() {
        let doubled: Map<_, _> = (0..40)
            .map(|n| {
                (
                    format!("d{n}"),
                    json!({ "properties": { "a": { "allOf": [{ "$ref": format!("#/$defs/d{}", (n + 1) % 40) }] } } }),
                )
            })
            .collect();
        let schema = json!({ "type": "object", "$defs": doubled, "additionalProperties": { "anyOf": (0..200).map(|_| json!({ "items": { "writeOnly": true } })).collect::<Vec<_>>() } });
        let many: Map<_, _> = (0..50_000).map(|n| (n.to_string(), json!("secret"))).collect();
        assert!(!kept(&schema, &Value::Object(many)).to_string().contains("\"secret\"]"), "it ends");
    }

    /// A document, the schema of it, and what of it is secret: each leaf is marked or not.
    fn documents() -> impl Strategy<Value = (Value, Value, Vec<String>)> {
        let leaf = ("[a-z]{12}", any::<bool>()).prop_map(|(text, is_secret)| {
            let schema = if is_secret { secret() } else { json!({ "type": "string" }) };
            (json!(text), schema, if is_secret { vec![text] } else { Vec::new() })
        });
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                (prop::collection::btree_map("[a-c]", inner.clone(), 1..4), 0..3_u8).prop_map(|(members, form)| {
                    let value: Map<_, _> = members.iter().map(|(name, one)| (name.clone(), one.0.clone())).collect();
                    let schemas: Map<_, _> = members.iter().map(|(name, one)| (name.clone(), one.1.clone())).collect();
                    let plain = json!({ "properties": schemas });
                    let schema = match form {
                        0 => plain,
                        1 => json!({ "allOf": [{}, plain] }),
                        _ => json!({ "oneOf": [{ "type": "null" }, plain] }),
                    };
                    (value.into(), schema, members.into_values().flat_map(|one| one.2).collect())
                }),
                prop::collection::vec(inner, 1..4).prop_map(|items| {
                    let value: Vec<_> = items.iter().map(|one| one.0.clone()).collect();
                    let schemas: Vec<_> = items.iter().map(|one| one.1.clone()).collect();
                    (value.into(), json!({ "prefixItems": schemas }), items.into_iter().flat_map(|one| one.2).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_masked_value_is_left_and_nothing_else_is_gone((value, schema, secrets) in documents()) {
            let whole = json!({ "type": "object", "properties": { "d": schema } });
            let left = kept(&whole, &json!({ "d": value })).to_string();
            for secret in &secrets {
                prop_assert!(!left.contains(secret.as_str()), "{left}");
            }
            let mut leaves = Vec::new();
            texts(&value, &mut leaves);
            for text in leaves.iter().filter(|text| !secrets.contains(text)) {
                prop_assert!(left.contains(text.as_str()), "{text} in {left}");
            }
        }
    }

    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(members) => members.values().for_each(|member| texts(member, found)),
            _ => {}
        }
    }
}
