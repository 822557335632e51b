//! Inputs and outputs held against the schemas that a tool describes, with the words that the hub has for a mismatch.

use jsonschema::{Draft, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::contract::ToolDescription;
use crate::error::CallError;

/// How many mismatches are listed, as in the hub.
const LISTED_MAX: usize = 20;
/// How much of a wrong output is shown, in characters.
const SHOWN_CHARS: usize = 2000;

/// What the caller of the hub is told of an input that does not fit.
pub(super) fn check_input(tool: &ToolDescription, input: &str) -> Result<(), CallError> {
    let malformed = |why: &str| CallError::invalid_input(format!("the input is not a JSON object: {why}"));
    let input: Value = serde_json::from_str(input).map_err(|why| malformed(&why.to_string()))?;
    if !input.is_object() {
        return Err(malformed("it is another kind of value"));
    }
    mismatches(&validator(tool, "input", &tool.input_schema), &input)
        .map_or(Ok(()), |what| Err(CallError::invalid_input(format!("the input does not match the schema: {what}"))))
}

/// An output that does not fit is the provider's mistake, which the hub would keep from the caller: the test fails.
pub(super) fn check_output(tool: &ToolDescription, output: &str) {
    let name = &tool.name;
    let shown: String = output.chars().take(SHOWN_CHARS).collect();
    let output: Value = serde_json::from_str(output).unwrap_or_else(|why| {
        panic!("the output of `{name}` is not JSON ({why}), so the hub would refuse it: {shown}")
    });
    if let Some(what) = mismatches(&validator(tool, "output", &tool.output_schema), &output) {
        panic!(
            "the output of `{name}` does not match its own schema, so the hub would refuse it: {what}. Mend the type, its \
             attributes or the value. The output: {shown}"
        );
    }
}

fn validator(tool: &ToolDescription, which: &str, schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    jsonschema::options().with_draft(Draft::Draft202012).offline().build(&schema).unwrap_or_else(|why| {
        panic!("the {which} schema of `{}` is none, so the hub would not load the provider: {why}: {schema}", tool.name)
    })
}

/// What does not fit and where, in one line; `None` if all fits.
fn mismatches(validator: &Validator, value: &Value) -> Option<String> {
    let all: Vec<_> = validator.iter_errors(value).flat_map(|error| phrases(&error)).take(LISTED_MAX).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// One phrase per field, which a JSON pointer names: a field that is missing or unknown by its own, not by its object's.
/// Values are not repeated.
fn phrases(error: &ValidationError<'_>) -> Vec<String> {
    let at = error.instance_path().to_string();
    let field = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![format!("{}: this property is required", field(property.as_str().unwrap_or_default()))]
        }
        ValidationErrorKind::AdditionalProperties { unexpected: names }
        | ValidationErrorKind::UnevaluatedProperties { unexpected: names } => {
            names.iter().map(|name| format!("{}: there is no such property", field(name))).collect()
        }
        _ if at.is_empty() => vec![error.masked_with("the value").to_string()],
        _ => vec![format!("{at}: {}", error.masked_with("the value"))],
    }
}
