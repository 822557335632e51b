//! Names as Netdata writes them: of contexts and charts, patterns over them, and words of its API.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json;

/// Refuses what Netdata would read as a pattern: one query is for one metric.
pub fn exact(field: &str, name: &str) -> Result<(), CallError> {
    let special = |c: char| c.is_whitespace() || "*!|,".contains(c);
    if name.is_empty() || name.contains(special) {
        return Err(CallError::invalid_input(format!(
            "`{field}` must be one exact name, not a pattern or a list: find it with contexts.list"
        )));
    }
    Ok(())
}

/// Whether `name` matches `pattern`, where `*` stands for any text, as in Netdata's own simple patterns.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    let mut parts = tail.split('*').collect::<Vec<_>>();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The word that an enum has in JSON, for where Netdata wants it in a query string.
pub fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(), // only ever called with enums of plain words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("*", "system.cpu", true),
            ("system.*", "system.cpu", true),
            ("*cpu*", "system.cpu", true),
            ("s*m.c*u", "system.cpu", true),
            ("system.cpu", "system.cpu", true),
            ("system", "system.cpu", false),
            ("disk.*", "system.cpu", false),
            ("*cpu*cpu", "system.cpu", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_and_lists_are_not_exact() {
        assert!(exact("context", "system.cpu").is_ok());
        for name in ["", "system.*", "a b", "a,b", "!a", "a|b"] {
            assert_eq!(exact("context", name).unwrap_err().code, ErrorCode::InvalidInput, "{name}");
        }
    }
}
