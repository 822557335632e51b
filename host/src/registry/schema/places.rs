//! What stands where in a schema: another schema, schemas by name, or a value, in which nothing is a keyword.

use serde_json::{Map, Value, json};

/// The keywords that lead to another schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// The keyword of the hub's own that counts how often a reference is followed.
pub(super) const FOLLOWED: &str = "x-bulkhead-followed";

/// What stands at a place of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A schema, or a list of them.
    Schema,
    /// Schemas by names that the provider chose.
    Named,
    /// A value.
    Value,
}

impl Place {
    /// What stands below a key of what is here. Behind a keyword that JSON Schema does not know there may be a schema too,
    /// and a reference may lead there.
    pub(super) fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Value, _) | (Self::Schema, "enum" | "const" | "default" | "examples") => Self::Value,
            (
                Self::Schema,
                "properties" | "patternProperties" | "dependentSchemas" | "dependencies" | "$defs" | "definitions",
            ) => Self::Named,
            (Self::Schema | Self::Named, _) => Self::Schema,
        }
    }
}

/// The schema with each reference as the second of two that must match, after one that counts. What is a value in a schema
/// stays as it is, and may hold no reference: another could lead there, and it would not be counted.
pub(super) fn with_counted_references(schema: &Value, place: Place) -> Result<Value, String> {
    let members = match schema {
        Value::Array(items) => return items.iter().map(|item| with_counted_references(item, place)).collect(),
        Value::Object(members) => members,
        plain => return Ok(plain.clone()),
    };
    let (mut counted, mut all) = (Map::new(), Vec::new());
    for (key, value) in members {
        let below = place.below(key);
        if below == Place::Value && holds_reference(value) {
            return Err(format!("a value in `{key}` holds a reference"));
        }
        // Also where names stand: a reference could lead to them as if they were keywords.
        if is_reference(key, value) {
            all.push(json!({ FOLLOWED: true }));
            all.push(json!({ key: value }));
        } else if below == Place::Value {
            counted.insert(key.clone(), value.clone());
        } else {
            counted.insert(key.clone(), with_counted_references(value, below)?);
        }
    }
    if !all.is_empty() {
        match counted.entry("allOf").or_insert_with(|| json!([])) {
            Value::Array(others) => others.splice(0..0, all).for_each(drop),
            _ => return Err("its `allOf` is no list".to_owned()),
        }
    }
    Ok(Value::Object(counted))
}

/// Whether a member is a reference, and not a property that is called like one.
pub(super) fn is_reference(key: &str, value: &Value) -> bool {
    REFERENCES.contains(&key) && value.is_string()
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Object(members) => members.iter().any(|(key, value)| is_reference(key, value) || holds_reference(value)),
        _ => false,
    }
}
