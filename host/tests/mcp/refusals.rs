//! Whatever is refused, its answer reaches the request it is for, and says its code and what to do next.

use serde_json::{Value, json};

use crate::support::{
    hub::{Hub, OPERATOR, Reply, VIEWER},
    socket::{Socket, host},
    stdio::Stdio,
    testbed::testbed,
    upstream::Upstream,
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
";

const LIST: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;

async fn send(hub: &Hub, token: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = hub.client().post(format!("{}/mcp", hub.url)).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Hub::send(request, Some(token)).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// Requests that are refused for what is in them, and not in the input of a tool.
fn requests() -> Vec<String> {
    let deep = "[".repeat(100) + &"]".repeat(100);
    [
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"made-up","params":[]}"#,
        r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":7}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","method":"ping","method":"ping","id":7}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"a":1e999}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"a","arguments":{"a":"1","a":"2"}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b","arguments":{}}}"#,
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!(r#"{{"jsonrpc":"2.0","id":7,"method":"ping","params":{{"_meta":{deep}}}}}"#)])
    .collect()
}

/// Inputs of a tool that are not read, and why.
fn inputs() -> Vec<(String, &'static str)> {
    vec![
        (r#"{"message":9007199254740993.5}"#.to_owned(), "input_number"),
        (r#"{"message":1e999}"#.to_owned(), "input_number"),
        (r#"{"message":"a","message":"b"}"#.to_owned(), "input_malformed"),
        (r#"{"message":"\ud800"}"#.to_owned(), "input_malformed"),
        (format!(r#"{{"message":{}1{}}}"#, "[".repeat(100), "]".repeat(100)), "input_too_complex"),
        (format!(r#"{{"message":{}1{}}}"#, "[".repeat(62), "]".repeat(62)), "input_too_complex"),
        (format!(r#"{{"message":"{}"}}"#, "x".repeat(8 * 1024 * 1024 + 1)), "input_too_complex"),
    ]
}

fn call(input: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"seven","method":"tools/call","params":{{"arguments":{input},"name":"hello-rs.echo.v1"}}}}"#
    )
}

/// A result that a model can act on, of a call that is on record.
fn is_wrong_input(hub: &Hub, answer: &Value, code: &str, surface: &str, input: &str) {
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("seven"), &json!(true)), "{input:.80}: {answer}");
    let (told, row) = (&answer["result"]["_meta"]["bulkhead"], hub.last_event());
    assert_eq!((&told["code"], &told["call_id"]), (&json!(code), &row["id"]), "{input:.80}: {answer} {row}");
    let seen = (&row["provider"], &row["tool"], &row["outcome"], &row["error_code"], &row["surface"]);
    let expected = (&json!("hello-rs"), &json!("echo.v1"), &json!("invalid"), &json!(code), &json!(surface));
    assert_eq!(seen, expected, "{input:.80}: {row}");
    assert!(row["payload"].is_null(), "{row}");
}

#[tokio::test]
async fn a_refused_request_is_answered_by_its_id() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for body in requests() {
        let reply = send(&hub, &token, &[JSON], &body).await;
        assert_eq!((reply.status, &reply.json()["id"]), (400, &json!(7)), "{body}: {reply:?}");
        assert!(reply.json()["error"]["data"]["bulkhead"]["code"].is_string(), "{body}: {reply:?}");
    }
    for (status, headers) in [(406, &[JSON, ("accept", "text/html")][..]), (415, &[("content-type", "text/plain")])] {
        let reply = send(&hub, &token, headers, LIST).await;
        assert_eq!((reply.status, &reply.json()["id"]), (status, &json!(7)), "{reply:?}");
    }
    for body in [r#"{"jsonrpc":"2.0","id":7,"method""#, r#"{"id":7}}"#, r#"{"id":7,"id":8}"#, "[7]", "7"] {
        let reply = send(&hub, &token, &[JSON], body).await;
        assert_eq!((reply.status, &reply.json()["id"]), (400, &Value::Null), "{body}: {reply:?}");
    }
}

#[tokio::test]
async fn an_input_that_is_not_read_is_a_wrong_input_of_its_tool() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for (input, code) in inputs() {
        let reply = send(&hub, &token, &[JSON], &call(&input)).await;
        assert_eq!(reply.status, 200, "{input:.80}: {reply:?}");
        is_wrong_input(&hub, &reply.json(), code, "mcp", &input);
    }
}

#[test]
fn over_stdio_both_are_the_same_and_an_id_is_used_by_one_request_at_a_time() {
    let upstream = Upstream::start();
    let hub = Hub::start(&(testbed(&[&format!("allowed_hosts: ['{}']", upstream.host())]) + HELLO));
    let mut stdio = Stdio::start(&hub, &hub.token(OPERATOR));
    for body in requests() {
        stdio.write(&body);
        let answer = stdio.next();
        assert!(answer["id"] == 7 && answer["error"]["code"].is_i64(), "{body}: {answer}");
    }
    for (input, code) in inputs() {
        stdio.write(&call(&input));
        is_wrong_input(&hub, &stdio.next(), code, "stdio", &input);
    }
    let wait = json!({ "name": "testbed.fetch.get", "arguments": { "url": upstream.url("/wait") } });
    let id = stdio.send("tools/call", &wait);
    let ping = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string();
    stdio.write(&ping);
    let answer = stdio.next();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(id), &json!(-32600)), "{answer}");
    assert_eq!(answer["error"]["data"]["bulkhead"]["code"], "id_in_use", "{answer}");
    assert_eq!(hub.last_event()["error_code"], "id_in_use");
    // The first is still answered, by that id, and then the id is free.
    upstream.release();
    let answer = stdio.next();
    assert!(answer["id"] == id && answer["result"]["content"].is_array(), "{answer}");
    upstream.hold();
    stdio.write(&ping);
    let answer = stdio.next();
    assert!(answer["id"] == id && answer["result"].is_object(), "{answer}");
    // So it is when the first is taken back, whose answer nobody gets.
    let rows = hub.events().len();
    let id = stdio.send("tools/call", &wait);
    stdio.tell("notifications/cancelled", &json!({ "requestId": id }));
    while hub.events().len() == rows {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    stdio.write(&json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string());
    let answer = stdio.next();
    assert!(answer["id"] == id && answer["result"].is_object(), "{answer}");
    assert_eq!(stdio.close(), Some(0));
}

#[tokio::test]
async fn a_request_without_an_id_is_refused_and_on_record() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let call = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"hello-rs.echo.v1","arguments":{}}}"#;
    for body in [call, r#"{"jsonrpc":"2.0","method":"ping"}"#, r#"{"jsonrpc":"2.0","method":"made-up"}"#] {
        let reply = send(&hub, &token, &[JSON], body).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32600)), "{body}: {reply:?}");
        assert_eq!(reply.json()["error"]["data"]["bulkhead"]["code"], "id_missing", "{body}: {reply:?}");
        assert_eq!(hub.last_event()["error_code"], "id_missing", "{body}");
    }
    let rows = hub.events().len();
    let reply = send(&hub, &token, &[JSON], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!((reply.status, hub.events().len()), (202, rows), "{reply:?}");
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_answered_with_those_that_are() {
    let hub = Hub::start(HELLO);
    let version = ("mcp-protocol-version", "1999-01-01");
    let error = send(&hub, &hub.token(VIEWER), &[JSON, version], LIST).await.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["requested"]), (&json!(-32022), &json!("1999-01-01")), "{error}");
    let supported = error["data"]["supported"].as_array().expect("a list");
    assert!(supported.contains(&json!("2026-07-28")) && supported.contains(&json!("2025-11-25")), "{error}");
    assert_eq!(error["data"]["bulkhead"]["code"], "version_unsupported", "{error}");
}

#[tokio::test]
async fn what_the_library_refuses_says_its_code_and_the_next_step() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let modern = ("mcp-protocol-version", "2026-07-28");
    let request = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
    };
    let long = "x".repeat(200);
    let methods = ["tools/destroy", "completion/complete", "logging/setLevel", "", "a\u{202e}b", &*long];
    for method in methods {
        let error = send(&hub, &token, &[JSON], &request(method, json!({}))).await;
        assert_eq!((error.status, &error.json()["error"]["code"]), (200, &json!(-32601)), "{method}: {error:?}");
        is_told(&error, "method_unknown", method);
    }
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for method in ["tools/destroy", &long] {
        let body = request(method, json!({ "_meta": meta }));
        let error = send(&hub, &token, &[JSON, modern, ("mcp-method", method)], &body).await;
        assert_eq!((error.status, &error.json()["error"]["code"]), (404, &json!(-32601)), "{method}: {error:?}");
        is_told(&error, "method_unknown", method);
    }
    let list = request("tools/list", json!({ "_meta": meta }));
    let mismatch = send(&hub, &token, &[JSON, modern, ("mcp-method", "ping")], &list).await;
    is_told(&mismatch, "header_mismatch", "another method");
    let cursor = send(&hub, &token, &[JSON], &request("tools/list", json!({ "cursor": "x" }))).await;
    is_told(&cursor, "params_invalid", "a cursor");
}

fn is_told(reply: &Reply, code: &str, what: &str) {
    let error = &reply.json()["error"];
    assert_eq!(error["data"]["bulkhead"]["code"], code, "{what}: {error}");
    assert!(error["data"]["bulkhead"]["next"].is_string(), "{what}: {error}");
    let text = error["message"].as_str().expect("a text");
    assert!(text.starts_with(&format!("{code}: ")) && text.contains("next: "), "{what}: {text}");
}

#[tokio::test]
async fn headers_that_say_two_things_are_refused() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let (one, other) = (("mcp-protocol-version", "2025-11-25"), ("mcp-protocol-version", "2025-06-18"));
    for headers in [
        &[JSON, one, other][..],
        &[JSON, ("content-type", "text/plain")],
        &[JSON, ("origin", "http://localhost"), ("origin", "http://evil.example")],
    ] {
        let reply = send(&hub, &token, headers, LIST).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32600)), "{headers:?}: {reply:?}");
        assert_eq!((&reply.json()["id"], &hub.last_event()["error_code"]), (&json!(7), &json!("header_repeated")));
    }
    let reply = send(&hub, &token, &[JSON, JSON, one, one], LIST).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn a_target_with_an_authority_is_held_against_the_allowed_hosts() {
    let hub = Hub::start(HELLO);
    let (token, own) = (hub.token(VIEWER), host(&hub));
    for (target, header, status) in [
        ("http://evil.example/mcp".to_owned(), own, 403),
        (format!("http://{own}/mcp"), own, 200),
        (format!("http://{own}/mcp"), "evil.example", 200),
        ("/mcp".to_owned(), "evil.example", 403),
    ] {
        let mut socket = Socket::open(&hub).await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: {header}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            LIST.len()
        );
        assert!(socket.send(head + LIST).await);
        let answer = socket.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{target} {header}: {answer:?}");
        if status == 403 {
            let row = hub.last_event();
            assert!(
                row["error_code"] == "host_refused"
                    && row["error"].as_str().is_some_and(|text| text.contains("`evil.example`")),
                "{row}"
            );
        }
    }
}
