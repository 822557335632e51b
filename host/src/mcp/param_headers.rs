//! Parts of an input that a request repeats in headers `Mcp-Param-*`, for those in between who route by them (MCP
//! 2026-07-28): a header that says something else than the input would have them route another call than the one that runs.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::registry::Mirrored;

/// The version from which on clients repeat them.
pub(super) const SINCE: &str = "2026-07-28";
/// Names the version in a request's head.
const VERSION: &str = "mcp-protocol-version";

/// Holds a request's headers against its input.
///
/// # Errors
/// Which header is wrong, and how. Values are not repeated.
pub(super) fn check(headers: &HeaderMap, mirrored: &[Mirrored], input: &Map<String, Value>) -> Result<(), String> {
    // ISO dates compare as texts.
    let is_modern = headers.get(VERSION).and_then(|value| value.to_str().ok()).is_some_and(|version| version >= SINCE);
    if !is_modern {
        return Ok(());
    }
    mirrored.iter().try_for_each(|mirrored| check_one(headers, mirrored, input))
}

fn check_one(headers: &HeaderMap, mirrored: &Mirrored, input: &Map<String, Value>) -> Result<(), String> {
    let (name, property) = (format!("Mcp-Param-{}", mirrored.header), mirrored.path.join("."));
    let (first, rest) = mirrored.path.split_first().ok_or("an annotation without a property")?;
    let value = rest.iter().try_fold(input.get(first), |value, key| Some(value?.get(key)));
    // What is no plain value has no header, and does not match its schema either.
    let value = value.flatten().filter(|value| !matches!(value, Value::Null | Value::Array(_) | Value::Object(_)));
    let mut sent = headers.get_all(&name).iter();
    let header = sent.next();
    if sent.next().is_some() {
        return Err(format!("the header {name} is repeated: send it once"));
    }
    match (header, value) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(format!("{name} is missing: send it with the value of `{property}`")),
        (Some(_), None) => Err(format!("{name} is there and `{property}` is not: send both or neither")),
        (Some(header), Some(value)) => {
            let header = header.to_str().ok().and_then(decoded).ok_or_else(|| {
                format!("{name} is not readable: send printable ASCII, or =?base64?…?= of the value in UTF-8")
            })?;
            if says(&header, value) { Ok(()) } else { Err(format!("{name} says something else than `{property}`")) }
        }
    }
}

/// A header's value, which may be wrapped to hold any text.
fn decoded(header: &str) -> Option<String> {
    match header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(wrapped) => String::from_utf8(STANDARD.decode(wrapped).ok()?).ok(),
        None => Some(header.to_owned()),
    }
}

/// Whether a header says what the input says. Numbers are compared as numbers: 10 and 10.0 are one.
fn says(header: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => header == text,
        Value::Bool(flag) => header == if *flag { "true" } else { "false" },
        Value::Number(number) => {
            let Ok(Value::Number(told)) = serde_json::from_str(header) else { return false };
            if let (Some(told), Some(number)) = (told.as_i128(), number.as_i128()) {
                return told == number;
            }
            told.as_f64() == number.as_f64()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(headers: &[(&str, &str)], input: &Value) -> Result<(), String> {
        let mirrored = [("region", "Region"), ("count", "Count"), ("dry", "Dry"), ("at.zone", "Zone")];
        let mirrored = mirrored.map(|(path, header)| Mirrored {
            path: path.split('.').map(str::to_owned).collect(),
            header: header.to_owned(),
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(http::HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"));
        }
        check(&map, &mirrored, input.as_object().expect("an object"))
    }

    #[test]
    fn what_headers_and_input_say_is_the_same_or_refused() {
        let version = ("MCP-Protocol-Version", "2026-07-28");
        let region = json!({ "region": "eu" });
        for (headers, input, fine) in [
            (&[version][..], json!({}), true),
            (&[version], json!({ "region": null, "other": 1 }), true),
            (&[version, ("mcp-param-region", "eu")], region.clone(), true),
            (&[version, ("MCP-PARAM-REGION", "eu")], region.clone(), true),
            (&[version, ("mcp-param-region", "=?base64?ZXU=?=")], region.clone(), true),
            (&[version, ("mcp-param-region", "=?base64?!?=")], region.clone(), false),
            (&[version, ("mcp-param-region", "EU")], region.clone(), false),
            (&[version, ("mcp-param-region", "us")], region.clone(), false),
            (&[version], region.clone(), false),
            (&[version, ("mcp-param-region", "eu"), ("mcp-param-region", "eu")], region.clone(), false),
            (&[version, ("mcp-param-region", "eu")], json!({}), false),
            (&[version, ("mcp-param-region", "null")], json!({ "region": null }), false),
            (&[version, ("mcp-param-count", "10")], json!({ "count": 10.0 }), true),
            (&[version, ("mcp-param-count", "10")], json!({ "count": 10 }), true),
            (&[version, ("mcp-param-count", "9007199254740993")], json!({ "count": 9_007_199_254_740_992_u64 }), false),
            (&[version, ("mcp-param-count", "10")], json!({ "count": 11 }), false),
            (&[version, ("mcp-param-count", "ten")], json!({ "count": 10 }), false),
            (&[version, ("mcp-param-dry", "true")], json!({ "dry": true }), true),
            (&[version, ("mcp-param-dry", "True")], json!({ "dry": true }), false),
            (&[version, ("mcp-param-zone", "a")], json!({ "at": { "zone": "a" } }), true),
            (&[version], json!({ "at": { "zone": "a" } }), false),
            (&[version], json!({ "at": 1 }), true),
            (&[("MCP-Protocol-Version", "2025-11-25")], region.clone(), true),
            (&[], region.clone(), true),
        ] {
            assert_eq!(checked(headers, &input).is_ok(), fine, "{headers:?} {input}");
        }
        let error = checked(&[version, ("mcp-param-region", "hunter2")], &region).expect_err("another value");
        assert_eq!(error, "Mcp-Param-Region says something else than `region`");
    }
}
