//! The JSON Schemas that the SDK derives from types.

use std::collections::HashMap;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};
use bulkhead_sdk::testing;

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
