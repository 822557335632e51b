//! JSON in its canonical form: of one document there is one text. `docs/audit-format.md` defines it.

use std::io;

use serde::Serialize as _;
use serde_json::{Value, json, ser};

/// The canonical form of what the hub has written itself: tight, names in their order and each once. Only what differs is
/// written again.
#[must_use]
pub fn canonical(written: String) -> String {
    if !has_fraction_or_exponent(written.as_bytes()) && !written.contains("\\u0000") {
        return written;
    }
    // What the hub has written it can read.
    of_any(&written).unwrap_or(written)
}

/// The canonical form of any document.
///
/// # Errors
/// When it is no JSON, or nested deeper than the parser goes.
pub fn of_any(document: &str) -> serde_json::Result<String> {
    let value: Value = serde_json::from_str(document)?;
    let text = write(&value);
    // PostgreSQL's `jsonb` takes no U+0000.
    Ok(if text.contains("\\u0000") && has_nul(&value) { json!({ "escaped_json": text }).to_string() } else { text })
}

fn write(value: &Value) -> String {
    let mut text = Vec::new();
    let written = value.serialize(&mut ser::Serializer::with_formatter(&mut text, Plain));
    debug_assert!(written.is_ok(), "memory takes everything, and all names are strings");
    String::from_utf8(text).unwrap_or_default()
}

/// Numbers in digits, without an exponent.
struct Plain;

impl ser::Formatter for Plain {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, number: f64) -> io::Result<()> {
        // Rust writes the shortest decimal that reads as the same number, and never an exponent.
        if number == 0.0 { writer.write_all(b"0") } else { write!(writer, "{number}") }
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a number outside of strings has a point or an exponent. In `true`, `false` and `null` no digit stands before the
/// `e`.
fn has_fraction_or_exponent(document: &[u8]) -> bool {
    let (mut in_string, mut escaped, mut after_digit) = (false, false, false);
    for &byte in document {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        if after_digit && matches!(byte, b'.' | b'e' | b'E') {
            return true;
        }
        (in_string, after_digit) = (byte == b'"', byte.is_ascii_digit());
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document() -> impl Strategy<Value = Value> {
        let number = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has no other", |number| number.is_finite()).prop_map(Value::from),
            (-1000..1000_i32).prop_map(|tenths| Value::from(f64::from(tenths) / 10.0)),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            number,
            any::<String>().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_the_hub_writes_has_the_same_form_as_what_is_read_back_of_it(value in document()) {
            let form = canonical(value.to_string());
            prop_assert_eq!(&of_any(&value.to_string()).expect("JSON"), &form);
            prop_assert_eq!(&of_any(&serde_json::to_string_pretty(&value).expect("JSON")).expect("JSON"), &form);
            prop_assert_eq!(&of_any(&form).expect("JSON"), &form, "it is its own form");
        }
    }

    #[test]
    fn each_document_has_one_form() {
        for (document, form) in [
            ("{ \"b\": 1, \"a\": [ ] }", r#"{"a":[],"b":1}"#),
            ("[1.0, -0.0, 1e2, 1.50, 1e-7, 1e20]", "[1,0,100,1.5,0.0000001,100000000000000000000]"),
            ("[12345678901234567000, 1.2345678901234567e19]", "[12345678901234567000,12345678901234567000]"),
            ("[18446744073709551615, -9223372036854775808]", "[18446744073709551615,-9223372036854775808]"),
            ("\"\\u0041\\u001F\\u2028\\/\\t\"", "\"A\\u001f\u{2028}/\\t\""),
            ("{\"\\u00e9\":1,\"z\":2}", "{\"z\":2,\"é\":1}"),
            (r#"["a\u0000"]"#, r#"{"escaped_json":"[\"a\\u0000\"]"}"#),
            (r#"["a\\u0000"]"#, r#"["a\\u0000"]"#),
            ("true", "true"),
        ] {
            assert_eq!(of_any(document).expect("JSON"), form, "{document}");
        }
    }
}
