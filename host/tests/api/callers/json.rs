//! JSON that is too much, or means two things: refused in the same way whichever surface it comes in by, before more is
//! built of it than the limits allow.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{ECHO, HELLO, still_serves};
use crate::support::{
    hub::{ADMIN, Hub, Reply, VIEWER},
    socket::memory,
    stdio::Stdio,
};

const MALFORMED: &str = "input_malformed";
const COMPLEX: &str = "input_too_complex";
const NUMBER: &str = "input_number";

/// Arguments of a tool, what is wrong with them, and the code of their refusal. Bytes, for some are no text.
fn documents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = |depth: usize| format!(r#"{{"message":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let hidden = r#"{"message":{"$serde_json::private::RawValue":"[[[[\"hi\"]]]]"}}"#;
    vec![
        ("a document 100 levels deep", deep(100).into(), COMPLEX),
        ("a document a million levels deep", deep(1_000_000).into(), COMPLEX),
        ("a deep document without end", format!(r#"{{"message":{}"#, "{\"a\":".repeat(1_000_000)).into(), COMPLEX),
        ("a million values", format!(r#"{{"message":[{}1]}}"#, "1,".repeat(1_000_000)).into(), COMPLEX),
        (
            "a million keys",
            format!("{{{}\"message\":\"hi\"}}", (0..300_000).map(|n| format!("\"{n}\":1,")).collect::<String>()).into(),
            COMPLEX,
        ),
        ("a string of 9 MB", format!(r#"{{"message":"{}"}}"#, "x".repeat(9_000_000)).into(), COMPLEX),
        ("a key of 2 KB", format!(r#"{{"message":"hi","{}":1}}"#, "k".repeat(2000)).into(), COMPLEX),
        ("a document in a string", hidden.into(), COMPLEX),
        ("a key twice", r#"{"message":"hi","message":"ho"}"#.into(), MALFORMED),
        ("a key twice in other letters", r#"{"message":"hi","mess\u0061ge":"ho"}"#.into(), MALFORMED),
        ("a key twice further down", r#"{"message":"hi","x":[{"y":{"a":1,"a":1}}]}"#.into(), MALFORMED),
        ("a number beyond numbers", r#"{"message":1e999}"#.into(), NUMBER),
        ("a negative number beyond numbers", format!(r#"{{"message":-1{}}}"#, "0".repeat(400)).into(), NUMBER),
        ("half a pair of surrogates", r#"{"message":"\ud83d"}"#.into(), MALFORMED),
        ("the other half", r#"{"message":"\udc00\ud800"}"#.into(), MALFORMED),
        ("bytes that are no UTF-8", b"{\"message\":\"\xff\xfe\"}".into(), MALFORMED),
        ("an overlong slash", b"{\"message\":\"\xc0\xaf\"}".into(), MALFORMED),
        ("surrogates in UTF-8", b"{\"message\":\"\xed\xa0\x80\"}".into(), MALFORMED),
        ("a key that is no UTF-8", b"{\"message\":\"hi\",\"\xff\":1}".into(), MALFORMED),
        ("a NUL in a string", b"{\"message\":\"a\0b\"}".into(), MALFORMED),
        ("a comment", r#"{"message":"hi"/*,"message":"ho"*/}"#.into(), MALFORMED),
        ("a comma too many", r#"{"message":"hi",}"#.into(), MALFORMED),
        ("single quotes", "{'message':'hi'}".into(), MALFORMED),
        ("not a number", r#"{"message":NaN}"#.into(), MALFORMED),
    ]
}

/// The arguments as a message of MCP.
fn message(arguments: &[u8]) -> Vec<u8> {
    let head = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello-rs.echo.v1","arguments":"#;
    [&head[..], arguments, b"}}"].concat()
}

/// JSON-RPC has three codes for these.
fn rpc_code(code: &str) -> Value {
    match code {
        MALFORMED => json!(-32700),
        NUMBER => json!(-32602),
        _ => json!(-32600),
    }
}

#[tokio::test]
async fn the_same_documents_are_refused_over_rest_and_mcp_and_leave_rows() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let before = memory(&hub);
    for (name, arguments, code) in documents() {
        let reply = hub.post(ECHO, Some(&token), arguments.clone()).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some(code)), "{name}: {reply:?}");
        is_recorded(&hub, "rest", code, name);
        let reply: Reply = hub.post("/mcp", Some(&token), message(&arguments)).await;
        assert_eq!(reply.status, if is_json(&arguments) { 200 } else { 400 }, "{name}: {reply:?}");
        is_refused(&reply.json(), &arguments, code, name);
        is_recorded(&hub, "mcp", code, name);
    }
    // What holds for the arguments holds for the message around them.
    for around in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
    ] {
        let reply = hub.post("/mcp", Some(&token), around).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(-32700)), "{around}: {reply:?}");
    }
    let grown = memory(&hub).saturating_sub(before);
    assert!(grown < 128 * 1024 * 1024, "{grown} bytes more");
    still_serves(&hub, &token).await;
}

fn is_json(arguments: &[u8]) -> bool {
    std::str::from_utf8(arguments).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// What has the form of JSON is a wrong input of its tool, and anything else no message.
fn is_refused(answer: &Value, arguments: &[u8], code: &str, name: &str) {
    if is_json(arguments) {
        let (result, id) = (&answer["result"], &answer["id"]);
        assert_eq!((&result["isError"], id), (&json!(true), &json!(1)), "{name}: {answer}");
        assert_eq!(result["_meta"]["bulkhead"]["code"], code, "{name}: {answer}");
    } else {
        assert_eq!(answer["error"]["code"], rpc_code(code), "{name}: {answer}");
        assert!(answer["id"].is_null() || answer["id"] == 1, "{name}: {answer}");
    }
}

fn is_recorded(hub: &Hub, surface: &str, code: &str, name: &str) {
    let event = hub.last_event();
    assert_eq!((&event["surface"], &event["error_code"]), (&json!(surface), &json!(code)), "{name}: {event}");
    assert_eq!((&event["outcome"], &event["payload"]), (&json!("invalid"), &Value::Null), "{name}: {event}");
    assert!(event["caller_id"].is_string(), "{name}: {event}");
}

#[test]
fn the_same_documents_are_refused_over_stdio_and_the_session_goes_on() {
    let hub = Hub::start(HELLO);
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    for (name, arguments, code) in documents() {
        stdio.write_bytes(&message(&arguments));
        let answer = stdio.next();
        is_refused(&answer, &arguments, code, name);
        is_recorded(&hub, "stdio", code, name);
    }
    let list = stdio.ask("tools/list", &json!({}));
    assert_eq!(list["result"]["tools"][0]["name"], "hello-rs.echo.v1", "{list}");
    assert_eq!(stdio.close(), Some(0));
}

#[test]
fn a_line_without_end_does_not_grow_the_hub() {
    let hub = Hub::start(HELLO);
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    let before = stdio.memory();
    stdio.write_part(b"{\"jsonrpc\":\"2.0\",\"x\":\"");
    for _ in 0..200 {
        stdio.write_part(&[b'x'; 1024 * 1024]);
    }
    let grown = stdio.memory().saturating_sub(before);
    assert!(grown < 48 * 1024 * 1024, "{grown} bytes more");
    let answer = stdio.next();
    assert_eq!(answer["error"]["code"], -32600, "it is told before the line ends: {answer}");
    assert_eq!(hub.last_event()["error_code"], "input_too_large");
    stdio.write_bytes(b"\"}");
    let list = stdio.ask("tools/list", &json!({}));
    assert!(list["result"].is_object(), "the next line is a message again: {list}");
    for line in ["{", "nonsense", "[]", "{}", "\u{0}"] {
        stdio.write(line);
        assert!(stdio.next()["error"]["code"].is_i64(), "{line}");
    }
    let rows = hub.events().len();
    stdio.write("");
    stdio.write(r#"{"jsonrpc":"2.0","method":"notifications/unheard-of","params":{"x":1}}"#);
    assert!(stdio.ask("tools/list", &json!({}))["result"].is_object(), "neither has an answer");
    assert_eq!(hub.events().len(), rows);
}

#[tokio::test]
async fn what_the_provider_sees_is_what_was_checked() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    for (sent, seen) in [
        (r#"{"message":"h\u0069 \ud83d\ude00 \/"}"#, json!({ "message": "hi 😀 /" })),
        ("{ \"message\" :\t\"x\" }\n", json!({ "message": "x" })),
    ] {
        let reply = hub.post(ECHO, Some(&token), sent).await;
        assert_eq!((reply.status, reply.json()), (200, seen.clone()), "{reply:?}");
        assert_eq!(hub.last_event()["payload"], seen.to_string(), "and what is on record");
    }
    let reply = hub.post("/providers/hello-rs/sum.v1", Some(&token), r#"{"numbers":[2.0, 1e1, 0.10]}"#).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "sum": 12.1 })), "{reply:?}");
    assert_eq!(hub.last_event()["payload"], r#"{"numbers":[2,10,0.1]}"#);
}
