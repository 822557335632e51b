//! The whole provider, run natively.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::{ResourceBody, testing};
use hello_rs::provider;

#[test]
fn it_describes_itself_well() {
    assert_eq!(testing::run(provider()).problems(), Vec::<String>::new());
}

#[test]
fn echo_returns_the_message() {
    let run = testing::run(provider());
    assert_eq!(run.call("echo.v1", json!({"message": "hi ü"})).unwrap(), json!({"message": "hi ü"}));
}

#[test]
fn sum_adds() {
    let run = testing::run(provider());
    assert_eq!(run.call("sum.v1", json!({"numbers": [1, 2, 3.5]})).unwrap(), json!({"sum": 6.5}));
    assert_eq!(run.call("sum.v1", json!({"numbers": [1, 2]})).unwrap(), json!({"sum": 3}));
    assert_eq!(run.call("sum.v1", json!({"numbers": []})).unwrap(), json!({"sum": 0}));
    let too_much = run.call("sum.v1", json!({"numbers": [f64::MAX, f64::MAX]})).unwrap_err();
    assert_eq!(too_much.code, ErrorCode::InvalidInput);
}

#[test]
fn the_greeting_greets() {
    let body = testing::run(provider()).read("hello://greeting").unwrap();
    assert_eq!(body, ResourceBody::Text("Hello, MCP".to_owned()));
}

#[test]
fn the_plan_names_whom_to_greet() {
    let run = testing::run(provider());
    let messages = run.prompt("hello-plan", &[("name", "Ada")]).unwrap();
    assert!(matches!(&messages[0].content, Content::Text(text) if text.contains("Greet Ada")));
    assert_eq!(run.prompt("hello-plan", &[]).unwrap_err().code, ErrorCode::InvalidInput);
}

#[test]
fn it_is_healthy() {
    assert_eq!(testing::run(provider()).health(), Health::ok());
}
