//! What MCP's library would refuse by itself, in silence or in words of its own: it is told in the protocol's terms and is on
//! record, in both eras and over stdio.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    hub::{Hub, Reply, VIEWER},
    jwt::{self, Es256},
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

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const LIST: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;

const JSON: (&str, &str) = ("content-type", "application/json");
const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

async fn send(hub: &Hub, method: Method, token: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = hub.client().request(method, format!("{}/mcp", hub.url)).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Hub::send(request, Some(token)).await
}

/// An error of JSON-RPC with these, and a row that says the same.
fn is_refused(hub: &Hub, reply: &Reply, status: u16, rpc: i32, code: &str, what: &str) {
    assert_eq!((reply.status, reply.header("content-type")), (status, "application/json"), "{what}: {reply:?}");
    let answer = reply.json();
    assert_eq!((&answer["jsonrpc"], &answer["error"]["code"]), (&json!("2.0"), &json!(rpc)), "{what}: {answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.len() > 5), "{what}: {answer}");
    let row = hub.last_event();
    let outcome = if status == 403 { "denied" } else { "invalid" };
    assert_eq!((&row["error_code"], &row["outcome"]), (&json!(code), &json!(outcome)), "{what}: {row}");
    assert!(row["caller_id"].is_string() && row["payload"].is_null() && row["surface"] == "mcp", "{what}: {row}");
}

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
}

/// Messages that are refused for what they are, with JSON-RPC's code and the hub's.
fn messages() -> Vec<(String, i32, &'static str)> {
    let raw = |text: &str| (text.to_owned(), -32600, "input_malformed");
    let mut all: Vec<_> = [
        r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":[1],"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":"a\nb","method":"tools/list"}"#,
        r#"{"id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","result":{}}"#,
        "[]",
    ]
    .map(raw)
    .into();
    all.push((format!("[{LIST},{LIST}]"), -32600, "input_malformed"));
    all.push((format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(129)), -32600, "input_malformed"));
    for (method, params) in [
        ("tools/call", json!([])),
        ("tools/call", json!({ "name": 1 })),
        ("tools/call", json!({ "name": "hello-rs.echo.v1", "arguments": "{}" })),
        ("tools/call", json!({})),
        ("tools/list", json!({ "cursor": 7 })),
        ("resources/read", json!({ "uri": ["hello://greeting"] })),
        ("prompts/get", json!({ "name": "hello-rs.hello-plan", "arguments": [] })),
        ("prompts/list", json!("x")),
        (
            "initialize",
            json!({ "protocolVersion": 1, "capabilities": {}, "clientInfo": { "name": "a", "version": "1" } }),
        ),
        ("ping", json!({ "_meta": 7 })),
    ] {
        all.push((request(method, &params), -32602, "params_invalid"));
    }
    all
}

/// The id by which the answer to a document goes: that of a request, if it can be told.
fn id_of(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let asks = body["method"].is_string() || (body["result"].is_null() && body["error"].is_null());
    let fits = body["id"].is_u64() || body["id"].as_str().is_some_and(|id| id.len() <= 128 && !id.contains('\n'));
    if asks && fits { body["id"].clone() } else { Value::Null }
}

#[tokio::test]
async fn a_message_that_is_none_or_has_wrong_parameters_is_an_error_of_json_rpc_and_a_row_in_both_eras() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for (body, rpc, code) in messages() {
        let method =
            serde_json::from_str::<Value>(&body).ok().and_then(|body| Some(body["method"].as_str()?.to_owned()));
        let method = method.unwrap_or_else(|| "tools/list".to_owned());
        for version in [
            &[][..],
            &[("mcp-protocol-version", LEGACY)],
            &[("mcp-protocol-version", MODERN), ("mcp-method", &*method)],
        ] {
            let headers = [&[JSON, ACCEPT], version].concat();
            let reply = send(&hub, Method::POST, &token, &headers, &body).await;
            is_refused(&hub, &reply, 400, rpc, code, &body);
            assert_eq!(reply.json()["id"], id_of(&body), "{body}");
        }
    }
}

#[test]
fn over_stdio_they_are_the_same() {
    let hub = Hub::start(HELLO);
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    for (body, rpc, code) in messages() {
        stdio.write(&body);
        let answer = stdio.next();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(rpc), &id_of(&body)), "{body}: {answer}");
        let row = hub.last_event();
        assert_eq!((&row["error_code"], &row["surface"]), (&json!(code), &json!("stdio")), "{body}: {row}");
    }
    for (method, params, rpc, code) in [
        ("tools/destroy", json!({}), -32601, "method_unknown"),
        ("tools/list", json!({ "cursor": "made-up" }), -32602, "params_invalid"),
    ] {
        let answer = stdio.ask(method, &params);
        assert_eq!(answer["error"]["code"], rpc, "{answer}");
        let row = hub.last_event();
        assert_eq!((&row["error_code"], &row["surface"]), (&json!(code), &json!("stdio")), "{row}");
    }
    assert!(stdio.ask("tools/list", &json!({}))["result"].is_object());
    assert_eq!(stdio.close(), Some(0));
}

#[tokio::test]
async fn what_http_would_refuse_is_refused_in_json_rpc_and_on_record() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let html = ("accept", "text/html");
    let stream = ("accept", "text/event-stream");
    let zero = ("accept", "application/json;q=0, text/html");
    let meta = |version: &str| {
        json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    };
    let list = request("tools/list", &json!({ "_meta": meta(MODERN) }));
    let ancient = request("tools/list", &json!({ "_meta": meta("1999-01-01") }));
    let client = json!({ "name": "test", "version": "1" });
    let hello = request("initialize", &json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client }));
    let modern = ("mcp-protocol-version", MODERN);
    let post = Method::POST;
    for (what, method, headers, body, status, rpc, code) in [
        ("GET", Method::GET, vec![ACCEPT], "", 405, -32600, "method_not_allowed"),
        ("DELETE", Method::DELETE, vec![("mcp-session-id", "x")], "", 405, -32600, "method_not_allowed"),
        ("PUT", Method::PUT, vec![JSON, ACCEPT], LIST, 405, -32600, "method_not_allowed"),
        ("text/html", post.clone(), vec![JSON, html], LIST, 406, -32600, "not_acceptable"),
        ("a stream", post.clone(), vec![JSON, stream], LIST, 406, -32600, "not_acceptable"),
        ("no JSON", post.clone(), vec![JSON, zero], LIST, 406, -32600, "not_acceptable"),
        (
            "text",
            post.clone(),
            vec![("content-type", "text/plain"), ACCEPT],
            LIST,
            415,
            -32600,
            "media_type_unsupported",
        ),
        ("no type", post.clone(), vec![ACCEPT], LIST, 415, -32600, "media_type_unsupported"),
        ("a rebound name", post.clone(), vec![JSON, ACCEPT, ("host", "evil.example")], LIST, 403, 403, "host_refused"),
        (
            "a page",
            post.clone(),
            vec![JSON, ACCEPT, ("origin", "https://evil.example")],
            LIST,
            403,
            403,
            "origin_refused",
        ),
        (
            "a version",
            post.clone(),
            vec![JSON, ACCEPT, ("mcp-protocol-version", "1999-01-01")],
            LIST,
            400,
            -32022,
            "version_unsupported",
        ),
        (
            "two versions",
            post.clone(),
            vec![JSON, ACCEPT, ("mcp-protocol-version", "2025-06-18")],
            &hello,
            400,
            -32600,
            "message_refused",
        ),
        (
            "no meta",
            post.clone(),
            vec![JSON, ACCEPT, modern, ("mcp-method", "tools/list")],
            LIST,
            400,
            -32602,
            "params_invalid",
        ),
        ("no method", post.clone(), vec![JSON, ACCEPT, modern], &list, 400, -32020, "header_mismatch"),
        (
            "an ancient one",
            post.clone(),
            vec![JSON, ACCEPT, ("mcp-protocol-version", "1999-01-01")],
            &ancient,
            400,
            -32022,
            "version_unsupported",
        ),
    ] {
        let reply = send(&hub, method, &token, &headers, body).await;
        is_refused(&hub, &reply, status, rpc, code, what);
        assert_eq!(reply.header("allow"), if status == 405 { "POST" } else { "" }, "{what}");
    }
    let reply = send(&hub, Method::POST, &token, &[JSON, ACCEPT], &request("tools/destroy", &json!({}))).await;
    is_refused(&hub, &reply, 200, -32601, "method_unknown", "an unknown method");
    let reply =
        send(&hub, Method::POST, &token, &[JSON, ACCEPT], &request("tools/list", &json!({ "cursor": "x" }))).await;
    is_refused(&hub, &reply, 200, -32602, "params_invalid", "a cursor");
    // What is in order shares one.
    let rows = hub.events().len();
    for accept in [
        &[][..],
        &[("accept", "*/*")],
        &[("accept", "application/*;q=0.5")],
        &[("accept", "application/json")],
        &[ACCEPT],
    ] {
        let reply = send(&hub, Method::POST, &token, &[&[JSON], accept].concat(), LIST).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{accept:?}: {reply:?}");
        assert!(reply.json()["result"]["tools"].is_array(), "{accept:?}: {reply:?}");
    }
    let reply = send(&hub, Method::POST, &token, &[JSON, ACCEPT, ("mcp-protocol-version", LEGACY)], &hello).await;
    assert_eq!(reply.json()["result"]["protocolVersion"], LEGACY, "{reply:?}");
    assert_eq!(hub.events().len(), rows + 1);
}

#[tokio::test]
async fn a_client_that_says_nothing_of_what_it_accepts_is_answered() {
    let hub = Hub::start(HELLO);
    let mut socket = Socket::open(&hub).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        host(&hub),
        hub.token(VIEWER),
        LIST.len()
    );
    assert!(socket.send(head + LIST).await);
    let answer = socket.answer().await.expect("an answer");
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(7)), "{answer:?}");
}

#[tokio::test]
async fn who_has_no_role_is_told_that_whatever_it_sends() {
    let hub = Hub::start(HELLO);
    let nobody = Es256::of_hub(&hub).token(&json!({ "alg": "ES256" }), &jwt::claims("no-such-role"));
    let long = request("resources/read", &json!({ "uri": "x".repeat(200_000) }));
    for body in ["[]", "{", "", r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, &request("tools/call", &json!([])), &long]
    {
        let reply = send(&hub, Method::POST, &nobody, &[JSON, ACCEPT], body).await;
        let refused = reply.status == 403 && reply.json()["error"]["code"] == 403;
        let by_handler = reply.json()["error"]["data"]["bulkhead"]["code"] == "role_too_low";
        assert!(refused || by_handler, "{body:.60}: {reply:?}");
        let row = hub.last_event();
        assert_eq!(
            (&row["outcome"], &row["error_code"]),
            (&json!("denied"), &json!("role_too_low")),
            "{body:.60}: {row}"
        );
    }
    let reply = send(&hub, Method::GET, &nobody, &[], "").await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(reply.header("www-authenticate").contains("insufficient_scope"), "{reply:?}");
}

#[tokio::test]
async fn a_path_that_is_no_text_or_leads_nowhere_is_a_problem_and_a_row() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for (method, path, status, code) in [
        (Method::POST, "/providers/%FF/echo.v1", 400, "path_malformed"),
        (Method::POST, "/providers/hello-rs/%ff%fe", 400, "path_malformed"),
        (Method::GET, "/providers/%C0%AF/health", 400, "path_malformed"),
        (Method::GET, "/providers/hello-rs/echo.v1", 405, "method_not_allowed"),
        (Method::PUT, "/providers/hello-rs/echo.v1", 405, "method_not_allowed"),
        (Method::GET, "/providers/hello-rs", 404, "not_found"),
        (Method::POST, "/providers/a/b/c", 404, "not_found"),
    ] {
        let reply = Hub::send(hub.client().request(method, format!("{}{path}", hub.url)), Some(&token)).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, "application/problem+json"),
            "{path}: {reply:?}"
        );
        assert_eq!(reply.json()["code"], code, "{path}");
        let row = hub.last_event();
        assert_eq!((&row["error_code"], &row["outcome"]), (&json!(code), &json!("invalid")), "{path}: {row}");
        assert!(row["caller_id"].is_string(), "{path}: {row}");
    }
    let rows = hub.events().len();
    let reply = hub.get("/.well-known/oauth-authorization-server", None).await;
    assert_eq!((reply.status, hub.events().len()), (404, rows), "what is no operation is no row");
}

#[tokio::test]
async fn names_are_cut_before_they_are_kept_or_repeated() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let long = "x".repeat(1_000_000);
    for (method, params) in [
        ("resources/read", json!({ "uri": format!("hello://{long}") })),
        ("tools/call", json!({ "name": format!("hello-rs.{long}"), "arguments": { "a": long } })),
        ("tools/call", json!({ "name": long })),
        ("prompts/get", json!({ "name": format!("hello-rs.{long}"), "arguments": { "a": long } })),
        (&*long, json!({})),
    ] {
        let reply = send(&hub, Method::POST, &token, &[JSON, ACCEPT], &request(method, &params)).await;
        assert!(
            reply.json()["error"]["code"].is_i64() && reply.text.len() < 2000,
            "{method:.20}: {:.3000}",
            reply.text
        );
        let row = hub.last_event();
        assert!(row["outcome"] == "invalid" && row["payload"].is_null(), "{method:.20}: {row}");
        assert!(row.to_string().len() < 2500, "{method:.20}: {row}");
        assert!(row["tool"].as_str().is_none_or(|tool| tool.chars().count() <= 128), "{row}");
    }
    let path = format!("hello-rs/{}", "y".repeat(5000));
    let reply = hub.call(&token, &path, &json!({ "message": "x".repeat(60_000) })).await;
    assert!(reply.status == 404 && reply.text.len() < 1000, "{reply:?}");
    assert!(hub.last_event().to_string().len() < 1500, "{}", hub.last_event());
    assert!(hub.log().len() < 20_000, "nor are they in the log: {} bytes", hub.log().len());
}
