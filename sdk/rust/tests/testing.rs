//! What a test run checks by itself, and what it says when a test lacks something.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bulkhead_sdk::testing::prelude::*;

const URL: &str = "https://api.example/items";

#[derive(Deserialize, JsonSchema)]
struct Input {
    /// Which.
    #[schemars(length(min = 2))]
    id: String,
    #[schemars(range(min = 1, max = 9))]
    count: Option<u32>,
    #[serde(flatten)]
    more: More,
}

#[derive(Deserialize, JsonSchema)]
struct More {
    #[serde(default)]
    #[schemars(inner(length(max = 3)))]
    tags: Vec<String>,
}

/// Promises a number from 1 to 9 and keeps it only if the caller does.
#[derive(Serialize, JsonSchema)]
struct Output {
    #[schemars(range(min = 1, max = 9))]
    count: u32,
}

fn count(_: &Context, input: Input) -> Result<Answer<Output>, CallError> {
    if input.id.len() < 2 {
        return Err(CallError::invalid_input("`id` is too short: give two letters"));
    }
    let count = input.count.unwrap_or_default() + u32::try_from(input.more.tags.len()).unwrap_or(u32::MAX);
    Ok(Answer::new(Output { count }).text("counted"))
}

fn post(cx: &Context, _: NoInput) -> Result<Value, CallError> {
    let ask = |body: Value| cx.post(URL).query("q", 1).json(&body).send()?.json::<Value>();
    Ok(json!({ "first": ask(json!({ "n": 1 }))?, "second": ask(json!({ "n": 2 }))? }))
}

fn run() -> Run {
    let provider = Provider::new("x", "1.0.0");
    testing::run(provider.tool(Tool::read("count", "1.0", count)).tool(Tool::write("post", "1.0", post)))
}

/// What a test would fail with.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn an_input_is_refused_as_the_hub_refuses_it() {
    for (input, what) in [
        (json!({}), "/id: this property is required"),
        (json!({ "id": "ab", "cuont": 1 }), "/cuont: there is no such property"),
        (json!({ "id": "ab", "count": 10 }), "/count: the value is greater than the maximum of 9"),
        (json!({ "id": "ab", "tags": ["abcd"] }), "/tags/0: the value is longer than 3 characters"),
    ] {
        let error = run().call("count", input).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
        assert_eq!(error.message, format!("the input does not match the schema: {what}"));
    }
    let several = run().call("count", json!({ "id": "a", "x/y": 1 })).unwrap_err().message;
    assert!(several.contains("/id: the value is shorter") && several.contains("; /x~1y: there is no"), "{several}");
    for text in ["[", "[]", "7", ""] {
        let error = run().call_raw("count", text).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidInput);
        assert!(error.message.starts_with("the input is not a JSON object: "), "{error}");
    }
}

#[test]
fn what_the_schema_refuses_first_can_be_tried_on_the_provider() {
    let own = run().call_unchecked("count", json!({ "id": "a" })).unwrap_err();
    assert_eq!(own, CallError::invalid_input("`id` is too short: give two letters"));
    assert_eq!(run().call_unchecked("count", json!({ "id": "ab", "count": 10 })).unwrap(), json!({ "count": 10 }));
}

#[test]
fn an_output_that_breaks_its_schema_fails_the_test() {
    let said = failure(|| drop(run().call("count", json!({ "id": "ab" }))));
    assert!(said.starts_with("the output of `count` does not match its own schema"), "{said}");
    assert!(
        said.contains("/count: the value is less than the minimum of 1") && said.contains(r#"{"count":0}"#),
        "{said}"
    );

    let good = run().call_raw("count", r#"{"id": "ab", "count": 8, "tags": ["x"]}"#).unwrap();
    assert_eq!((good.output.as_str(), good.content), (r#"{"count":9}"#, vec![Content::Text("counted".to_owned())]));
}

#[test]
fn a_request_without_a_reply_says_what_to_script() {
    let said = failure(|| drop(run().call("post", json!({}))));
    let wanted = format!(
        "the test's gate has no reply for POST {URL}?q=1: add `.on(Method::Post, \"{URL}\", …)`; it has none at all"
    );
    assert_eq!(said, wanted);
    let gate = FakeGate::new().on(Method::Get, URL, Reply::text(200, ""));
    let said = failure(|| drop(run().gate(gate).call("post", json!({}))));
    assert!(said.ends_with(&format!("; it has GET {URL}")), "{said}");
}

#[test]
fn a_reply_may_depend_on_the_body_and_bodies_are_read() {
    let double = |body: &Value| Reply::json(200, &json!(body["n"].as_u64().unwrap() * 2));
    let gate = FakeGate::new().on(Method::Post, URL, Reply::text(500, "")).on_json(Method::Post, URL, double);
    let run = run().gate(gate);
    assert_eq!(run.call("post", json!({})).unwrap(), json!({ "first": 2, "second": 4 }));
    assert_eq!(run.gate_seen().bodies(), [json!({ "n": 1 }), json!({ "n": 2 })]);
}
