//! The JSON Schemas that the SDK derives from types.

use std::collections::HashMap;

use bulkhead_sdk::testing::prelude::*;

fn schemas<I, O>() -> (Value, Value)
where
    I: serde::de::DeserializeOwned + JsonSchema + 'static,
    O: Serialize + JsonSchema + 'static,
{
    let refuse = |_: &Context, _: I| Err::<O, _>(CallError::internal("not called"));
    let run = testing::run(Provider::new("x", "1.0.0").tool(Tool::read("x", "1.0", refuse)));
    let tool = run.describe().tools.remove(0);
    (serde_json::from_str(&tool.input_schema).unwrap(), serde_json::from_str(&tool.output_schema).unwrap())
}

/// What it is.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Plain {
    /// A number that
    /// counts.
    count: u32,
    nested: Option<Nested>,
    list: Vec<Nested>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Nested {
    name: String,
}

#[test]
fn no_arguments_is_a_closed_empty_object() {
    let (input, _) = schemas::<NoInput, Plain>();
    let expected = json!({ "type": "object", "additionalProperties": false });
    assert_eq!(input, expected);
}

#[test]
fn inputs_are_closed_all_the_way_down_and_outputs_open() {
    let (input, output) = schemas::<Plain, Plain>();
    assert_eq!(input["additionalProperties"], json!(false));
    assert_eq!(input["properties"]["list"]["items"]["additionalProperties"], json!(false));
    assert_eq!(input["properties"]["nested"]["additionalProperties"], json!(false));
    assert!(!output.to_string().contains("additionalProperties"));
}

#[test]
fn doc_comments_describe_and_noise_is_gone() {
    let (input, _) = schemas::<Plain, Plain>();
    let count = json!({ "type": "integer", "minimum": 0, "description": "A number that counts." });
    assert_eq!(input["properties"]["count"], count);
    assert!(["title", "description", "$schema"].iter().all(|key| input.get(key).is_none()));
    assert!(input.get("$defs").is_none());
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Open {
    known: bool,
    #[serde(flatten)]
    rest: HashMap<String, u8>,
}

#[test]
fn a_type_that_takes_more_stays_open() {
    let (input, _) = schemas::<Open, Open>();
    assert_eq!(input["additionalProperties"]["type"], json!("integer"));
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Flattened {
    common: bool,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Kind {
    One { a: u8 },
    Two { b: Nested },
}

#[test]
fn alternatives_of_one_object_are_closed_around_all_of_them() {
    let (input, _) = schemas::<Flattened, Flattened>();
    assert_eq!(input["unevaluatedProperties"], json!(false));
    for branch in input["oneOf"].as_array().unwrap() {
        assert!(branch.get("additionalProperties").is_none(), "{branch}");
    }
    let (alone, _) = schemas::<Kind, Kind>();
    for branch in alone["oneOf"].as_array().unwrap() {
        assert_eq!(branch["additionalProperties"], json!(false), "{branch}");
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Tree {
    children: Vec<Tree>,
}

#[test]
fn recursion_stays_inside_the_document() {
    let (input, _) = schemas::<Tree, Tree>();
    let text = input.to_string();
    assert!(text.contains(r##""$ref":"#"##), "{text}");
    assert_eq!(input["additionalProperties"], json!(false));
}

#[derive(Serialize, JsonSchema)]
struct Sparse {
    /// Perhaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    /// What is inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    nested: Option<Nested>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<Shape>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    list: Vec<Option<u8>>,
    always: Option<String>,
}

#[expect(dead_code, reason = "only the type matters")]
#[derive(Serialize, JsonSchema)]
#[serde(tag = "shape")]
enum Shape {
    Round { radius: u8 },
    Square { side: u8 },
}

fn sparse(_: &Context, _: NoInput) -> Result<Sparse, CallError> {
    Ok(Sparse { word: None, severity: None, nested: None, shape: None, list: Vec::new(), always: None })
}

#[test]
fn an_output_field_that_is_left_out_is_never_null() {
    let (_, output) = schemas::<NoInput, Sparse>();
    let fields = &output["properties"];
    assert_eq!(fields["word"], json!({ "type": "string", "description": "Perhaps." }));
    let words = json!(["critical", "high", "medium", "low", "info"]);
    let severity = json!({ "type": "string", "enum": words, "description": "How bad it is, the worst first." });
    assert_eq!(fields["severity"], severity);
    assert_eq!(
        (&fields["nested"]["type"], &fields["nested"]["description"]),
        (&json!("object"), &json!("What is inside."))
    );
    assert!(fields["shape"].to_string().contains("radius") && !fields["shape"].to_string().contains("null"));
    assert_eq!(fields["list"]["items"]["type"], json!(["integer", "null"]));
    assert_eq!(fields["always"]["type"], json!(["string", "null"]));
    assert_eq!(output["required"], json!(["always"]));

    let run = testing::run(Provider::new("x", "1.0.0").tool(Tool::read("x", "1.0", sparse)));
    assert_eq!(run.call("x", json!({})).unwrap(), json!({ "always": null }));
}
