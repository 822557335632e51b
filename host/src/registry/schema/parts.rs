//! A schema taken apart at its references, for a document in which it is one of many: whatever a reference leads to becomes a
//! part with a name of its own, and every reference leads to a part.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use url::Url;

use super::places::{Place, is_reference};

/// What a schema's references lead to.
#[derive(Debug, Default)]
pub(super) struct References {
    /// The schema's own `$id`.
    id: Option<String>,
    /// JSON pointers by anchor.
    anchors: BTreeMap<String, String>,
    /// Every reference and the JSON pointer (RFC 6901) that it means.
    pointers: BTreeMap<String, String>,
    /// Where the parts are, and their names within the schema.
    parts: BTreeMap<String, String>,
}

impl References {
    /// Looks every reference of a schema up.
    ///
    /// # Errors
    /// When one leads elsewhere than into the schema, or the schema has a schema with an identity of its own within it.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut found = Self { id: schema.get("$id").and_then(Value::as_str).map(str::to_owned), ..Self::default() };
        let mut seen = Seen::default();
        seen.look(schema, Place::Schema, &mut String::new())?;
        found.anchors = seen.anchors;
        for reference in seen.references {
            let pointer = found.resolve(&reference).filter(|pointer| schema.pointer(pointer).is_some());
            let pointer = pointer.ok_or_else(|| format!("`{reference:.200}` leads nowhere within it"))?;
            if !pointer.is_empty() && !found.parts.contains_key(&pointer) {
                let name = name(&pointer, &seen.inline);
                found.parts.insert(pointer.clone(), name);
            }
            found.pointers.insert(reference, pointer);
        }
        Ok(found)
    }

    /// Where a reference leads.
    pub(super) fn target(&self, reference: &str) -> Option<&str> {
        self.pointers.get(reference).map(String::as_str)
    }

    /// Pointers to the parts beside the schema itself, and what they are called there; always in the same order.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().map(|(pointer, name)| (pointer.as_str(), name.as_str()))
    }

    /// The part at a pointer, in which `to` gives the text of a reference to another.
    pub(super) fn part(&self, schema: &Value, pointer: &str, to: &dyn Fn(&str) -> String) -> Value {
        let found = schema.pointer(pointer).unwrap_or(&Value::Bool(true));
        let taking = Taking { references: self, to };
        let mut part = match found {
            // A part has a name, and a name stands for more than yes and no.
            Value::Bool(is_anything) => anything(*is_anything),
            found => taking.inside(found, Place::Schema, &mut pointer.to_owned()),
        };
        if let Some(part) = part.as_object_mut() {
            // Its name says what it is; generators would take a title for another name, which another part may have too.
            part.remove("title");
            // Nor do they take a part that is nothing but a reference.
            if let Some(reference) = part.remove("$ref") {
                also(part, json!({ "$ref": reference }));
            }
        }
        part
    }

    fn resolve(&self, reference: &str) -> Option<String> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if !document.is_empty() && !self.is_own(document) {
            return None;
        }
        let fragment = decoded(fragment)?;
        if fragment.is_empty() || fragment.starts_with('/') {
            Some(fragment)
        } else {
            self.anchors.get(&fragment).cloned()
        }
    }

    fn is_own(&self, document: &str) -> bool {
        let Some(id) = &self.id else { return false };
        let id = id.trim_end_matches('#');
        id == document || Url::parse(id).is_ok_and(|id| id.join(document).is_ok_and(|joined| joined == id))
    }
}

/// What a look through a schema has come by.
#[derive(Default)]
struct Seen {
    references: BTreeSet<String>,
    anchors: BTreeMap<String, String>,
    /// Names of properties whose schemas stand where they are.
    inline: BTreeSet<String>,
}

impl Seen {
    fn look(&mut self, value: &Value, place: Place, at: &mut String) -> Result<(), String> {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    below(at, &index.to_string(), |at| self.look(item, place, at))?;
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.note(key, member, place, at)?;
                    let inner = place.below(key);
                    if inner != Place::Value {
                        below(at, key, |at| self.look(member, inner, at))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, key: &str, member: &Value, place: Place, at: &str) -> Result<(), String> {
        if let (Place::Schema, "properties", Some(properties)) = (place, key, member.as_object()) {
            let inline = properties.iter().filter(|(_, schema)| schema.get("$ref").is_none());
            self.inline.extend(inline.map(|(name, _)| word(name)));
        }
        let Some(text) = member.as_str().filter(|_| place != Place::Value) else { return Ok(()) };
        if is_reference(key, member) {
            // `$recursiveRef` was another draft's: nothing follows it.
            if key != "$recursiveRef" {
                self.references.insert(text.to_owned());
            }
        } else if key == "$id" && !at.is_empty() {
            return Err("a schema within it has an `$id`: leave it out, and refer to it as `#/$defs/NAME`".to_owned());
        } else if matches!(key, "$anchor" | "$dynamicAnchor") {
            let other = self.anchors.insert(text.to_owned(), at.to_owned());
            if other.is_some_and(|other| other != at) {
                return Err(format!("two schemas within it have the anchor `{text:.200}`"));
            }
        }
        Ok(())
    }
}

/// The way down through a part.
struct Taking<'a> {
    references: &'a References,
    to: &'a dyn Fn(&str) -> String,
}

impl Taking<'_> {
    /// What stands at `at`: a reference, if that is a part of its own.
    fn at(&self, value: &Value, place: Place, at: &mut String) -> Value {
        let is_part = place != Place::Value && self.references.parts.contains_key(at.as_str());
        if is_part { self.reference(at) } else { self.inside(value, place, at) }
    }

    fn reference(&self, pointer: &str) -> Value {
        json!({ "$ref": (self.to)(pointer) })
    }

    fn inside(&self, value: &Value, place: Place, at: &mut String) -> Value {
        match value {
            _ if place == Place::Value => value.clone(),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| below(at, &index.to_string(), |at| self.at(item, place, at))).collect()
            }
            Value::Object(members) => self.members(members, place, at),
            plain => plain.clone(),
        }
    }

    fn members(&self, members: &Map<String, Value>, place: Place, at: &mut String) -> Value {
        let (mut taken, mut references) = (Map::new(), Vec::new());
        for (key, member) in members {
            let means_something = place == Place::Schema;
            match (key.as_str(), member) {
                // Nothing leads there any more but by the names of parts.
                (
                    "$id" | "$schema" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" | "$recursiveRef"
                    | "$comment" | "$vocabulary" | "$defs" | "definitions",
                    _,
                ) if means_something => {}
                ("$ref" | "$dynamicRef", Value::String(reference)) => {
                    references.extend(self.references.pointers.get(reference).map(|pointer| self.reference(pointer)));
                }
                // Some generators know no schemas that are `true` or `false` but where objects are closed.
                (key, Value::Bool(is_anything)) if is_schema(key, place) => {
                    taken.insert(key.to_owned(), anything(*is_anything));
                }
                (key, member) => {
                    let member = below(at, key, |at| self.at(member, place.below(key), at));
                    taken.insert(key.to_owned(), member);
                }
            }
        }
        let mut references = references.into_iter();
        if let Some(Value::Object(first)) = references.next() {
            taken.extend(first);
        }
        // In one document with one schema of an anchor, a dynamic reference leads where a plain one does.
        if let Some(second) = references.next() {
            also(&mut taken, second);
        }
        Value::Object(taken)
    }
}

/// Adds to a schema what must match beside it.
fn also(schema: &mut Map<String, Value>, other: Value) {
    match schema.entry("allOf").or_insert_with(|| json!([])) {
        Value::Array(all) => all.push(other),
        one => *one = json!([other]),
    }
}

/// Whether a schema stands below the key, where one that is `true` or `false` is a surprise.
fn is_schema(key: &str, place: Place) -> bool {
    place == Place::Named || matches!(key, "items" | "contains" | "not" | "if" | "then" | "else" | "propertyNames")
}

fn anything(is_anything: bool) -> Value {
    if is_anything { json!({}) } else { json!({ "not": {} }) }
}

/// Goes one step down and comes back.
fn below<T>(at: &mut String, key: &str, down: impl FnOnce(&mut String) -> T) -> T {
    let length = at.len();
    at.push('/');
    at.push_str(&key.replace('~', "~0").replace('/', "~1"));
    let result = down(at);
    at.truncate(length);
    result
}

/// What a part is called within its schema: the last step that leads to it, unless a generator would call the schema of a
/// property so.
fn name(pointer: &str, inline: &BTreeSet<String>) -> String {
    let name = word(&pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~"));
    if name.is_empty() || inline.contains(&name) { format!("{name}Part") } else { name }
}

/// A name as generators write types: its letters and digits, each word with a capital.
#[must_use]
pub fn word(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words
        .flat_map(|word| {
            let (first, rest) = word.split_at(1);
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}

/// A fragment without percent-encoding (RFC 3986 §2.1).
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
