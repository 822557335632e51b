//! JSON Schema 2020-12 from Rust types, shaped for models: inline where possible, closed for input, no noise.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The schema of what a tool takes. Objects are closed (`additionalProperties: false`) unless the type says otherwise,
/// so that a misspelt field is an error and not silence.
pub(crate) fn of_input<T: JsonSchema>() -> String {
    let mut schema = generate::<T>(settings().for_deserialize());
    close(&mut schema, true);
    schema.to_string()
}

/// The schema of what a tool returns. Open, because adding a field must not break anybody.
pub(crate) fn of_output<T: JsonSchema>() -> String {
    let mut schema = generate::<T>(settings().for_serialize());
    without_nulls(&mut schema);
    schema.to_string()
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true; // recursive types still get local `$defs`
        settings.meta_schema = None; // the contract fixes the dialect
    })
}

fn generate<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.remove("title"); // the Rust type's name tells a model nothing
        root.remove("description"); // the tool's own description is the one that models choose by
    }
    tidy(&mut schema);
    schema
}

/// Two things that schemars writes and that help nobody: formats such as `uint32`, which strict validators complain
/// about, and the line breaks of doc comments.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let numeric = ["int", "uint", "float", "double"];
            if map.get("format").and_then(Value::as_str).is_some_and(|f| numeric.iter().any(|n| f.starts_with(n))) {
                map.remove("format");
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                let paragraphs: Vec<_> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
                *text = paragraphs.join("\n\n");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A field of an output that may be missing has a `skip_serializing_if`, so it is missing where it would be null: schemars
/// says both, and models read of a null that never comes.
fn without_nulls(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let required = map.get("required").cloned().unwrap_or_default();
            let always = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
            let fields = map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten();
            fields.filter(|(name, _)| !always(name)).for_each(|(_, field)| forbid_null(field));
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// Takes back the three ways in which schemars allows null: a second type, a further word, another branch.
fn forbid_null(field: &mut Value) {
    let Some(map) = field.as_object_mut() else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            map.remove("anyOf");
            only.into_iter().for_each(|(key, value)| {
                map.entry(key).or_insert(value); // what is said of the field goes before what is said of its type
            });
        }
    }
}

const COMBINATORS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Closes every object schema. `alone` is false for a branch whose siblings describe the same object: closing it would
/// refuse the siblings' properties, so there the object is closed once, around all of them.
fn close(schema: &mut Value, alone: bool) {
    let Some(map) = schema.as_object_mut() else { return };
    let described_here = map.contains_key("properties");
    let is_object = described_here || map.get("type").is_some_and(allows_object);
    let combined = COMBINATORS.iter().any(|key| map.contains_key(*key));
    let says_otherwise = map.contains_key("additionalProperties") || map.contains_key("unevaluatedProperties");

    if is_object && alone && !says_otherwise {
        let keyword = if combined { "unevaluatedProperties" } else { "additionalProperties" };
        map.insert(keyword.to_owned(), Value::Bool(false));
    }
    for key in COMBINATORS {
        let branches = map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten();
        branches.for_each(|branch| close(branch, alone && !is_object));
    }
    close_children(map);
}

/// `"object"`, or `["object", "null"]` for an `Option`.
fn allows_object(kind: &Value) -> bool {
    kind == "object" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "object"))
}

fn close_children(map: &mut Map<String, Value>) {
    for key in ["properties", "patternProperties", "$defs"] {
        let children = map.get_mut(key).and_then(Value::as_object_mut).into_iter().flatten();
        children.for_each(|(_, child)| close(child, true));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            close(child, true);
        }
    }
    let prefix = map.get_mut("prefixItems").and_then(Value::as_array_mut).into_iter().flatten();
    prefix.for_each(|child| close(child, true));
}
