//! Numbers: whole ones are integers however they are written, and none is ever rounded, whichever surface it comes in by.

use serde_json::{Value, json};

use crate::support::{
    hub::{Folder, Hub, OPERATOR, Reply},
    raw::{
        Raw,
        description::{Description, Tool},
    },
    stdio::Stdio,
    testbed::replace,
};

/// `echo` answers with the bytes of its input; the others with what stands here.
const TOOLS: &str = r#"
(func $echo (type $tool) (call $ok (local.get 0) (local.get 1)))
(data (i32.const 512) "{\"n\":10.0}")
(func $float (type $tool) (call $ok (i32.const 512) (i32.const 10)))
(data (i32.const 544) "{\"a\":[9007199254740993.0]}")
(func $rounded (type $tool) (call $ok (i32.const 544) (i32.const 26)))
(data (i32.const 576) "{\"n\":18446744073709551616}")
(func $long (type $tool) (call $ok (i32.const 576) (i32.const 26)))
(data (i32.const 608) "{\"n\":1E400}")
(func $endless (type $tool) (call $ok (i32.const 608) (i32.const 11)))
"#;

/// A hub with these tools; all take and give an integer `n`, if any.
fn hub() -> (Hub, Folder) {
    let folder = Folder::new();
    let raw = Raw::of(TOOLS);
    let tools = raw.tools().into_iter().map(|name| Tool {
        input_schema: br#"{"type":"object","properties":{"n":{"type":"integer"},"a":{}},"additionalProperties":false}"#
            .to_vec(),
        output_schema: br#"{"type":"object","properties":{"n":{"type":"integer"}}}"#.to_vec(),
        ..Tool::named(name)
    });
    let description = Description { tools: tools.collect(), ..Description::default() };
    let bytes = Raw { description: Some(description), ..Raw::of(TOOLS) }.build();
    let path = replace(folder.path(), "numbers.wasm", &bytes);
    let grants: String = Raw::of(TOOLS)
        .tools()
        .iter()
        .map(|name| format!("      - {{ name: {name}, class: read, min_role: ops_viewer, schema_version: '1.0' }}\n"))
        .collect();
    (Hub::start(&format!("  numbers:\n    component: {}\n    tools:\n{grants}", path.display())), folder)
}

/// The arguments as a message of MCP.
fn message(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"numbers.echo","arguments":{arguments}}}}}"#
    )
}

async fn over_mcp(hub: &Hub, token: &str, arguments: &str) -> Value {
    let request = hub.client().post(format!("{}/mcp", hub.url)).body(message(arguments));
    let request = request.header("content-type", "application/json");
    Hub::send(request.header("accept", "application/json, text/event-stream"), Some(token)).await.json()
}

#[tokio::test]
async fn a_whole_number_reaches_the_provider_as_an_integer_over_every_surface() {
    let (hub, _folder) = hub();
    let token = hub.token(OPERATOR);
    let mut stdio = Stdio::start(&hub, &token);
    for (sent, seen) in [
        (r#"{"n":10.0}"#, r#"{"n":10}"#),
        (r#"{"n":1e1}"#, r#"{"n":10}"#),
        (r#"{"n":-0.0}"#, r#"{"n":0}"#),
        (r#"{"n":9007199254740992.0}"#, r#"{"n":9007199254740992}"#),
        (r#"{"n":9223372036854775807}"#, r#"{"n":9223372036854775807}"#),
        (r#"{"n":18446744073709551615}"#, r#"{"n":18446744073709551615}"#),
        (r#"{"a":[{"b":2.50e1},0.1,-1.5]}"#, r#"{"a":[{"b":25},0.1,-1.5]}"#),
    ] {
        let reply = hub.post("/providers/numbers/echo", Some(&token), sent).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, seen), "{sent}");
        assert_eq!(hub.last_event()["payload"], seen, "and that is on record");
        let over_mcp = over_mcp(&hub, &token, sent).await;
        stdio.write(&message(sent));
        for answer in [over_mcp, stdio.next()] {
            assert_eq!(answer["result"]["content"][0]["text"], seen, "{sent}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_number_that_would_be_rounded_is_refused_over_every_surface() {
    let (hub, _folder) = hub();
    let token = hub.token(OPERATOR);
    let mut stdio = Stdio::start(&hub, &token);
    for (sent, pointer) in [
        (r#"{"n":9007199254740993.0}"#, "/n"),
        (r#"{"n":1E400}"#, "/n"),
        (r#"{"a":[0,1e-400]}"#, "/a/1"),
        (r#"{"n":123456789012345678901234567890}"#, "/n"),
        (r#"{"a":{"b/c":18446744073709551616}}"#, "/a/b~1c"),
        (r#"{"n":-9223372036854775809}"#, "/n"),
    ] {
        let reply: Reply = hub.post("/providers/numbers/echo", Some(&token), sent).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (400, &json!("input_number")), "{sent}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{sent}: {problem}");
        is_recorded(&hub, "rest");
        let over_mcp = over_mcp(&hub, &token, sent).await;
        is_recorded(&hub, "mcp");
        stdio.write(&message(sent));
        let over_stdio = stdio.next();
        is_recorded(&hub, "stdio");
        for answer in [over_mcp, over_stdio] {
            assert_eq!(answer["result"]["isError"], true, "{sent}: {answer}");
            let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
            assert!(text.contains(&format!(" {pointer}: it may be rounded")), "{sent}: {answer}");
        }
    }
}

fn is_recorded(hub: &Hub, surface: &str) {
    let event = hub.last_event();
    let seen = (&event["surface"], &event["outcome"], &event["error_code"], &event["payload"]);
    assert_eq!(seen, (&json!(surface), &json!("invalid"), &json!("input_number"), &Value::Null), "{event}");
}

#[tokio::test]
async fn a_fraction_is_no_integer_and_an_integer_may_be_written_with_a_point() {
    let (hub, _folder) = hub();
    let token = hub.token(OPERATOR);
    let reply = hub.post("/providers/numbers/echo", Some(&token), r#"{"n":10.5}"#).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["message"]), (400, &json!("its type must be integer")));
    // What a provider answers stays as it wrote it.
    let reply = hub.call(&token, "numbers/float", &json!({})).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"n":10.0}"#));
}

#[tokio::test]
async fn an_output_whose_number_would_be_changed_is_not_answered() {
    let (hub, _folder) = hub();
    let token = hub.token(OPERATOR);
    for (tool, pointer) in [("rounded", "/a/0"), ("long", "/n"), ("endless", "/n")] {
        let reply = hub.call(&token, &format!("numbers/{tool}"), &json!({})).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (502, &json!("output_invalid")), "{tool}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{tool}: {problem}");
    }
}
