//! MCP as it is on the wire: what no client of others would send, and what they rely on without saying so.

mod cancelling;
mod clients;
mod direct;
mod protocol;
mod refusals;
mod texts;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER, eventually},
    stdio::Stdio,
    testbed::{TOOLS, testbed},
    upstream::Upstream,
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools:
      - { name: sum.v1, class: read, min_role: ops_operator, schema_version: '1.0' }
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
";

const VERSION: &str = "2026-07-28";

/// Sends a body as it is, with the headers that every client sends and these.
async fn raw(hub: &Hub, path: &str, token: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
    let mut request = hub.client().post(format!("{}{path}", hub.url)).body(body);
    for (name, value) in
        [("content-type", "application/json"), ("accept", "application/json, text/event-stream")].iter().chain(headers)
    {
        request = request.header(*name, *value);
    }
    Hub::send(request, Some(token)).await
}

/// A request of the legacy era to an endpoint.
async fn ask(hub: &Hub, path: &str, token: &str, method: &str, params: &Value) -> Value {
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let answer = raw(hub, path, token, &[], message.to_string()).await.json();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
    answer
}

/// A request of the modern era: every request says which version it speaks and what the client can do.
fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

async fn ask_modern(hub: &Hub, token: &str, message: &Value) -> Reply {
    let method = message["method"].as_str().expect("a method");
    let params = &message["params"];
    let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default();
    let mut headers = vec![("mcp-protocol-version", VERSION), ("mcp-method", method)];
    headers.extend((!name.is_empty()).then_some(("mcp-name", name)));
    raw(hub, "/mcp", token, &headers, message.to_string()).await
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

fn names(list: &Value) -> Vec<&str> {
    let tools = list["result"]["tools"].as_array().unwrap_or_else(|| panic!("{list}"));
    tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_the_terms_of_json_rpc() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let batch = format!("[{list},{list}]");
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("{\"jsonrpc\":\"2.0\",", -32700),
        ("hello", -32700),
        ("\u{0}", -32700),
        (&*batch, -32600),
        ("[]", -32600),
        (r#"["tools/list",1,1]"#, -32600),
        ("{}", -32600),
        ("1", -32600),
        ("null", -32600),
        ("\"tools/list\"", -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
    ] {
        let reply = raw(&hub, "/mcp", &token, &[], body.to_owned()).await;
        let answer = reply.json();
        assert_eq!((reply.status, &answer["error"]["code"]), (400, &json!(code)), "{body}: {reply:?}");
        let id = if body.contains(r#","id":1"#) && !body.starts_with('[') { json!(1) } else { Value::Null };
        assert_eq!((&answer["jsonrpc"], answer.get("id")), (&json!("2.0"), Some(&id)), "{body}");
        let event = hub.last_event();
        assert_eq!((&event["operation"], &event["outcome"]), (&json!("mcp_message"), &json!("invalid")), "{body}");
        assert!(event["caller_id"].is_string(), "{event}");
    }
}

#[tokio::test]
async fn an_unknown_method_or_version_of_json_rpc_is_an_error_and_not_a_crash() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let answer = ask(&hub, "/mcp", &token, "tools/destroy", &json!({})).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    for body in [
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
        r#"{"id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}"#,
    ] {
        let reply = raw(&hub, "/mcp", &token, &[], body).await;
        assert!(reply.status >= 400 || reply.json()["error"]["code"].is_i64(), "{body}: {reply:?}");
    }
    assert_eq!(names(&ask(&hub, "/mcp", &token, "tools/list", &json!({})).await), ["hello-rs.echo.v1"]);
}

#[tokio::test]
async fn unknown_names_are_protocol_errors_and_rows() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for name in ["hello-rs.none", "nobody.echo.v1", "nobody", "", "hello-rs__none", "echo.v1", "hello-rs."] {
        let answer = ask(&hub, "/mcp", &token, "tools/call", &call(name, &json!({}))).await;
        assert_eq!(answer["error"]["code"], -32602, "{name}: {answer}");
        let event = hub.last_event();
        assert_eq!((&event["operation"], &event["outcome"]), (&json!("call_tool"), &json!("invalid")), "{name}");
    }
    let answer = ask(&hub, "/mcp", &token, "resources/read", &json!({ "uri": "hello://nothing" })).await;
    assert_eq!(answer["error"]["code"], -32002, "{answer}");
    assert_eq!(hub.last_event()["error_code"], "unknown_resource");
    let answer = ask(&hub, "/mcp", &token, "prompts/get", &json!({ "name": "hello-rs.none" })).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(hub.last_event()["error_code"], "unknown_prompt");
}

#[tokio::test]
async fn what_a_model_can_mend_is_a_result_that_says_how() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for (name, arguments, code) in [
        ("hello-rs.echo.v1", json!({}), "input_invalid"),
        ("hello-rs.echo.v1", json!({ "message": 1 }), "input_invalid"),
        ("hello-rs.sum.v1", json!({ "numbers": [1] }), "role_too_low"),
    ] {
        let answer = ask(&hub, "/mcp", &token, "tools/call", &call(name, &arguments)).await;
        let result = &answer["result"];
        assert_eq!(result["isError"], true, "{answer}");
        assert_eq!(result["_meta"]["bulkhead"]["code"], code, "{answer}");
        assert!(!result["content"][0]["text"].as_str().expect("text").is_empty(), "{answer}");
        let event = hub.last_event();
        assert_eq!((&event["error_code"], &event["id"]), (&json!(code), &result["_meta"]["bulkhead"]["call_id"]));
    }
    let answer = ask(&hub, "/mcp", &token, "tools/call", &call("hello-rs.echo.v1", &json!({ "message": 1 }))).await;
    assert_eq!(answer["result"]["_meta"]["bulkhead"]["errors"][0]["pointer"], "/message", "{answer}");

    // A prompt has no result that could say so.
    let prompt = json!({ "name": "hello-rs.hello-plan", "arguments": {} });
    let answer = ask(&hub, "/mcp", &token, "prompts/get", &prompt).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(answer["error"]["data"]["bulkhead"]["errors"][0]["pointer"], "/name", "{answer}");
}

#[tokio::test]
async fn a_success_has_structure_text_and_the_id_of_its_row() {
    let hub = Hub::start(HELLO);
    let answer =
        ask(&hub, "/mcp", &hub.token(VIEWER), "tools/call", &call("hello-rs.echo.v1", &json!({ "message": "hi" })))
            .await;
    let result = &answer["result"];
    assert_eq!(result["structuredContent"], json!({ "message": "hi" }));
    assert_eq!(result["content"][0]["text"], r#"{"message":"hi"}"#);
    let event = hub.last_event();
    assert_eq!((&event["id"], &event["surface"]), (&result["_meta"]["bulkhead"]["call_id"], &json!("mcp")));
}

#[tokio::test]
async fn lists_show_what_the_role_may_call_always_in_the_same_order() {
    let hub = Hub::start(HELLO);
    for (path, role, expected) in [
        ("/mcp", VIEWER, &["hello-rs.echo.v1"][..]),
        ("/mcp", OPERATOR, &["hello-rs.echo.v1", "hello-rs.sum.v1"]),
        ("/mcp/", ADMIN, &["hello-rs.echo.v1", "hello-rs.sum.v1"]),
        ("/mcp/flat", VIEWER, &["hello-rs__echo_v1"]),
        ("/mcp/flat/", OPERATOR, &["hello-rs__echo_v1", "hello-rs__sum_v1"]),
    ] {
        let token = hub.token(role);
        let list = ask(&hub, path, &token, "tools/list", &json!({})).await;
        assert_eq!(names(&list), expected, "{path} {role}");
        for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
            let first = ask(&hub, path, &token, method, &json!({})).await;
            assert_eq!(first, ask(&hub, path, &token, method, &json!({})).await, "{method}");
            assert!(first["result"].is_object(), "{first}");
            let answer = ask(&hub, path, &token, method, &json!({ "cursor": "made-up" })).await;
            assert_eq!(answer["error"]["code"], -32602, "{method}: {answer}");
        }
        for tool in list["result"]["tools"].as_array().expect("tools") {
            assert!(jsonschema::draft202012::meta::is_valid(&tool["inputSchema"]), "{tool}");
            assert!(jsonschema::draft202012::meta::is_valid(&tool["outputSchema"]), "{tool}");
            assert_eq!(
                (&tool["inputSchema"]["type"], &tool["annotations"]["readOnlyHint"]),
                (&json!("object"), &json!(true))
            );
        }
    }
}

#[tokio::test]
async fn both_endpoints_know_both_names() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for path in ["/mcp", "/mcp/flat"] {
        for name in ["hello-rs.echo.v1", "hello-rs__echo_v1"] {
            let answer = ask(&hub, path, &token, "tools/call", &call(name, &json!({ "message": "hi" }))).await;
            assert_eq!(answer["result"]["structuredContent"]["message"], "hi", "{path} {name}: {answer}");
            let event = hub.last_event();
            assert_eq!(
                (&event["provider"], &event["tool"]),
                (&json!("hello-rs"), &json!("echo.v1")),
                "one name on record"
            );
        }
        for name in ["hello-rs.hello-plan", "hello-rs__hello-plan"] {
            let params = json!({ "name": name, "arguments": { "name": "Ada" } });
            let answer = ask(&hub, path, &token, "prompts/get", &params).await;
            assert!(answer["result"]["messages"][0]["content"]["text"].is_string(), "{path} {name}: {answer}");
        }
    }
}

#[tokio::test]
async fn pages_of_other_sites_and_rebound_names_are_turned_away() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "http://127.0.0.1.evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:5173", 200),
        ("host", "evil.example", 403),
        ("host", "127.0.0.1.evil.example", 403),
        ("host", "localhost", 200),
    ] {
        for path in ["/mcp", "/mcp/flat"] {
            let reply = raw(&hub, path, &token, &[(name, value)], list).await;
            assert_eq!(reply.status, status, "{path} {name}: {value}: {reply:?}");
        }
    }

    let public = Hub::start_with(HELLO, &["--public-url", "https://hub.example"]);
    let token = public.token(VIEWER);
    for (host, origin, status) in [
        ("hub.example", "https://hub.example", 200),
        ("hub.example", "https://hub.example.evil", 403),
        ("hub.example.evil", "https://hub.example", 403),
    ] {
        let reply = raw(&public, "/mcp", &token, &[("host", host), ("origin", origin)], list).await;
        assert_eq!(reply.status, status, "{host} {origin}: {reply:?}");
    }
}

#[tokio::test]
async fn a_notification_is_accepted_without_an_answer() {
    let hub = Hub::start(HELLO);
    let reply =
        raw(&hub, "/mcp", &hub.token(VIEWER), &[], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!((reply.status, reply.text.as_str()), (202, ""));
}

#[tokio::test]
async fn a_message_above_ten_mebibytes_is_refused() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let mut body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_vec();
    body.resize(10 * 1024 * 1024, b' ');
    assert_eq!(raw(&hub, "/mcp", &token, &[], body.clone()).await.status, 200);
    body.push(b' ');
    let reply = raw(&hub, "/mcp", &token, &[], body).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (413, &json!(-32600)), "{reply:?}");
    let event = hub.last_event();
    assert_eq!((&event["error_code"], &event["outcome"]), (&json!("input_too_large"), &json!("invalid")));
}

#[tokio::test]
async fn there_are_no_sessions_and_no_streams_to_take_over() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = raw(&hub, "/mcp", &token, &[], message.to_string()).await;
    assert_eq!((reply.status, reply.header("mcp-session-id")), (200, ""), "{reply:?}");
    assert_eq!(reply.header("content-type"), "application/json");
    let result = &reply.json()["result"];
    assert_eq!((&result["protocolVersion"], &result["serverInfo"]["name"]), (&json!("2025-11-25"), &json!("bulkhead")));
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        let request = hub.client().request(method.clone(), format!("{}/mcp", hub.url));
        let request = request.header("accept", "text/event-stream").header("mcp-session-id", "somebody-elses");
        assert_eq!(Hub::send(request, Some(&token)).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn the_modern_era_needs_no_handshake() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let reply = ask_modern(&hub, &token, &modern("server/discover", json!({}))).await;
    let result = &reply.json()["result"];
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(result["supportedVersions"].as_array().expect("versions").contains(&json!(VERSION)), "{result}");
    assert!(result["capabilities"]["tools"].is_object(), "{result}");

    let list = ask_modern(&hub, &token, &modern("tools/list", json!({}))).await.json();
    assert_eq!(names(&list), ["hello-rs.echo.v1"]);
    let facts = ["resultType", "ttlMs", "cacheScope"].map(|name| list["result"][name].clone());
    assert_eq!(facts, [json!("complete"), json!(5000), json!("private")], "what depends on the role is nobody else's");

    let message = modern("tools/call", call("hello-rs.echo.v1", &json!({ "message": "hi" })));
    let answer = ask_modern(&hub, &token, &message).await.json();
    assert_eq!(answer["result"]["structuredContent"]["message"], "hi", "{answer}");
    let answer = ask_modern(&hub, &token, &modern("resources/read", json!({ "uri": "hello://greeting" }))).await.json();
    assert_eq!(answer["result"]["contents"][0]["text"], "Hello, MCP", "{answer}");
    assert!(answer["result"]["ttlMs"].is_u64() && answer["result"]["cacheScope"].is_string(), "{answer}");
    let answer = ask_modern(&hub, &token, &modern("resources/read", json!({ "uri": "hello://nothing" }))).await.json();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[tokio::test]
async fn the_modern_era_checks_what_its_headers_say() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let message = modern("tools/call", call("hello-rs.echo.v1", &json!({ "message": "hi" })));
    let (version, method, name) =
        (("mcp-protocol-version", VERSION), ("mcp-method", "tools/call"), ("mcp-name", "hello-rs.echo.v1"));
    let without = |key: &str| {
        let mut message = message.clone();
        message["params"]["_meta"].as_object_mut().expect("an object").remove(key);
        message
    };
    let mut ancient = message.clone();
    ancient["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("1999-01-01");
    let ancient_header = ("mcp-protocol-version", "1999-01-01");
    let capabilities = without("io.modelcontextprotocol/clientCapabilities");
    let unknown = modern("tools/destroy", json!({}));
    for (what, message, headers, status, code) in [
        ("all is well", &message, &[version, method, name][..], 200, Value::Null),
        (
            "another version in the header",
            &message,
            &[("mcp-protocol-version", "2025-11-25"), method, name],
            400,
            json!(-32020),
        ),
        ("no method", &message, &[version, name], 400, json!(-32020)),
        ("another method", &message, &[version, ("mcp-method", "tools/list"), name], 400, json!(-32020)),
        ("no name", &message, &[version, method], 400, json!(-32020)),
        ("another name", &message, &[version, method, ("mcp-name", "hello-rs.sum.v1")], 400, json!(-32020)),
        (
            "a name in base64",
            &message,
            &[version, method, ("mcp-name", "=?base64?aGVsbG8tcnMuZWNoby52MQ==?=")],
            200,
            Value::Null,
        ),
        ("no capabilities", &capabilities, &[version, method, name], 400, json!(-32602)),
        ("an unknown version", &ancient, &[ancient_header, method, name], 400, json!(-32022)),
        ("an unknown method", &unknown, &[version, ("mcp-method", "tools/destroy")], 404, json!(-32601)),
    ] {
        let reply = raw(&hub, "/mcp", &token, headers, message.to_string()).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &code), "{what}: {reply:?}");
        if what == "an unknown version" {
            let data = &reply.json()["error"]["data"];
            assert_eq!(data["requested"], "1999-01-01", "{reply:?}");
            assert!(data["supported"].as_array().expect("versions").contains(&json!(VERSION)), "{reply:?}");
        }
    }
}

/// A hub whose testbed may wait for an upstream that does not answer.
fn waiting() -> (Upstream, Hub, Value) {
    let upstream = Upstream::start();
    let hub = Hub::start(&testbed(&[&format!("allowed_hosts: ['{}']", upstream.host())]));
    let wait = call("testbed.fetch.get", &json!({ "url": upstream.url("/wait") }));
    (upstream, hub, wait)
}

async fn is_recorded_as_cancelled(hub: &Hub, surface: &str) {
    let event = eventually("the call is recorded", async || hub.events().pop()).await;
    assert_eq!((&event["outcome"], &event["error_code"]), (&json!("cancelled"), &json!("cancelled")), "{event}");
    assert_eq!((&event["surface"], &event["result"]), (&json!(surface), &Value::Null), "{event}");
    assert!(event["duration_ms"].as_u64().expect("a number") < 3000, "{event}");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call_in_both_eras() {
    for era in [VERSION, "2025-11-25"] {
        let (upstream, hub, wait) = waiting();
        let token = hub.token(VIEWER);
        let legacy = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": wait });
        let message = if era == VERSION { modern("tools/call", wait) } else { legacy };
        let asked = async {
            match era {
                VERSION => ask_modern(&hub, &token, &message).await,
                _ => raw(&hub, "/mcp", &token, &[], message.to_string()).await,
            }
        };
        tokio::select! {
            reply = asked => panic!("{reply:?}"),
            () = eventually("the tool runs", async || (!upstream.seen().is_empty()).then_some(())) => {}
        }
        is_recorded_as_cancelled(&hub, "mcp").await;
    }
}

#[tokio::test]
async fn a_cancelled_notification_ends_a_call_over_stdio() {
    let (upstream, hub, wait) = waiting();
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    let id = stdio.send("tools/call", &wait);
    eventually("the tool runs", async || (!upstream.seen().is_empty()).then_some(())).await;
    stdio.tell("notifications/cancelled", &json!({ "requestId": id, "reason": "enough" }));
    is_recorded_as_cancelled(&hub, "stdio").await;
    assert_eq!(names(&list_after(&mut stdio, id)).len(), TOOLS.len(), "the session goes on");
}

/// Lists tools; an answer to the cancelled request, which a server may still give, is passed over.
fn list_after(stdio: &mut Stdio, cancelled: u64) -> Value {
    let id = stdio.send("tools/list", &json!({}));
    loop {
        let answer = stdio.next();
        match answer["id"].as_u64() {
            Some(answered) if answered == id => return answer,
            other => assert_eq!(other, Some(cancelled), "{answer}"),
        }
    }
}

#[tokio::test]
async fn stdio_says_nothing_but_messages_and_ends_when_its_client_does() {
    let hub = Hub::start(HELLO);
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    let answer = stdio.ask("tools/call", &call("hello-rs.echo.v1", &json!({ "message": "a\nb" })));
    assert_eq!(answer["result"]["structuredContent"]["message"], "a\nb");
    let event = hub.last_event();
    assert_eq!((&event["surface"], &event["caller_role"]), (&json!("stdio"), &json!(VIEWER)));
    assert_eq!(stdio.close(), Some(0));
}

#[test]
fn a_line_that_is_no_message_does_not_end_a_session_over_stdio() {
    let hub = Hub::start(HELLO);
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    for line in ["{", "[]", "{}", "hello", "", r#"{"jsonrpc":"2.0","id":"x"}"#] {
        stdio.write(line);
        let id = stdio.send("tools/list", &json!({}));
        loop {
            let answer = stdio.next();
            if answer["id"] == id {
                assert_eq!(names(&answer), ["hello-rs.echo.v1"], "{line}");
                break;
            }
            assert!(answer["error"].is_object(), "{line}: {answer}");
        }
    }
    assert_eq!(stdio.close(), Some(0));
}

#[tokio::test]
async fn a_token_that_expires_during_a_session_ends_it() {
    let hub = Hub::start(HELLO);
    let token = hub.command(&["token", "--role", VIEWER, "--ttl", "1s"]);
    let mut stdio = Stdio::start(&hub, &token);
    let echo = call("hello-rs.echo.v1", &json!({ "message": "hi" }));
    assert_eq!(stdio.ask("tools/call", &echo)["result"]["structuredContent"]["message"], "hi");
    // The leeway for clocks that differ is five seconds.
    let answer = eventually("it expires", async || {
        tokio::time::sleep(Duration::from_millis(250)).await;
        Some(stdio.ask("tools/call", &echo)).filter(|answer| answer["error"].is_object())
    })
    .await;
    assert_eq!(answer["error"]["data"]["bulkhead"]["code"], "token_expired", "{answer}");
    assert_eq!(hub.last_event()["error_code"], "token_expired");
}
