//! REST: what callers get, and what is recorded of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{
    hello::HELLO,
    hub::{Folder, Hub, OPERATOR, Reply, VIEWER, eventually},
    jwt::{self, Es256},
    raw::Raw,
    testbed::replace,
};

#[tokio::test]
async fn a_call_is_answered_with_the_tools_output_and_recorded() {
    let hub = Hub::start(HELLO);
    let reply = hub.call(&hub.token(VIEWER), "hello-rs/echo.v1", &json!({ "message": "hello" })).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "message": "hello" })));
    let event = hub.last_event();
    assert_eq!(event["id"], reply.header("x-call-id"));
    assert_eq!(event["correlation_id"], reply.header("x-correlation-id"));
    assert_eq!((event["outcome"].as_str(), event["caller_role"].as_str()), (Some("ok"), Some(VIEWER)));
    assert_eq!(event["payload"], r#"{"message":"hello"}"#);
    assert_eq!(event["result"], r#"{"message":"hello"}"#);
}

#[tokio::test]
async fn a_role_that_is_too_low_is_a_403_and_a_row() {
    let hub = Hub::start(HELLO);
    let reply = hub.call(&hub.token(VIEWER), "hello-rs/sum.v1", &json!({ "numbers": [1] })).await;
    assert_eq!((reply.status, reply.json()["code"].as_str().map(str::to_owned)), (403, Some("role_too_low".into())));
    let event = hub.last_event();
    assert_eq!((event["outcome"].as_str(), event["error_code"].as_str()), (Some("denied"), Some("role_too_low")));
    assert_eq!(hub.call(&hub.token(OPERATOR), "hello-rs/sum.v1", &json!({ "numbers": [1] })).await.status, 200);
}

/// hello-rs, the netdata provider without an agent, one that is disabled and one that cannot be loaded.
const MANY: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, class: read, min_role: ops_operator, schema_version: '1.0' }
  netdata:
    component: {netdata.wasm}
    allowed_hosts: ['http://127.0.0.1:1']
    settings: { agent_url: 'http://127.0.0.1:1' }
    tools: [{ name: metrics.query, class: read, min_role: ops_admin, schema_version: '1.0' }]
  asleep:
    enabled: false
    component: {hello-rs.wasm}
    tools: []
  broken:
    component: no-such-component.wasm
    tools: []
";

const ECHO: &str = "/providers/hello-rs/echo.v1";
const LARGEST: usize = 10 * 1024 * 1024;

/// The status and the code of a problem, after checking that it is one.
fn problem(reply: &Reply) -> (u16, String) {
    let problem = reply.json();
    assert_eq!(reply.header("content-type"), "application/problem+json", "{reply:?}");
    assert_eq!(problem["status"], reply.status, "{reply:?}");
    for field in ["type", "title", "detail"] {
        assert!(!problem[field].as_str().unwrap_or_default().is_empty(), "{field}: {reply:?}");
    }
    (reply.status, problem["code"].as_str().expect("a code").to_owned())
}

/// The JSON pointers of the fields that a problem names.
fn pointers(reply: &Reply) -> BTreeSet<String> {
    let problem = reply.json();
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{reply:?}"));
    assert!(errors.iter().all(|error| !error["message"].as_str().unwrap_or_default().is_empty()), "{reply:?}");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

fn is_recorded(hub: &Hub, reply: &Reply, outcome: &str, code: &str) {
    let event = hub.last_event();
    assert_eq!(event["id"], reply.header("x-call-id"), "{event}");
    assert_eq!((event["outcome"].as_str(), event["error_code"].as_str()), (Some(outcome), Some(code)), "{event}");
}

#[tokio::test]
async fn an_unknown_provider_or_tool_is_a_404_and_a_row() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for (path, code) in [
        ("nobody/echo.v1", "unknown_provider"),
        ("Hello-RS/echo.v1", "unknown_provider"),
        ("hello-rs/echo.v2", "unknown_tool"),
        ("hello-rs/ECHO.V1", "unknown_tool"),
        ("hello-rs/..%2f..%2fopenapi.json", "unknown_tool"),
    ] {
        let reply = hub.call(&token, path, &json!({ "message": "hi" })).await;
        assert_eq!(problem(&reply), (404, code.to_owned()), "{path}");
        is_recorded(&hub, &reply, "invalid", code);
    }
    let event = hub.last_event();
    assert_eq!((event["provider"].as_str(), event["tool"].as_str()), (Some("hello-rs"), Some("../../openapi.json")));
    for (path, status, code) in [("/nowhere", 404, "not_found"), ("/providers/hello-rs", 404, "not_found")] {
        assert_eq!(problem(&hub.get(path, Some(&token)).await), (status, code.to_owned()), "{path}");
    }
    assert_eq!(problem(&hub.get(ECHO, Some(&token)).await), (405, "method_not_allowed".to_owned()));
}

#[tokio::test]
async fn who_has_no_role_learns_nothing_of_what_there_is() {
    let hub = Hub::start(MANY);
    let token = Es256::of_hub(&hub).token(&json!({ "alg": "ES256" }), &jwt::claims("no-such-role"));
    let (token, input) = (token.as_str(), json!({ "message": "hi" }));
    let paths = ["hello-rs/echo.v1", "hello-rs/none", "asleep/echo.v1", "broken/echo.v1", "nobody/echo.v1"];
    let calls = futures::future::join_all(paths.map(|path| hub.call(token, path, &input)));
    let providers =
        ["hello-rs", "netdata", "asleep", "broken", "nobody"].map(|name| format!("/providers/{name}/health"));
    let checks = futures::future::join_all(providers.iter().map(|path| hub.get(path, Some(token))));
    let named =
        ["hello-rs.echo.v1", "broken.echo.v1", "nobody.at.all"].map(|name| json!({ "name": name, "arguments": {} }));
    let tools = futures::future::join_all(named.iter().map(|params| hub.mcp(token, "tools/call", params)));
    let uris = ["hello://greeting", "hello://nothing"].map(|uri| json!({ "uri": uri }));
    let resources = futures::future::join_all(uris.iter().map(|params| hub.mcp(token, "resources/read", params)));
    let (calls, checks, tools, resources) = tokio::join!(calls, checks, tools, resources);

    let detail = "this needs the role ops_viewer; your token grants no ops_role: ask an admin for it";
    for reply in calls.iter().chain(&checks) {
        assert_eq!(problem(reply), (403, "role_too_low".to_owned()));
        assert_eq!(reply.json()["detail"], detail, "{reply:?}");
    }
    for answer in tools {
        let text = answer["result"]["content"][0]["text"].as_str().expect("text");
        assert!(text.starts_with(&format!("role_too_low: {detail} (next: ")), "{answer}");
    }
    for answer in resources {
        let text = answer["error"]["message"].as_str().expect("text");
        assert!(answer["error"]["code"] == 403 && text.starts_with(&format!("role_too_low: {detail} (")), "{answer}");
    }
    for (method, list) in [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        let answer = hub.mcp(token, method, &json!({})).await;
        assert_eq!(answer["result"][list], json!([]), "{method}: {answer}");
    }
    let document = hub.get("/openapi.json", Some(token)).await.json();
    assert_eq!((&document["paths"], &document["tags"]), (&json!({}), &json!([])), "{document}");
}

#[tokio::test]
async fn a_wrong_input_is_a_400_that_points_at_every_failing_field() {
    let hub = Hub::start(MANY);
    let token = hub.token("ops_admin");
    for (tool, input, expected) in [
        ("hello-rs/echo.v1", json!({}), &["/message"][..]),
        ("hello-rs/echo.v1", json!({ "message": 1 }), &["/message"]),
        ("hello-rs/echo.v1", json!([]), &[""]),
        ("hello-rs/echo.v1", json!("hi"), &[""]),
        ("hello-rs/sum.v1", json!({ "numbers": [1, "x", 2, null, {}] }), &["/numbers/1", "/numbers/3", "/numbers/4"]),
    ] {
        let reply = hub.call(&token, tool, &input).await;
        assert_eq!(problem(&reply), (400, "input_invalid".to_owned()), "{input}");
        assert_eq!(pointers(&reply), expected.iter().map(ToString::to_string).collect(), "{input}");
        is_recorded(&hub, &reply, "invalid", "input_invalid");
    }
}

#[tokio::test]
async fn several_failing_fields_are_named_together_and_their_values_are_not_repeated() {
    let hub = Hub::start(HELLO);
    let reply = hub.call(&hub.token(OPERATOR), "hello-rs/sum.v1", &json!({ "numbers": ["hunter2", "hunter3"] })).await;
    assert_eq!(pointers(&reply), BTreeSet::from(["/numbers/0".to_owned(), "/numbers/1".to_owned()]));
    assert!(!reply.text.contains("hunter"), "{reply:?}");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_400_and_a_row() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for body in [&b"{"[..], b"{\"message\":\"hi\"} x", b"{'message':'hi'}", b"message=hi", b"\xff\xfe", b"nul", b"[[[["]
    {
        let reply = hub.post(ECHO, Some(&token), body.to_vec()).await;
        assert_eq!(problem(&reply), (400, "input_malformed".to_owned()), "{body:.20?}");
        is_recorded(&hub, &reply, "invalid", "input_malformed");
        assert_eq!(hub.last_event()["payload"], Value::Null);
    }
    let reply = hub.post(ECHO, Some(&token), "").await;
    assert_eq!(problem(&reply), (400, "input_invalid".to_owned()), "no body is an empty object");
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_passes_and_one_byte_more_does_not() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let mut body = br#"{"message":"hi"}"#.to_vec();
    body.resize(LARGEST, b' ');
    assert_eq!(hub.post(ECHO, Some(&token), body.clone()).await.status, 200);
    body.push(b' ');
    let reply = hub.post(ECHO, Some(&token), body).await;
    assert_eq!(problem(&reply), (413, "input_too_large".to_owned()));
    is_recorded(&hub, &reply, "invalid", "input_too_large");
    // A client that is still sending much more hears it too.
    for _ in 0..5 {
        let reply = hub.post(ECHO, Some(&token), vec![b' '; 5 * LARGEST]).await;
        assert_eq!(problem(&reply), (413, "input_too_large".to_owned()));
    }
}

#[tokio::test]
async fn every_answer_carries_a_correlation_id() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let ask = async |path: &str, token: Option<&str>, id: &str, body: Option<&str>| {
        let url = format!("{}{path}", hub.url);
        let request = match body {
            Some(body) => hub.client().post(url).body(body.to_owned()),
            None => hub.client().get(url),
        };
        Hub::send(request.header("x-correlation-id", id), token).await
    };
    for (path, token, body, status) in [
        (ECHO, Some(&*token), Some(r#"{"message":"hi"}"#), 200),
        (ECHO, Some(&*token), Some("{"), 400),
        (ECHO, None, Some("{}"), 401),
        ("/nowhere", None, None, 404),
        (ECHO, Some(&*token), None, 405),
        ("/mcp", None, Some("{}"), 401),
        ("/mcp", Some(&*token), Some("{}"), 400),
        ("/openapi.json", Some(&*token), None, 200),
        ("/livez", None, None, 200),
    ] {
        let reply = ask(path, token, "req-1.a:b_c", body).await;
        assert_eq!((reply.status, reply.header("x-correlation-id")), (status, "req-1.a:b_c"), "{path}");
        // Rows are of operations and refusals; the others left none.
        if body.is_some() {
            assert_eq!(hub.last_event()["correlation_id"], "req-1.a:b_c", "{path} {status}");
        }
        let reply = ask(path, token, "not one; DROP TABLE", body).await;
        assert!(reply.header("x-correlation-id").parse::<Uuid>().is_ok(), "{path}: {reply:?}");
    }
    for improper in ["", "a b", "x/y", &"x".repeat(129)] {
        let reply = ask(ECHO, Some(&token), improper, Some("{}")).await;
        let id = reply.header("x-correlation-id");
        assert!(id.parse::<Uuid>().is_ok_and(|id| id.get_version_num() == 7), "{improper}: {reply:?}");
        assert_eq!(hub.last_event()["correlation_id"], id);
    }
}

#[tokio::test]
async fn health_is_200_when_all_is_well_and_needs_no_token() {
    let hub = Hub::start(HELLO);
    let reply = eventually("it is healthy", async || {
        let reply = hub.get("/health", None).await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    let health = reply.json();
    assert_eq!((&health["status"], &health["providers"][0]["provider"]), (&json!("ok"), &json!("hello-rs")));
    assert!(health["providers"][0]["latency_ms"].is_u64() && health["providers"][0]["last_check"].is_string());
    assert_eq!(hub.get("/livez", None).await.text, "alive\n");
}

#[tokio::test]
async fn health_tells_what_is_wrong_only_to_those_who_may_know() {
    let hub = Hub::start(MANY);
    let of = |reply: &Reply, provider: &str| {
        let health = reply.json();
        let found = health["providers"].as_array().expect("providers").iter().find(|one| one["provider"] == provider);
        found.cloned().unwrap_or_default()
    };
    let anonymous = hub.get("/health", None).await;
    assert_eq!((anonymous.status, &anonymous.json()["status"]), (503, &json!("degraded")));
    assert_eq!(of(&anonymous, "broken")["status"], "down");
    assert_eq!(of(&anonymous, "broken")["error"], "ask with a token to see why");
    let asleep = of(&anonymous, "asleep");
    assert_eq!((&asleep["status"], &asleep["error"]), (&json!("disabled"), &Value::Null), "which is nothing wrong");
    assert!(!anonymous.text.contains("no-such-component"), "{anonymous:?}");

    let unknown_role = Es256::of_hub(&hub).token(&json!({ "alg": "ES256" }), &jwt::claims("root"));
    let reply = hub.get("/health", Some(&unknown_role)).await;
    assert_eq!(of(&reply, "broken")["error"], "ask with a token to see why");

    let reply = hub.get("/health", Some(&hub.token(VIEWER))).await;
    assert!(of(&reply, "broken")["error"].as_str().expect("a reason").contains("no-such-component.wasm"), "{reply:?}");
    assert_eq!(hub.get("/health", Some("wrong")).await.status, 401, "a wrong token is no token less");
}

#[tokio::test]
async fn one_providers_health_is_checked_when_it_is_asked_for() {
    let hub = Hub::start(MANY);
    let token = hub.token(VIEWER);
    let reply = hub.get("/providers/hello-rs/health", Some(&token)).await;
    let health = reply.json();
    assert_eq!((reply.status, &health["provider"], &health["status"]), (200, &json!("hello-rs"), &json!("ok")));
    assert!(health["latency_ms"].is_u64() && health["error"].is_null(), "{health}");
    for (provider, status, reason) in [
        ("netdata", "down", "127.0.0.1:1"),
        ("broken", "down", "no-such-component.wasm"),
        ("asleep", "disabled", "enabled: true"),
    ] {
        let reply = hub.get(&format!("/providers/{provider}/health"), Some(&token)).await;
        assert_eq!((reply.status, &reply.json()["status"]), (503, &json!(status)), "{reply:?}");
        assert!(reply.json()["error"].as_str().expect("a reason").contains(reason), "{reply:?}");
    }
    assert_eq!(problem(&hub.get("/providers/nobody/health", Some(&token)).await), (404, "unknown_provider".to_owned()));
    assert_eq!(hub.last_event()["operation"], "check_health");
}

#[tokio::test]
async fn a_disabled_or_broken_provider_is_a_503_that_says_why_and_disturbs_no_other() {
    let hub = Hub::start(MANY);
    let token = hub.token(VIEWER);
    for (path, reason) in [("asleep/echo.v1", "enabled: true"), ("broken/echo.v1", "no-such-component.wasm")] {
        let reply = hub.call(&token, path, &json!({ "message": "hi" })).await;
        assert_eq!(problem(&reply), (503, "provider_unavailable".to_owned()), "{path}");
        assert!(reply.json()["detail"].as_str().expect("a detail").contains(reason), "{reply:?}");
        assert!(!reply.text.contains(hub.folder().to_str().expect("text")), "no path of the machine: {reply:?}");
        is_recorded(&hub, &reply, "failed", "provider_unavailable");
    }
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
}

#[tokio::test]
async fn a_tool_called_health_is_called_where_health_is_asked_for() {
    let folder = Folder::new();
    let bytes = Raw::of("(func $health (type $tool) (call $ok (local.get 0) (local.get 1)))").build();
    let component = replace(folder.path(), "sick.wasm", &bytes);
    let tools = "[{ name: health, class: read, min_role: ops_operator, schema_version: '1.0' }]";
    let hub = Hub::start(&format!("{HELLO}  sick:\n    component: {}\n    tools: {tools}\n", component.display()));
    let token = hub.token(OPERATOR);
    let reply = hub.call(&token, "sick/health", &json!({ "a": 1 })).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "a": 1 })), "{reply:?}");
    assert_eq!((&hub.last_event()["operation"], &hub.last_event()["tool"]), (&json!("call_tool"), &json!("health")));
    assert_eq!(hub.get("/providers/sick/health", Some(&token)).await.json()["status"], "ok");
    assert_eq!(hub.last_event()["operation"], "check_health");
    assert_eq!(problem(&hub.call(&hub.token(VIEWER), "sick/health", &json!({})).await), (403, "role_too_low".into()));
    let reply = hub.call(&token, "hello-rs/health", &json!({})).await;
    assert_eq!(problem(&reply), (404, "unknown_tool".to_owned()), "where there is no such tool");
    is_recorded(&hub, &reply, "invalid", "unknown_tool");
    let document = hub.get("/openapi.json", Some(&token)).await.json();
    let item = &document["paths"]["/providers/sick/health"];
    assert!(item["get"].is_object() && item["post"].is_object(), "{item}");
}

#[tokio::test]
async fn a_body_in_a_content_coding_is_a_415_and_a_row() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let ask = async |path: &str, codings: &[&str], body: &str| {
        let request = hub.client().post(format!("{}{path}", hub.url)).body(body.to_owned());
        let request = codings.iter().fold(request, |request, coding| request.header("content-encoding", *coding));
        Hub::send(request.header("content-type", "application/json"), Some(&token)).await
    };
    let body = r#"{"message":"hi"}"#;
    for codings in [&["gzip"][..], &["identity, br"], &["identity", "zstd"], &["x-unknown"], &["\u{e4}"]] {
        let reply = ask(ECHO, codings, body).await;
        assert_eq!(problem(&reply), (415, "input_encoded".to_owned()), "{codings:?}");
        assert_eq!(reply.header("accept-encoding"), "identity");
        is_recorded(&hub, &reply, "invalid", "input_encoded");
        let reply = ask("/mcp", codings, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
        assert_eq!((reply.status, reply.header("accept-encoding")), (415, "identity"), "{codings:?}: {reply:?}");
        assert_eq!(reply.json()["error"]["code"], -32600, "{reply:?}");
        assert_eq!(
            (&hub.last_event()["surface"], &hub.last_event()["error_code"]),
            (&json!("mcp"), &json!("input_encoded"))
        );
    }
    for codings in [&["identity"][..], &["Identity"], &[""], &["identity, ", "IDENTITY"]] {
        assert_eq!(ask(ECHO, codings, body).await.status, 200, "{codings:?}");
    }
    let role = ask("/providers/hello-rs/sum.v1", &["gzip"], body).await;
    assert_eq!(problem(&role), (403, "role_too_low".to_owned()), "the role comes first");
}

/// Reads one answer and gives its status line and body.
async fn answer(connection: &mut BufReader<TcpStream>) -> (String, String) {
    let (mut status, mut length) = (String::new(), 0);
    connection.read_line(&mut status).await.expect("a status line");
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.expect("a header");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.expect("a body");
    (status.trim().to_owned(), String::from_utf8(body).expect("text"))
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let hub = Hub::start(HELLO);
    let (host, token) = (hub.url.strip_prefix("http://").expect("an address"), hub.token(VIEWER));
    let mut connection = BufReader::new(TcpStream::connect(host).await.expect("a connection"));
    let body = r#"{"message":"hi"}"#;
    let request = format!(
        "POST {ECHO} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..3 {
        connection.write_all(request.as_bytes()).await.expect("it is sent");
        assert_eq!(answer(&mut connection).await, ("HTTP/1.1 200 OK".to_owned(), body.to_owned()));
    }
    // Two at once, and a refusal does not end the connection.
    let refused = request.replace("Bearer", "Basic");
    connection.write_all(format!("{refused}{request}").as_bytes()).await.expect("it is sent");
    assert_eq!(answer(&mut connection).await.0, "HTTP/1.1 401 Unauthorized");
    assert_eq!(answer(&mut connection).await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_too() {
    let hub = Hub::start(HELLO);
    let (host, token) = (hub.url.strip_prefix("http://").expect("an address"), hub.token(VIEWER));
    let mut connection = BufReader::new(TcpStream::connect(host).await.expect("a connection"));
    let head = format!(
        "POST {ECHO} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.expect("it is sent");
    let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, " ".repeat(64 * 1024));
    for _ in 0..LARGEST / (64 * 1024) {
        connection.write_all(chunk.as_bytes()).await.expect("it is sent");
    }
    connection.write_all(b"1\r\n \r\n").await.expect("it is sent");
    assert_eq!(answer(&mut connection).await.0, "HTTP/1.1 413 Payload Too Large");
}
