//! How bad what an output tells is.

use serde_json::Value;

use crate::names::Severity;

/// The worst of the findings in an output: by what stands in it under `severity` or, as upstreams of events have it, `level`;
/// or under `counts`, which can tell of more than are listed. `None` if it has none.
pub(super) fn worst_finding(output: &Value) -> Option<Severity> {
    match output {
        Value::Array(items) => items.iter().filter_map(worst_finding).max(),
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, value)| match (name.as_str(), value) {
                ("severity" | "level", Value::String(word)) => Severity::of_word(word),
                ("counts", Value::Object(counts)) => counted(counts),
                _ => worst_finding(value),
            })
            .max(),
        _ => None,
    }
}

/// The worst of which there is one or more.
fn counted(counts: &serde_json::Map<String, Value>) -> Option<Severity> {
    let some =
        |severity: &&Severity| counts.get(severity.as_str()).and_then(Value::as_f64).is_some_and(|count| count > 0.0);
    Severity::ALL.iter().rev().find(some).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_finding_is_found_wherever_it_stands() {
        for (output, worst) in [
            (
                json!({ "findings": [{ "severity": "low" }, { "severity": "HIGH" }, { "severity": "info" }] }),
                Some(Severity::High),
            ),
            (json!({ "findings": [], "counts": { "critical": 0, "high": 0, "low": 2 } }), Some(Severity::Low)),
            (
                json!({ "page": [{ "severity": "low" }], "counts": { "critical": 1, "low": 7 } }),
                Some(Severity::Critical),
            ),
            (json!({ "issues": [{ "level": "warning", "title": "critical" }] }), Some(Severity::Medium)),
            (json!([{ "a": { "b": [{ "severity": "fatal" }] } }]), Some(Severity::Critical)),
            (json!({ "severity": 9.8, "level": 3, "counts": { "critical": "1" } }), None),
            (json!({ "severity": "purple", "findings": [] }), None),
            (json!({ "counts": { "critical": 0 } }), None),
            (json!("critical"), None),
        ] {
            assert_eq!(worst_finding(&output), worst, "{output}");
        }
        assert_eq!(Severity::High.or_worse(), [Severity::High, Severity::Critical]);
    }
}
