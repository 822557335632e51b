//! Properties of an input that clients repeat in headers (MCP 2026-07-28): a schema marks them with `x-mcp-header`.

use serde_json::{Map, Value};

/// The keyword.
const KEYWORD: &str = "x-mcp-header";
/// The longest name of a header, in bytes.
const NAME_MAX: usize = 64;
/// Keywords of a schema whose values are data.
const DATA: [&str; 4] = ["default", "const", "enum", "examples"];
/// Keywords whose members are schemas under names of the author's.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// A property that is repeated in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// Names of properties, from the input down.
    pub path: Vec<String>,
    /// The header's name after `Mcp-Param-`.
    pub header: String,
}

/// The properties of a schema that are repeated.
///
/// # Errors
/// When a mark is none that clients understand: they leave such a tool out, so its author should hear of it.
pub(super) fn of(schema: &Value) -> Result<Vec<Mirrored>, String> {
    let mut found = Vec::new();
    collect(schema, Some(&mut Vec::new()), &mut found)?;
    for (index, mirrored) in found.iter().enumerate() {
        if found[..index].iter().any(|other| other.header.eq_ignore_ascii_case(&mirrored.header)) {
            return Err(format!("two properties have the {KEYWORD} `{}`", mirrored.header));
        }
    }
    Ok(found)
}

/// Walks a schema; `path` is there while only `properties` lead to it.
fn collect(schema: &Value, mut path: Option<&mut Vec<String>>, found: &mut Vec<Mirrored>) -> Result<(), String> {
    let members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => return items.iter().try_for_each(|item| collect(item, None, found)),
        _ => return Ok(()),
    };
    if let Some(mark) = members.get(KEYWORD) {
        let path = path.as_deref().filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| format!("{KEYWORD} may only mark a property that `properties` alone lead to"))?;
        found.push(marked(path, mark, members)?);
    }
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    match path.as_deref_mut() {
                        Some(path) => {
                            path.push(name.clone());
                            collect(property, Some(path), found)?;
                            path.pop();
                        }
                        None => collect(property, None, found)?,
                    }
                }
            }
            (keyword, Value::Object(named)) if NAMED.contains(&keyword) => {
                named.values().try_for_each(|schema| collect(schema, None, found))?;
            }
            (keyword, _) if DATA.contains(&keyword) => {}
            (_, value) => collect(value, None, found)?,
        }
    }
    Ok(())
}

fn marked(path: &[String], mark: &Value, members: &Map<String, Value>) -> Result<Mirrored, String> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let name = mark.as_str().filter(|name| (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_part));
    let name = name.ok_or_else(|| {
        format!("{KEYWORD} is the end of a header's name: 1 to {NAME_MAX} letters, digits and `-`, such as \"Region\"")
    })?;
    let kind = members.get("type").and_then(Value::as_str);
    if !matches!(kind, Some("string" | "integer" | "boolean")) {
        return Err(format!("a property with {KEYWORD} has the type string, integer or boolean"));
    }
    Ok(Mirrored { path: path.to_vec(), header: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marked_properties_are_found_with_their_paths() {
        let schema = json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "at": { "type": "object", "properties": { "zone": { "type": "integer", "x-mcp-header": "Zone" } } },
            "x-mcp-header": { "type": "string", "default": { "x-mcp-header": 1 } },
        } });
        let found = of(&schema).expect("fine");
        let found: Vec<_> = found.iter().map(|mirrored| (mirrored.path.join("."), mirrored.header.as_str())).collect();
        assert_eq!(found, [("at.zone".to_owned(), "Zone"), ("region".to_owned(), "Region")]);
    }

    #[test]
    fn a_mark_that_clients_do_not_understand_is_refused() {
        let region = || json!({ "type": "string", "x-mcp-header": "Region" });
        for schema in [
            json!({ "x-mcp-header": "Root" }),
            json!({ "properties": { "a": { "type": "string", "x-mcp-header": "" } } }),
            json!({ "properties": { "a": { "type": "string", "x-mcp-header": "a:b" } } }),
            json!({ "properties": { "a": { "type": "string", "x-mcp-header": 1 } } }),
            json!({ "properties": { "a": { "type": "number", "x-mcp-header": "A" } } }),
            json!({ "properties": { "a": { "x-mcp-header": "A" } } }),
            json!({ "properties": { "a": region(), "b": { "type": "string", "x-mcp-header": "REGION" } } }),
            json!({ "properties": { "a": { "type": "array", "items": region() } } }),
            json!({ "properties": { "a": { "oneOf": [region()] } } }),
            json!({ "$defs": { "default": region() } }),
            json!({ "if": { "properties": { "a": region() } } }),
        ] {
            assert!(of(&schema).is_err(), "{schema}");
        }
    }
}
