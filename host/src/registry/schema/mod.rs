//! One JSON Schema of a provider's: what it may be, and whether a value matches it, within bounds on both.

mod masks;
mod metered;
mod parts;
mod places;
mod told;

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use self::{
    masks::{MASK, Masked},
    parts::word,
};
use self::{
    metered::{Followed, Looked, Metered, within},
    parts::References,
    places::{FOLLOWED, Place, with_counted_references},
    told::{VIOLATIONS_MAX, violations_of},
};
use crate::{json as document, json::Violation};

/// The longest schema, in bytes of JSON.
const SCHEMA_MAX: usize = 256 * 1024;
/// The most patterns in a schema.
const PATTERNS_MAX: usize = 64;
/// What a pattern may weigh once it is compiled, and what matching it may keep beside that, in bytes.
const PATTERN_BYTES: usize = 256 * 1024;
/// Looks at a value that a validation may take on an async worker: a few milliseconds.
const QUICK: u64 = 50_000;
/// Looks that a validation may take at all: about a second.
pub const STEPS_MAX: u64 = 10_000_000;
/// Looks that listing what is wrong may take.
const LISTING: u64 = 500_000;

/// Whether a value matches took too long to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("holding it against the schema takes more than {STEPS_MAX} steps: make it smaller, or the schema simpler")]
pub struct TooManySteps;

/// A JSON Schema (2020-12) of an object.
#[derive(Debug)]
pub struct Schema {
    document: Value,
    references: References,
    validator: Validator<Metered>,
    /// Whether anything is marked `writeOnly`.
    marks: bool,
}

impl Schema {
    /// Reads a schema. Blocking: some milliseconds for a large one.
    ///
    /// # Errors
    /// When it is not one, or more than the hub takes: the text says what to change.
    pub fn read(text: &str) -> Result<Arc<Self>, String> {
        if text.len() > SCHEMA_MAX {
            return Err(format!("longer than {SCHEMA_MAX} bytes"));
        }
        let document = document::parse_schema(text.as_bytes()).map_err(|fault| fault.to_string())?;
        if document.get("type").and_then(Value::as_str) != Some("object") {
            return Err("its `type` must be `object`".to_owned());
        }
        let patterns = patterns(&document);
        if patterns > PATTERNS_MAX {
            return Err(format!("it has {patterns} patterns: use {PATTERNS_MAX} at most"));
        }
        // Linear in what they match: no look-around, no back-references.
        let pattern_options = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        // `offline`: a `$ref` to the network is an error here, never a fetch.
        let validator = jsonschema::options_for::<Metered>()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(pattern_options)
            .offline()
            .with_keyword(FOLLOWED, |_, _, _| Ok(Box::new(Followed)))
            .build(&with_counted_references(&document, Place::Schema)?)
            .map_err(|error| error.to_string())?;
        // After the validator, which has more to say of a reference that it cannot follow.
        let references = References::of(&document)?;
        let marks = masks::marks(&document, Place::Schema);
        Ok(Arc::new(Self { document, references, validator, marks }))
    }

    /// The schema itself.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// A value without what is marked `writeOnly`; `None` if nothing is. Blocking: as long as validating it may take.
    #[must_use]
    pub fn masked(&self, value: &Value) -> Option<Masked> {
        self.marks.then(|| masks::masked(&self.document, &self.references, value))
    }

    /// Where references lead within the schema, as JSON pointers, and what is there called; always in the same order.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.references.parts()
    }

    /// One of the parts, or with an empty pointer the schema itself, for a document in which `to` says how a part is
    /// referred to by its pointer.
    #[must_use]
    pub fn part(&self, pointer: &str, to: &dyn Fn(&str) -> String) -> Value {
        self.references.part(&self.document, pointer, to)
    }

    /// What is wrong with a value; empty if nothing is. What takes long is done off the async workers.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn violations(self: &Arc<Self>, value: &Arc<Value>) -> Result<Vec<Violation>, TooManySteps> {
        if let Ok(violations) = self.violations_within(value, QUICK) {
            return Ok(violations);
        }
        let (schema, value) = (Arc::clone(self), Arc::clone(value));
        let thread = tokio::task::spawn_blocking(move || schema.violations_within(&value, STEPS_MAX));
        thread.await.unwrap_or_else(|broken| std::panic::resume_unwind(broken.into_panic()))
    }

    fn violations_within(&self, value: &Value, steps: u64) -> Result<Vec<Violation>, TooManySteps> {
        let is_valid = within(steps, || self.validator.is_valid(Looked(value))).map_err(|_| TooManySteps)?;
        if is_valid {
            return Ok(Vec::new());
        }
        let listed = within(steps.min(LISTING), || {
            let errors = self.validator.iter_errors(Looked(value)).take(VIOLATIONS_MAX);
            errors.flat_map(|error| violations_of(&error, &self.document)).take(VIOLATIONS_MAX).collect()
        });
        let too_long = || {
            let message = "it does not match, in more ways than can be listed".to_owned();
            vec![Violation { pointer: String::new(), message }]
        };
        match listed {
            Err(_) if steps < LISTING => Err(TooManySteps),
            listed => Ok(listed.unwrap_or_else(|_| too_long())),
        }
    }
}

/// How many patterns there are, wherever they stand.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| match (key.as_str(), value) {
                ("pattern", Value::String(_)) => 1,
                ("patternProperties", Value::Object(by_pattern)) => by_pattern.len() + patterns(value),
                _ => patterns(value),
            })
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
