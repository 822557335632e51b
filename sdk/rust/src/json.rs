//! Reading JSON with errors that name the field, in words that need no Rust.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};

/// Where and why a JSON document does not fit the type. Shown, it goes on after the document's name: `the input is wrong`
/// becomes ``the input is wrong at `limit`: expected a whole number`` or ``the input is wrong: `id` is missing``.
#[derive(Debug, PartialEq)]
pub(crate) struct JsonError {
    /// Dotted, with indices, such as `items[2].name`; `None` for the document as a whole.
    path: Option<String>,
    why: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(out, " at `{path}`: {}", self.why),
            None => write!(out, ": {}", self.why),
        }
    }
}

pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| located(error, text))?;
    deserializer.end().map_err(|error| JsonError { path: None, why: in_words(&error, text) })?;
    Ok(value)
}

#[inline(never)] // one copy, not one for every type that is read
fn located(error: serde_path_to_error::Error<serde_json::Error>, document: &[u8]) -> JsonError {
    let path = Some(error.path().to_string()).filter(|path| path != ".");
    JsonError { path, why: in_words(&error.into_inner(), document) }
}

/// serde's message without Rust's names and without the position, which says nothing about a document on one line. Where
/// the text is no JSON at all, the position is all there is, and stays.
#[inline(never)]
fn in_words(error: &serde_json::Error, document: &[u8]) -> String {
    let text = error.to_string();
    // serde_json calls it a syntax error, too, when an enum finds a number.
    if !error.is_data() && serde_json::from_slice::<IgnoredAny>(document).is_err() {
        return text;
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    if let Some(field) = text.strip_prefix("missing field ") {
        return format!("{field} is missing");
    }
    if text.starts_with("data did not match any variant") {
        return "it fits none of the forms that it may have".to_owned();
    }
    if text == "expected value" {
        return "expected a string or an object".to_owned();
    }
    let Some((found, wanted)) = text.rsplit_once(", expected ") else { return text.to_owned() };
    if let Some(found) = found.strip_prefix("invalid type: ") {
        let not = kind(found).map(|kind| format!(", not {kind}")).unwrap_or_default();
        format!("expected {}{not}", plain(wanted))
    } else if found.starts_with("invalid value: ") {
        format!("expected {}{}", plain(wanted), range(wanted))
    } else {
        text.to_owned()
    }
}

/// What serde calls the value at hand, which it quotes and we do not: it may be long, and it may be confidential.
fn kind(found: &str) -> Option<&'static str> {
    [
        ("string", "a string"),
        ("integer", "a whole number"),
        ("floating point", "a fraction"),
        ("boolean", "a boolean"),
        ("null", "null"),
        ("unit value", "null"),
        ("map", "an object"),
        ("sequence", "a list"),
    ]
    .into_iter()
    .find_map(|(word, plain)| found.starts_with(word).then_some(plain))
}

/// What serde expects, for people who do not know the Rust type. An author's own words stay.
fn plain(wanted: &str) -> &str {
    const OBJECT: [&str; 5] =
        ["struct ", "a map", "internally tagged enum ", "adjacently tagged enum ", "struct variant "];
    const LIST: [&str; 4] = ["a sequence", "a tuple ", "tuple ", "an array "];
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            "a whole number"
        }
        "f32" | "f64" => "a number",
        "string or map" => "a string or an object",
        "variant identifier" => "one of its words",
        nonzero if nonzero.starts_with("a nonzero ") => "a whole number other than 0",
        name if name.starts_with("enum ") => "one of its words",
        object if OBJECT.iter().any(|start| object.starts_with(start)) => "an object",
        list if LIST.iter().any(|start| list.starts_with(start)) => "a list",
        other => other,
    }
}

/// What a whole number may be, where it has bounds that it may well miss.
fn range(wanted: &str) -> &'static str {
    match wanted {
        "u8" => " from 0 to 255",
        "u16" => " from 0 to 65535",
        "u32" => " from 0 to 4294967295",
        "u64" | "u128" | "usize" => ", 0 or more",
        "i8" => " from -128 to 127",
        "i16" => " from -32768 to 32767",
        "i32" => " from -2147483648 to 2147483647",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::parse;

    #[expect(dead_code, reason = "only the types matter")]
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        id: String,
        limit: Option<u8>,
        ratio: Option<f32>,
        kind: Option<Kind>,
        either: Option<Either>,
        inner: Option<Vec<Inner>>,
        pair: Option<(u8, u8)>,
    }

    #[expect(dead_code, reason = "only the types matter")]
    #[derive(Debug, Deserialize)]
    struct Inner {
        name: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        One,
        Two,
    }

    #[expect(dead_code, reason = "only the types matter")]
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Text(String),
    }

    #[test]
    fn errors_name_the_field_and_speak_plainly() {
        for (text, words) in [
            ("{}", ": `id` is missing"),
            (r#"{"id": 5}"#, " at `id`: expected a string, not a whole number"),
            (r#"{"id": "x", "limit": "secret, expected u8"}"#, " at `limit`: expected a whole number, not a string"),
            (r#"{"id": "x", "limit": 1.5}"#, " at `limit`: expected a whole number, not a fraction"),
            (r#"{"id": "x", "limit": 300}"#, " at `limit`: expected a whole number from 0 to 255"),
            (r#"{"id": "x", "ratio": true}"#, " at `ratio`: expected a number, not a boolean"),
            (r#"{"id": "x", "kind": 1}"#, " at `kind`: expected a string or an object"),
            (r#"{"id": "x", "either": {}}"#, " at `either`: it fits none of the forms that it may have"),
            (r#"{"id": "x", "inner": {}}"#, " at `inner`: expected a list, not an object"),
            (r#"{"id": "x", "inner": [7]}"#, " at `inner[0]`: expected an object, not a whole number"),
            (r#"{"id": "x", "inner": [{}]}"#, " at `inner[0]`: `name` is missing"),
            (r#"{"id": "x", "pair": "ab"}"#, " at `pair`: expected a list, not a string"),
            ("[1", " at `[0]`: expected a string, not a whole number"),
            ("null", ": expected an object, not null"),
        ] {
            assert_eq!(parse::<Input>(text.as_bytes()).unwrap_err().to_string(), words, "{text}");
        }
        let unknown = parse::<Input>(br#"{"idd": "x"}"#).unwrap_err().to_string();
        assert!(unknown.starts_with(" at `idd`: unknown field `idd`, expected one of"), "{unknown}");
        let word = parse::<Input>(br#"{"id": "x", "kind": "three"}"#).unwrap_err().to_string();
        assert_eq!(word, " at `kind`: unknown variant `three`, expected `one` or `two`");
        assert!(matches!(parse::<Kind>(b"\"two\""), Ok(Kind::Two)) && matches!(parse(b"\"one\""), Ok(Kind::One)));
    }

    #[test]
    fn where_there_is_no_json_the_position_stays() {
        for text in ["", "{\"id\": \"x\"", "<html>", "{\"id\": \"x\"} y"] {
            let error = parse::<Input>(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(" at line 1 column "), "{text}: {error}");
        }
    }
}
