//! Events as comma-separated values (RFC 4180), which spreadsheets take for text and nothing else.

use serde_json::{Map, Value};

use crate::text::plain;

/// The columns, in their order.
const COLUMNS: [&str; 27] = [
    "recorded_at",
    "created_at",
    "id",
    "caller_id",
    "caller_role",
    "team",
    "surface",
    "operation",
    "provider",
    "tool",
    "outcome",
    "error_code",
    "error",
    "duration_ms",
    "times",
    "severity",
    "upstream_requests",
    "upstream_bytes",
    "cost",
    "hostname",
    "correlation_id",
    "revision",
    "replays",
    "payload",
    "result",
    "writer",
    "seq",
];

/// The first line.
pub(super) fn head() -> String {
    format!("{}\r\n", COLUMNS.join(","))
}

/// The line of an event.
pub(super) fn line(shown: &Map<String, Value>) -> String {
    let fields = COLUMNS.map(|column| match shown.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) if !matches!(column, "payload" | "result") => field(text),
        Some(document) => field(&plain::json(document.to_string())),
    });
    format!("{}\r\n", fields.join(","))
}

/// A text in quotes. One that a spreadsheet would take for a formula has an apostrophe before it.
fn field(text: &str) -> String {
    let shown = plain::text(text, usize::MAX);
    let is_formula = shown.trim_start().starts_with(['=', '+', '-', '@', '|', '%']);
    let mark = if is_formula { "'" } else { "" };
    format!("\"{mark}{}\"", shown.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_field_is_a_formula_or_another_field() {
        for (text, written) in [
            ("plain", "\"plain\""),
            ("=1+1", "\"'=1+1\""),
            (" @SUM(A1)", "\"' @SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("+2", "\"'+2\""),
            ("a\",=1,\"b", "\"a\"\",=1,\"\"b\""),
            ("\t=1", "\"\\t=1\""),
            ("a\r\n=1", "\"a\\r\\n=1\""),
            ("\u{202e}=1", "\"\\u{202e}=1\""),
        ] {
            assert_eq!(field(text), written, "{text:?}");
        }
        let Value::Object(event) = json!({ "tool": "=cmd", "duration_ms": -1, "payload": "=1", "result": { "a": 1 } })
        else {
            unreachable!()
        };
        let line = line(&event);
        assert_eq!(line.matches(',').count(), COLUMNS.len() - 1, "{line}");
        assert!(line.contains("\"'=cmd\"") && line.contains("\"\"\"=1\"\"\"") && line.contains("\"{\"\"a\"\":1}\""));
        assert_eq!(head().matches(',').count(), COLUMNS.len() - 1);
    }
}
