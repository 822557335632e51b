//! What is wrong with a value, in words that help whoever fixes it: what was expected, and which names and values there are.

use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use crate::json::Violation;

/// The most violations that are listed.
pub(super) const VIOLATIONS_MAX: usize = 20;
/// How many names or values are told.
const CHOICES_MAX: usize = 20;
/// How much of each, in characters.
const CHOICE_MAX: usize = 60;
/// How many of the schemas that a value may match are told, and how deep within each other.
const FORMS_MAX: usize = 4;
const FORMS_DEPTH: usize = 2;
/// The longest name that another is looked for, in characters.
const NAME_MAX: usize = 32;

static NULL: Value = Value::Null;

/// What is wrong, at the field that is to be fixed: one that is missing or not expected is pointed at itself, not at the
/// object around it. The value is never repeated, because it may be confidential.
pub(super) fn violations_of(error: &ValidationError<'_>, schema: &Value) -> Vec<Violation> {
    let at = error.instance_path().to_string();
    let field = |name: &str, message: String| Violation {
        pointer: format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
        message,
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![field(property.as_str().unwrap_or_default(), "this property is required".to_owned())]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = known_names(error, schema);
            let unexpected = unexpected.iter().take(VIOLATIONS_MAX);
            unexpected.map(|name| field(&cut(name, 100), no_such_property(name, &known))).collect()
        }
        _ => vec![Violation { pointer: at, message: told(error, 0) }],
    }
}

fn told(error: &ValidationError<'_>, depth: usize) -> String {
    let mut choices = Vec::new();
    if has_choices(error, &mut choices) {
        return match choices.as_slice() {
            [only] => format!("it must be {}", shown(only)),
            _ => format!("use one of {}", listed(choices.iter().map(|choice| shown(choice)))),
        };
    }
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let types = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(several) => {
                    let mut types: Vec<_> = several.iter().map(|one| one.to_string()).collect();
                    types.sort_by_key(|name| name == "null");
                    types.join(" or ")
                }
            };
            format!("its type must be {types}")
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }
            if depth < FORMS_DEPTH && !context.is_empty() =>
        {
            let around = error.instance_path().to_string();
            let form = |errors: &Vec<ValidationError<'_>>| {
                let first = errors.first()?;
                let path = first.instance_path().to_string();
                let within = path.strip_prefix(&around).unwrap_or_default();
                let why = told(first, depth + 1);
                Some(if within.is_empty() { why } else { format!("{within}: {why}") })
            };
            let more = if context.len() > FORMS_MAX { "; …" } else { "" };
            let forms: Vec<_> = context.iter().take(FORMS_MAX).filter_map(form).collect();
            format!("it has none of the {} forms that it may have ({}{more})", context.len(), forms.join("; "))
        }
        ValidationErrorKind::FalseSchema => "nothing may stand here: leave it out".to_owned(),
        _ => error.masked_with("the value").to_string(),
    }
}

/// Whether what is wrong is that the value is none of some values, and collects those. Authors write them as `enum`, as one
/// `const` for each (with a description), and with `null` beside.
fn has_choices<'a>(error: &'a ValidationError<'_>, found: &mut Vec<&'a Value>) -> bool {
    match error.kind() {
        ValidationErrorKind::Enum { options } => {
            found.extend(options.as_array().into_iter().flatten());
            true
        }
        ValidationErrorKind::Constant { expected_value } => {
            found.push(expected_value);
            true
        }
        ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) } => {
            found.push(&NULL);
            true
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let is_of_value = |inner: &&ValidationError<'_>| inner.instance_path() == error.instance_path();
            !context.is_empty()
                && context.iter().all(|errors| errors.iter().filter(is_of_value).any(|inner| has_choices(inner, found)))
        }
        _ => false,
    }
}

/// The names of the object's properties that the schema knows, where they stand beside what refuses others.
fn known_names<'a>(error: &ValidationError<'_>, schema: &'a Value) -> Vec<&'a str> {
    let path = error.schema_path().to_string();
    let beside = path.rsplit_once('/').and_then(|(beside, _)| schema.pointer(beside));
    let properties = beside.and_then(|beside| beside.get("properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect()
}

fn no_such_property(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (distance(name, known), known)).min();
    match near {
        None => "there is no such property".to_owned(),
        Some((distance, near)) if distance <= 1 + near.len() / 4 => {
            format!("there is no such property: did you mean `{}`?", cut(near, CHOICE_MAX))
        }
        Some(_) => {
            let known = listed(known.iter().map(|known| format!("`{}`", cut(known, CHOICE_MAX))));
            format!("there is no such property: there are {known}")
        }
    }
}

/// How many slips are between two names; of long ones, between their beginnings.
fn distance(one: &str, other: &str) -> usize {
    let letters = |name: &str| cut(name, NAME_MAX).to_lowercase();
    strsim::osa_distance(&letters(one), &letters(other))
}

fn shown(value: &Value) -> String {
    cut(&value.to_string(), CHOICE_MAX)
}

fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(CHOICES_MAX);
    let some = all.take(CHOICES_MAX).collect::<Vec<_>>().join(", ");
    if more == 0 { some } else { format!("{some} and {more} more") }
}

fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{STEPS_MAX, Schema};
    use super::*;

    fn wrong(property: &Value, value: &Value) -> (String, String) {
        let schema = json!({ "type": "object", "properties": { "p": property }, "$defs": {
            "level": { "oneOf": [{ "const": "low", "description": "Not much." }, { "const": "high" }] },
            "point": { "type": "object", "properties": { "x": { "type": "number" }, "why": {} }, "additionalProperties": false },
        } });
        let schema = Schema::read(&schema.to_string()).expect("a schema");
        let mut violations = schema.violations_within(&json!({ "p": value }), STEPS_MAX).expect("an end");
        assert_eq!(violations.len(), 1, "{violations:?}");
        let violation = violations.remove(0);
        (violation.pointer, violation.message)
    }

    #[test]
    fn an_error_of_a_choice_lists_the_choices() {
        let many: Vec<_> = (0..30).collect();
        for (property, told) in [
            (json!({ "enum": ["all", "raised", null] }), r#"use one of "all", "raised", null"#),
            (json!({ "type": "string", "enum": ["all"] }), r#"it must be "all""#),
            (json!({ "const": { "a": 1 } }), r#"it must be {"a":1}"#),
            (json!({ "oneOf": [{ "const": 1 }, { "const": "two" }] }), r#"use one of 1, "two""#),
            (json!({ "$ref": "#/$defs/level" }), r#"use one of "low", "high""#),
            (
                json!({ "anyOf": [{ "$ref": "#/$defs/level" }, { "type": "null" }] }),
                r#"use one of "low", "high", null"#,
            ),
            (json!({ "anyOf": [{ "enum": ["a"] }, { "oneOf": [{ "const": "b" }] }] }), r#"use one of "a", "b""#),
            (
                json!({ "enum": many }),
                "use one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 10 more",
            ),
        ] {
            assert_eq!(wrong(&property, &json!("hunter2")), ("/p".to_owned(), told.to_owned()), "{property}");
        }
        let long = json!({ "enum": ["x".repeat(5000), "y"] });
        assert!(wrong(&long, &json!("hunter2")).1.len() < 100);
    }

    #[test]
    fn an_error_of_a_type_or_of_forms_says_what_is_expected() {
        for (property, told) in [
            (json!({ "type": "integer" }), "its type must be integer"),
            (json!({ "type": ["integer", "null"] }), "its type must be integer or null"),
            (
                json!({ "anyOf": [{ "type": "integer" }, { "$ref": "#/$defs/point" }] }),
                "it has none of the 2 forms that it may have (its type must be integer; its type must be object)",
            ),
            (json!({ "maxLength": 3 }), "the value is longer than 3 characters"),
        ] {
            let (pointer, message) = wrong(&property, &json!("hunter2"));
            assert_eq!((pointer.as_str(), message.as_str()), ("/p", told));
        }
    }

    #[test]
    fn a_property_that_is_not_there_is_told_with_those_that_are() {
        let property = json!({ "$ref": "#/$defs/point" });
        for (value, pointer, told) in [
            (json!({ "whi": 1 }), "/p/whi", "there is no such property: did you mean `why`?"),
            (json!({ "WHY": 1 }), "/p/WHY", "there is no such property: did you mean `why`?"),
            (json!({ "a/b": 1 }), "/p/a~1b", "there is no such property: there are `why`, `x`"),
        ] {
            assert_eq!(wrong(&property, &value), (pointer.to_owned(), told.to_owned()));
        }
        let closed = json!({ "additionalProperties": false, "type": "object" });
        assert_eq!(wrong(&closed, &json!({ "a": 1 })).1, "nothing may stand here: leave it out");
        assert_eq!((distance("mesage", "message"), distance("", "abc"), distance("ab", "ba")), (1, 3, 1));
    }
}
