//! MCP with clients that others wrote: the Inspector's command line and the official Python client, in both eras.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{
    clients::{self, Era, finish, inspector, python},
    hub::{Hub, OPERATOR, VIEWER},
};

/// hello-rs as shipped: every tool for viewers.
const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
";

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// The names of one endpoint.
struct Names {
    echo: &'static str,
    sum: &'static str,
    plan: &'static str,
}

const DOTTED: Names = Names { echo: "hello-rs.echo.v1", sum: "hello-rs.sum.v1", plan: "hello-rs.hello-plan" };
const FLAT: Names = Names { echo: "hello-rs__echo_v1", sum: "hello-rs__sum_v1", plan: "hello-rs__hello-plan" };

/// `bulkhead mcp` with this hub's data and config, as a client starts it.
fn stdio_command(hub: &Hub) -> Vec<String> {
    let program = hub.program();
    let words = std::iter::once(program.get_program()).chain(program.get_args());
    words.chain(["mcp".as_ref()]).map(|word| word.to_str().expect("text").to_owned()).collect()
}

/// The one JSON document on standard output of a client that ended well.
fn result(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Inspector lists tools, calls them, reads the resource and gets the prompt.
fn inspect(hub: clients::Hub, era: Era, names: &Names, home: &Hub) {
    let ask = |request: &[&str]| result(&finish(&mut inspector(hub, era, request, home.folder())))["result"].clone();

    let list = ask(&["--method", "tools/list"]);
    let tools: Vec<_> = list["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]).collect();
    assert_eq!(tools, [names.echo, names.sum], "{era:?}");

    let echo = ask(&["--method", "tools/call", "--tool-name", names.echo, "--tool-arg", "message=hi"]);
    assert_eq!(echo["structuredContent"], json!({ "message": "hi" }), "{era:?}");
    assert_eq!(echo["content"], json!([{ "type": "text", "text": r#"{"message":"hi"}"# }]), "{era:?}");

    let greeting = ask(&["--method", "resources/read", "--uri", "hello://greeting"]);
    assert_eq!(greeting["contents"][0]["text"], "Hello, MCP", "{era:?}");

    let plan = ask(&["--method", "prompts/get", "--prompt-name", names.plan, "--prompt-args", "name=Ada"]);
    let text = plan["messages"][0]["content"]["text"].as_str().expect("text");
    assert!(text.starts_with("Greet Ada."), "{era:?}: {text}");
}

#[test]
fn the_inspector_uses_the_hub_over_http() {
    let hub = Hub::start(HELLO);
    let (url, token) = (format!("{}/mcp", hub.url), hub.token(VIEWER));
    for era in ERAS {
        inspect(clients::Hub::Http { url: &url, token: &token }, era, &DOTTED, &hub);
    }
}

#[test]
fn the_inspector_uses_the_flat_names_over_http() {
    let hub = Hub::start(HELLO);
    let (url, token) = (format!("{}/mcp/flat", hub.url), hub.token(VIEWER));
    for era in ERAS {
        inspect(clients::Hub::Http { url: &url, token: &token }, era, &FLAT, &hub);
    }
}

#[test]
fn the_inspector_uses_the_hub_over_stdio() {
    let hub = Hub::start(HELLO);
    let (command, token) = (stdio_command(&hub), hub.token(VIEWER));
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    for era in ERAS {
        inspect(clients::Hub::Stdio { command: &command, env: &[("BULKHEAD_TOKEN", &token)] }, era, &DOTTED, &hub);
    }
}

#[test]
fn the_inspector_says_why_nothing_came_of_it() {
    let hub = Hub::start(HELLO);
    let (url, token) = (format!("{}/mcp", hub.url), hub.token(VIEWER));
    let list: &[&str] = &["--method", "tools/list"];
    let sum: &[&str] =
        &["--method", "tools/call", "--tool-name", DOTTED.sum, "--tool-args-json", r#"{"numbers":["x"]}"#];
    let nowhere = "http://127.0.0.1:1/mcp";
    for era in ERAS {
        for (what, url, token, request, code) in [
            ("a wrong token", &*url, "wrong", list, 3),
            ("nobody listens", nowhere, &*token, list, 4),
            ("wrong arguments", &*url, &*token, sum, 5),
        ] {
            let output = finish(&mut inspector(clients::Hub::Http { url, token }, era, request, hub.folder()));
            assert_eq!(output.status.code(), Some(code), "{era:?}, {what}: {output:?}");
        }
    }
}

#[test]
fn the_python_client_uses_the_hub_over_http() {
    let hub = Hub::start(HELLO);
    let token = hub.token(OPERATOR);
    for (path, flat) in [("/mcp", false), ("/mcp/flat", true)] {
        let url = format!("{}{path}", hub.url);
        for era in ERAS {
            // It checks every answer itself.
            let seen = result(&finish(&mut python(clients::Hub::Http { url: &url, token: &token }, era, flat)));
            assert_eq!(seen["greeting"], "Hello, MCP", "{era:?}");
        }
    }
}

#[test]
fn the_python_client_uses_the_hub_over_stdio() {
    let hub = Hub::start(HELLO);
    let (mut command, token) = (stdio_command(&hub), hub.token(OPERATOR));
    for flat in [false, true] {
        command.extend(flat.then(|| "--flat".to_owned()));
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let target = clients::Hub::Stdio { command: &command, env: &[("BULKHEAD_TOKEN", &token)] };
        for era in ERAS {
            let seen = result(&finish(&mut python(target, era, flat)));
            assert_eq!(seen["greeting"], "Hello, MCP", "{era:?}");
        }
    }
    // Each time two calls, one resource and one prompt.
    let ran = |event: &&Value| event["outcome"] == "ok" && event["operation"] != "mcp_list";
    let recorded = hub.events().iter().filter(|event| event["surface"] == "stdio").filter(ran).count();
    assert_eq!(recorded, 4 * 4);
}

#[test]
fn a_wrong_token_ends_the_stdio_server_with_a_reason() {
    let hub = Hub::start(HELLO);
    let output = finish(hub.program().arg("mcp").env("BULKHEAD_TOKEN", "wrong"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("bulkhead: the bearer token is malformed"), "{output:?}");
    let event = hub.last_event();
    assert_eq!((event["surface"].as_str(), event["outcome"].as_str()), (Some("stdio"), Some("denied")));

    let output = finish(hub.program().arg("mcp"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("BULKHEAD_TOKEN"), "{output:?}");
}

#[test]
fn a_wrong_token_ends_the_python_client_with_an_error() {
    let hub = Hub::start(HELLO);
    let url = format!("{}/mcp", hub.url);
    for era in ERAS {
        let output = finish(&mut python(clients::Hub::Http { url: &url, token: "wrong" }, era, false));
        assert_eq!(output.status.code(), Some(1), "{era:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{era:?}: {output:?}");
    }
}
