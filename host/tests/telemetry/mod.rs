//! The log and the rows: nothing that a caller sends forges a line or drives the terminal of whoever reads them.

mod metrics;

use serde_json::{Value, json};

use crate::support::{
    hub::{Hub, VIEWER},
    socket::{Socket, host},
    stdio::Stdio,
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
";

/// A line of the log as the hub writes them, after a line break, and what else could mislead.
const EVIL: &str = "1\n2026-11-21T00:00:00.000000Z  INFO bulkhead::call::line: call outcome=\"ok\" forged\r\u{1b}[2J\u{1b}]0;x\u{7}\u{85}\u{2028}\u{202e}\u{0}";
/// The same, percent-encoded.
const EVIL_PATH: &str = "x%0A2026-11-21T00%3A00%3A00.000000Z%20%20INFO%20forged%0D%1B%5B2J%C2%85%E2%80%A8%E2%80%AE%00";

fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Sends it wherever a caller can put something.
async fn everywhere(hub: &Hub, token: &str) {
    let message = |id: &Value, method: &str, params: &Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
    };
    let (evil, one) = (json!(EVIL), json!(1));
    let name = format!("hello-rs.{EVIL}");
    let version =
        json!({ "protocolVersion": EVIL, "capabilities": {}, "clientInfo": { "name": EVIL, "version": EVIL } });
    for body in [
        message(&evil, "tools/list", &json!({})),
        message(&evil, "tools/call", &json!({ "name": name })),
        message(&one, EVIL, &json!({})),
        message(&one, "initialize", &version),
        message(&one, "tools/list", &json!({ "cursor": EVIL })),
        message(&one, "tools/list", &json!({ "_meta": { "progressToken": EVIL, "io.modelcontextprotocol/protocolVersion": EVIL } })),
        message(&one, "tools/call", &json!({ "name": name, "arguments": { EVIL: EVIL } })),
        message(&one, "tools/call", &json!({ "name": format!("{EVIL}.x") })),
        message(&one, "tools/call", &json!({ "name": "hello-rs.echo.v1", "arguments": { EVIL: EVIL } })),
        message(&one, "tools/call", &json!({ "name": "hello-rs.echo.v1", "arguments": { "message": EVIL } })),
        message(&one, "resources/read", &json!({ "uri": format!("hello://{EVIL}") })),
        message(&one, "prompts/get", &json!({ "name": name, "arguments": { EVIL: EVIL } })),
        message(&one, "prompts/get", &json!({ "name": "hello-rs.hello-plan", "arguments": { "name": EVIL } })),
        json!({ "jsonrpc": "2.0", "method": EVIL, "params": { "x": EVIL } }).to_string(),
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": EVIL, "reason": EVIL } }).to_string(),
        json!({ "jsonrpc": EVIL, "id": 1, "method": "ping" }).to_string(),
    ] {
        hub.post("/mcp", Some(token), body).await;
    }
    for path in [format!("/providers/{EVIL_PATH}/x"), format!("/providers/hello-rs/{EVIL_PATH}")] {
        hub.post(&path, Some(token), json!({ EVIL: EVIL }).to_string()).await;
    }
    hub.get(&format!("/providers/{EVIL_PATH}/health"), Some(token)).await;
    hub.post("/providers/hello-rs/echo.v1", Some(token), json!({ EVIL: EVIL }).to_string()).await;
    hub.post("/mcp", Some(EVIL_PATH), "{}").await;
    // Header values may hold a tab and bytes above ASCII, and nothing worse.
    for header in ["origin", "mcp-protocol-version", "mcp-method", "x-correlation-id", "user-agent", "accept"] {
        let mut socket = Socket::open(hub).await;
        let value = "x\t\u{85}\u{202e}outcome=\"ok\"";
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             {header}: {value}\r\ncontent-length: 2\r\n\r\n{{}}",
            host(hub)
        );
        assert!(socket.send(head).await);
        socket.answer().await;
    }
}

fn rows_hide_nothing(hub: &Hub) {
    for row in hub.events() {
        for (column, value) in row.as_object().expect("columns") {
            assert!(value.as_str().is_none_or(|text| !text.contains(is_hidden)), "{column}: {row}");
        }
    }
}

#[tokio::test]
async fn a_line_of_the_log_is_the_hubs_own_whatever_was_sent() {
    let hub = Hub::start_with(HELLO, &["--log", "debug,rmcp=trace,hyper=info,h2=info"]);
    let token = hub.token(VIEWER);
    everywhere(&hub, &token).await;
    let log = hub.log();
    assert!(log.contains("rmcp") && log.contains("forged"), "it is all there: {log}");
    for line in log.lines() {
        let time = line.split_once('Z').map(|(time, _)| time.to_owned() + "Z");
        let time = time.and_then(|time| chrono::DateTime::parse_from_rfc3339(&time).ok());
        assert!(time.is_some_and(|time| time.timestamp() > 1_500_000_000), "a line begins in the middle: {line}");
        assert!(!line.contains(is_hidden), "{line:?}");
        // A genuine line has its level after its time: nobody else's begins so.
        assert!(!line.starts_with("2026-11-21T00:00:00.000000Z"), "{line}");
    }
    rows_hide_nothing(&hub);
}

#[tokio::test]
async fn a_line_of_the_log_in_json_is_one_object_whatever_was_sent() {
    let hub = Hub::start_with(HELLO, &["--log", "debug,rmcp=trace,hyper=info,h2=info", "--log-format", "json"]);
    everywhere(&hub, &hub.token(VIEWER)).await;
    let log = hub.log();
    assert!(log.contains("forged") && log.lines().count() > 20, "{log}");
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["timestamp"].is_string() && object["target"].is_string(), "{line}");
        assert!(!line.contains(is_hidden), "{line:?}");
    }
    rows_hide_nothing(&hub);
}

#[test]
fn rows_of_what_came_over_stdio_hide_nothing_either() {
    let hub = Hub::start(HELLO);
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    stdio.ask("tools/call", &json!({ "name": format!("hello-rs.{EVIL}"), "arguments": { EVIL: EVIL } }));
    stdio.ask("tools/call", &json!({ "name": "hello-rs.echo.v1", "arguments": { "message": EVIL } }));
    stdio.write(&json!({ "jsonrpc": "2.0", "id": EVIL, "method": "tools/list" }).to_string());
    assert_eq!(stdio.next()["error"]["code"], -32600);
    assert_eq!(hub.events().len(), 3);
    rows_hide_nothing(&hub);
}
