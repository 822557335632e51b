//! What a hostile schema may ask for, and where that ends.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// Each definition refers twice to the next, so that there are 2^40 ways to the last.
fn doubling(keyword: &str, last: &str) -> String {
    let definition = |n: usize| {
        let next = n + 1;
        format!(r##""d{n}":{{"{keyword}":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}}"##)
    };
    let definitions: Vec<_> = (0..40).map(definition).collect();
    format!(r##"{{"type":"object","$ref":"#/$defs/d0","$defs":{{{},"d40":{last}}}}}"##, definitions.join(","))
}

fn nested(depth: usize, innermost: &str) -> Value {
    serde_json::from_str(&format!("{}{innermost}{}", "{\"a\":".repeat(depth), "}".repeat(depth))).expect("JSON")
}

/// Looks enough to tell a schema without end from one that ends: with more, only the wait would be longer.
const A_TENTH: u64 = STEPS_MAX / 10;

/// What a validation comes to, and that it comes to something soon.
fn checked(schema: &str, value: &Value) -> Result<Vec<Violation>, TooManySteps> {
    checked_within(schema, value, STEPS_MAX)
}

fn checked_within(schema: &str, value: &Value, steps: u64) -> Result<Vec<Violation>, TooManySteps> {
    let schema = Schema::read(schema).expect("a schema");
    // About ten times as long as it takes, and time for the tests that run beside it.
    let soon = Duration::from_secs((20 * steps / STEPS_MAX).max(5));
    let started = Instant::now();
    let checked = schema.violations_within(value, steps);
    assert!(started.elapsed() < soon, "{:?}", started.elapsed());
    checked
}

#[test]
fn a_schema_that_asks_for_endless_looks_is_left() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for last in [
            r#"{"type":"object"}"#,
            r#"{"type":["object","array"]}"#,
            r#"{"minProperties":0}"#,
            "true",
            "false",
            "{}",
            r#"{"title":"x"}"#,
            r#"{"maxLength":1}"#,
            r#"{"not":{}}"#,
        ] {
            let checked = checked_within(&doubling(keyword, last), &json!({}), A_TENTH);
            // One of two is enough, or one that fails: then the first is.
            let soon = (keyword == "anyOf") != matches!(last, "false" | r#"{"not":{}}"#);
            assert!(soon || checked == Err(TooManySteps), "{keyword} {last}: {checked:?}");
        }
    }
    // Not valid, which is quick to see, and in 2^60 ways, which is not.
    let tree = r##"{"type":"object","$ref":"#/$defs/t","$defs":{"t":{"type":"object","anyOf":[
        {"properties":{"a":{"$ref":"#/$defs/t"}}},{"properties":{"a":{"$ref":"#/$defs/t"},"b":{}}}]}}}"##;
    let listed = checked(tree, &nested(60, "7")).expect("an end");
    assert_eq!(listed[0].message, "it does not match, in more ways than can be listed");
}

#[test]
fn a_schema_that_asks_again_at_each_level_is_left_too() {
    for (keyword, wrap) in
        [("unevaluatedProperties", "allOf"), ("unevaluatedProperties", "anyOf"), ("unevaluatedItems", "allOf")]
    {
        for innermost in ["true", r#"{"type":"object"}"#, r#"{"properties":{"a":true}}"#] {
            let levels = 28;
            let schema = format!(
                r#"{{"type":"object","properties":{{"a":{{"items":{{}}}}}},{}{innermost}{}}}"#,
                format!(r#""{wrap}":[{{"{keyword}":false,"#).repeat(levels) + &format!(r#""{wrap}":["#),
                "]".to_owned() + &"}]".repeat(levels)
            );
            for value in [json!({}), json!({ "a": [1] }), json!({ "b": 1 })] {
                let _ = checked_within(&schema, &value, A_TENTH);
            }
        }
    }
}

#[test]
fn no_reference_hides_in_a_value() {
    let hidden = r##"{"type":"object","$ref":"#/enum/0/a","enum":[{"a":{"$ref":"#"}}]}"##;
    assert_eq!(Schema::read(hidden).err().as_deref(), Some("a value in `enum` holds a reference"));
    let named = r#"{"type":"object","properties":{"$ref":{"type":"string"}},"additionalProperties":false}"#;
    assert_eq!(checked(named, &json!({ "$ref": "a" })), Ok(Vec::new()), "a property may be called so");
    assert_eq!(checked(named, &json!({ "$ref": 1 })).expect("an end").len(), 1);
    assert!(
        !Schema::read(named).expect("a schema").document().to_string().contains("followed"),
        "callers see their own"
    );
}

#[test]
fn schemas_that_lead_back_to_themselves_end() {
    for schema in [
        r##"{"type":"object","$ref":"#"}"##,
        r##"{"type":"object","allOf":[{"$ref":"#"}]}"##,
        r##"{"type":"object","not":{"$ref":"#"}}"##,
        r##"{"type":"object","$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
        r##"{"type":"object","$dynamicAnchor":"n","allOf":[{"$dynamicRef":"#n"}]}"##,
        r##"{"type":"object","$dynamicAnchor":"n","unevaluatedProperties":{"$dynamicRef":"#n"}}"##,
        r##"{"type":"object","properties":{"a":{"$ref":"#"}},"propertyNames":{"$ref":"#"}}"##,
    ] {
        for value in [json!({}), nested(60, "{}"), nested(60, "7")] {
            let _ = checked(schema, &value);
        }
    }
    let tree = r##"{"type":"object","properties":{"a":{"$ref":"#"}},"additionalProperties":false}"##;
    assert_eq!(checked(tree, &nested(60, "{}")), Ok(Vec::new()), "one that goes into the value is fine");
    assert_eq!(checked(tree, &nested(2, r#"{"b":1}"#)).expect("an end")[0].pointer, "/a/a/b");
}

#[test]
fn patterns_are_linear_few_and_small() {
    let with = |pattern: &str| json!({ "type": "object", "properties": { "a": { "pattern": pattern } } }).to_string();
    let long = json!({ "a": format!("{}b", "a".repeat(500_000)) });
    assert_eq!(checked(&with("^(a+)+$"), &long).expect("an end").len(), 1);
    assert_eq!(checked(&with("^(a|aa|a?)+$"), &long).expect("an end").len(), 1);
    for refused in ["^(?=(a+)+$)", "^(a*)*\\1b$", "(a{1000}){1000}", "\\p{L}{60000}"] {
        assert!(Schema::read(&with(refused)).is_err(), "{refused}");
    }
    let many: serde_json::Map<_, _> =
        (0..100).map(|n| (format!("p{n}"), json!({ "pattern": format!("^a{n}$") }))).collect();
    let many = json!({ "type": "object", "properties": many });
    assert_eq!(Schema::read(&many.to_string()).err(), Some("it has 100 patterns: use 64 at most".to_owned()));
}

#[test]
fn work_grows_with_the_value_and_is_bounded() {
    let many = |n: usize| (0..n).map(|n| json!({ "n": n.to_string() })).collect::<Vec<_>>();
    // Only the last of five hundred fits.
    let least = |n: usize| if n < 499 { 100 } else { 1 };
    let options: Vec<_> = (0..500).map(|n| json!({ "properties": { "n": { "minLength": least(n) } } })).collect();
    let schema = json!({ "type": "object", "properties": { "a": { "items": { "anyOf": options } } } });
    assert_eq!(checked(&schema.to_string(), &json!({ "a": many(50_000) })), Err(TooManySteps));
    let unique = r#"{"type":"object","properties":{"a":{"uniqueItems":true}}}"#;
    assert_eq!(checked(unique, &json!({ "a": many(50_000) })), Ok(Vec::new()));
    let plain = r#"{"type":"object","properties":{"a":{"items":{"type":"object","required":["n"],"properties":{"n":{"type":"string"}}}}}}"#;
    assert_eq!(checked(plain, &json!({ "a": many(90_000) })), Ok(Vec::new()), "the largest there is");
}

#[test]
fn a_schema_is_one_document() {
    for (schema, why) in [
        ("{", "malformed"),
        ("7", "`type` must be `object`"),
        ("true", "`type` must be `object`"),
        (r#"{"type":"string"}"#, "`type` must be `object`"),
        (r#"{"type":"object","properties":7}"#, "7 is not"),
        (r#"{"type":"object","$ref":"https://example.com/a.json"}"#, "Retrieval is disabled"),
        (r#"{"type":"object","$ref":"file:///etc/passwd"}"#, "Retrieval is disabled"),
        (r##"{"type":"object","$ref":"#/$defs/none"}"##, "none"),
    ] {
        let error = Schema::read(schema).expect_err(schema);
        assert!(error.contains(why), "{schema}: {error}");
    }
    assert!(Schema::read(&format!("{{\"type\":\"object\",\"title\":\"{}\"}}", "x".repeat(SCHEMA_MAX))).is_err());
}
