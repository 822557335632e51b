//! JSON values that count how often a validator looks at them.
//!
//! A schema of two hundred bytes can ask for more looks at a small value than a machine can take in a year: two references
//! to one definition, which has two references to the next. No limit on sizes prevents that, so looks are counted, and the
//! validation that takes too many is left by unwinding, which is the only way out of it.

use std::{
    any::Any,
    borrow::Cow,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use jsonschema::{
    JsonType, Keyword, ValidationError,
    json::{Array, Json, Node, NodeIdentity, Object, SerdeJson},
};
use serde_json::{Map, Value};

thread_local! {
    /// What is left to the validation that runs on this thread.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// A validation took more steps than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// Runs a validation that may take so many steps.
pub(super) fn within<T>(steps: u64, validation: impl FnOnce() -> T) -> Result<T, Exhausted> {
    LEFT.set(steps);
    // A validation holds nothing but what it borrows, and what it had found so far goes with it.
    catch_unwind(AssertUnwindSafe(validation)).map_err(|thrown: Box<dyn Any + Send>| {
        thrown.downcast::<Exhausted>().map_or_else(|other| resume_unwind(other), |exhausted| *exhausted)
    })
}

fn charge(steps: usize) {
    match LEFT.get().checked_sub(steps as u64) {
        Some(left) => LEFT.set(left),
        None => resume_unwind(Box::new(Exhausted)),
    }
}

/// What stands beside a reference and counts how often it is followed: one that leads to a schema without content looks at
/// no value.
pub(super) struct Followed;

impl<'i> Keyword<'i, Metered> for Followed {
    fn validate(&self, _: Looked<'i>) -> Result<(), ValidationError<'i>> {
        charge(1);
        Ok(())
    }

    fn is_valid(&self, _: Looked<'i>) -> bool {
        charge(1);
        true
    }
}

/// The representation.
pub(super) struct Metered;

/// A value of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked<'a>(pub(super) &'a Value);

/// An object of it.
pub(super) struct Members<'a>(&'a Map<String, Value>);

/// An array of it.
pub(super) struct Elements<'a>(&'a [Value]);

impl Json for Metered {
    type Node<'a> = Looked<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;

    const KEYS_PER_LOOKUP: usize = <SerdeJson as Json>::KEYS_PER_LOOKUP;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(Looked<'_>) -> T) -> T {
        charge(length(string));
        SerdeJson::with_string_node(buffer, string, |value| f(Looked(value)))
    }
}

impl<'a> Node<'a, Metered> for Looked<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a serde_json::Number;

    fn as_object(&self) -> Option<Members<'a>> {
        charge(1);
        self.0.as_object().map(Members)
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        charge(1);
        self.0.as_array().map(|items| Elements(items))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.0.as_str();
        charge(text.map_or(1, length));
        text.map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a serde_json::Number> {
        charge(1);
        self.0.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        charge(1);
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        charge(1);
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        charge(1);
        self.0.json_type()
    }

    fn string_length(&self) -> Option<u64> {
        charge(self.0.as_str().map_or(1, length));
        self.0.string_length()
    }

    fn equals_value(&self, expected: &Value) -> bool {
        charge(size(expected));
        self.0.equals_value(expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        // Asked for where a reference is followed.
        charge(1);
        self.0.identity()
    }
}

/// What a comparison looks at: no more than there is on the shorter side.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        Value::String(text) => length(text),
        _ => 1,
    }
}

/// Going through a text is quicker than as many steps; matching it against a pattern may not be.
fn length(text: &str) -> usize {
    1 + text.len() / 8
}

/// The members of an object, each a step.
pub(super) struct MembersIter<'a>(serde_json::map::Iter<'a>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Looked<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        charge(1);
        self.0.next().map(|(key, value)| (key.as_str(), Looked(value)))
    }
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Looked<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        charge(1);
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Looked<'a>> {
        charge(1);
        self.0.get(key).map(Looked)
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.0.iter())
    }
}

/// The elements of an array, each a step.
pub(super) struct ElementsIter<'a>(std::slice::Iter<'a, Value>);

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Looked<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        charge(1);
        self.0.next().map(Looked)
    }
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Looked<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        charge(1);
        self.0.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter(self.0.iter())
    }

    fn is_unique(&self) -> bool {
        charge(self.0.iter().map(size).sum::<usize>().saturating_mul(4));
        self.0.is_unique()
    }
}
