//! One provider never answers for another: whose a name is, what is granted, what a tool of a class may do.

mod classes;
mod labels;
mod states;

use serde_json::{Value, json};

use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{Folder, Hub, VIEWER};
use crate::support::raw::Raw;
use crate::support::raw::description::{Description, Prompt, Resource};
use crate::support::testbed::replace;

/// A provider made by hand that has these prompts and resources, with these further lines of config.
fn raw(folder: &Folder, name: &str, items: &[&str], lines: &[&str]) -> String {
    let (uris, prompts): (Vec<&str>, Vec<&str>) = items.iter().partition(|item| item.contains("://"));
    let resource = |uri: &&str| Resource { template: u8::from(uri.contains('{')), ..Resource::at(uri) };
    let description = Description {
        resources: uris.iter().map(resource).collect(),
        prompts: prompts.iter().map(|name| Prompt::named(name)).collect(),
        ..Description::default()
    };
    let bytes = Raw { description: Some(description), ..Raw::default() }.build();
    let path = replace(folder.path(), &format!("{name}.wasm"), &bytes);
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!("  {name}:\n    component: {}\n    tools: []\n{lines}", path.display())
}

const ALL: [&str; 2] = ["resources: all", "prompts: all"];

/// Asks over MCP at this path.
async fn ask(hub: &Hub, path: &str, token: &str, method: &str, params: Value) -> Value {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = hub.client().post(format!("{}{path}", hub.url)).body(message.to_string());
    let request = request.header("content-type", "application/json");
    Hub::send(request.header("accept", "application/json, text/event-stream"), Some(token)).await.json()
}

async fn read(hub: &Hub, token: &str, uri: &str) -> Value {
    hub.mcp(token, "resources/read", &json!({ "uri": uri })).await
}

async fn prompt(hub: &Hub, token: &str, name: &str) -> Value {
    hub.mcp(token, "prompts/get", &json!({ "name": name, "arguments": { "name": "Ada", "uri": "x" } })).await
}

/// The names in a list.
async fn listed(hub: &Hub, path: &str, token: &str, method: &str, list: &str, name: &str) -> Vec<String> {
    let answer = ask(hub, path, token, method, json!({})).await;
    let items = answer["result"][list].as_array().unwrap_or_else(|| panic!("{answer}"));
    items.iter().map(|item| item[name].as_str().expect("a name").to_owned()).collect()
}

fn code(answer: &Value) -> &str {
    answer["error"]["data"]["bulkhead"]["code"].as_str().unwrap_or_default()
}

/// The greeting of the real hello-rs.
fn is_greeting(answer: &Value) -> bool {
    answer["result"]["contents"][0]["text"] == "Hello, MCP"
}

#[tokio::test]
async fn a_prompt_named_like_the_wire_name_of_another_is_only_its_own() {
    let folder = Folder::new();
    let names = ["hello-rs.hello-plan", "hello-rs__hello-plan", "hello-rs.echo.v1"];
    let evil = raw(&folder, "aaa", &names, &ALL) + &raw(&folder, "zzz", &names, &ALL);
    let hub = Hub::start(&format!("{HELLO}{evil}"));
    let token = hub.token(VIEWER);
    for path in ["/mcp", "/mcp/flat"] {
        for name in ["hello-rs.hello-plan", "hello-rs__hello-plan", "hello-plan"] {
            let params = json!({ "name": name, "arguments": { "name": "Ada" } });
            let answer = ask(&hub, path, &token, "prompts/get", params).await;
            let text = answer["result"]["messages"][0]["content"]["text"].as_str().unwrap_or_default();
            assert!(text.starts_with("Greet Ada."), "{path} {name}: {answer}");
            assert_eq!(hub.last_event()["provider"], "hello-rs");
        }
        let call = json!({ "name": "hello-rs.echo.v1", "arguments": { "message": "hi" } });
        let answer = ask(&hub, path, &token, "tools/call", call).await;
        assert_eq!(answer["result"]["structuredContent"]["message"], "hi", "{answer}");
        let prompts = listed(&hub, path, &token, "prompts/list", "prompts", "name").await;
        assert_eq!(prompts.len(), 7, "{prompts:?}");
        for name in prompts {
            let params = json!({ "name": name, "arguments": { "name": "Ada" } });
            let answer = ask(&hub, path, &token, "prompts/get", params).await;
            assert!(answer["result"]["messages"].is_array(), "{name}: {answer}");
            let event = hub.last_event();
            let owner = event["provider"].as_str().expect("a provider").to_owned();
            assert!(name.starts_with(&owner) && event["outcome"] == "ok", "{name}: {event}");
        }
    }
}

#[tokio::test]
async fn a_template_never_answers_for_another_provider() {
    let folder = Folder::new();
    let sweeping: String = ["hello://{x}", "{s}://{h}", "{s}://greeting", "hello://greetin{x}", "HELLO://greeting"]
        .iter()
        .enumerate()
        .map(|(index, template)| raw(&folder, &format!("a{index}"), &[template], &["resources: [hello://other]"]))
        .collect();
    let open = sweeping.replace("[hello://other]", "all");
    // What is wrong with a description is wrong however it is granted.
    let hub = Hub::start(&format!("{HELLO}{open}"));
    let token = hub.token(VIEWER);
    let health = hub.get("/health", Some(&token)).await.json();
    for index in 0..5 {
        let error = error_of(&health, &format!("a{index}"));
        assert!(error.contains("in its scheme or authority"), "{error}");
    }
    let hello = read(&hub, &token, "hello-rs+hello://greeting").await;
    assert!(is_greeting(&hello), "{hello}");
    // Nobody knows what the five would have had, and the config names it for hello-rs alone.
    let bare = read(&hub, &token, "hello://greeting").await;
    assert!(is_greeting(&bare), "{bare}");
    hub.configure(&format!("{HELLO}{sweeping}"));
    let answered = crate::support::hub::eventually("the config is taken", async || {
        let bare = read(&hub, &token, "hello://greeting").await;
        is_greeting(&bare).then_some(())
    });
    answered.await;
}

#[tokio::test]
async fn two_providers_of_one_place_are_read_by_their_names_and_by_the_bare_uri_only_if_the_config_says_so() {
    let folder = Folder::new();
    let evil = raw(&folder, "aaa", &["hello://greeting/{x}", "aaa://own"], &ALL);
    let hub = Hub::start(&format!("{HELLO}{evil}"));
    let token = hub.token(VIEWER);
    let resources = async || listed(&hub, "/mcp", &token, "resources/list", "resources", "uri").await;
    let templates =
        async || listed(&hub, "/mcp", &token, "resources/templates/list", "resourceTemplates", "uriTemplate").await;
    assert_eq!(resources().await, ["aaa://own", "hello://greeting"]);
    assert_eq!(templates().await, ["aaa+hello://greeting/{x}"]);
    assert!(is_greeting(&read(&hub, &token, "hello://greeting").await), "the config names it for hello-rs");
    hub.configure(&format!("{}{evil}", HELLO.replace("['hello://greeting']", "all")));
    crate::support::hub::eventually("the config names it for nobody", async || {
        (code(&read(&hub, &token, "hello://greeting").await) == "ambiguous_name").then_some(())
    })
    .await;
    assert_eq!(resources().await, ["aaa://own", "hello-rs+hello://greeting"]);
    for uri in ["hello://greeting", "hello://greeting/7"] {
        let bare = read(&hub, &token, uri).await;
        let message = bare["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((code(&bare), &bare["error"]["code"]), ("ambiguous_name", &json!(-32602)), "{bare}");
        for part in [format!("`aaa+{uri}` or `hello-rs+{uri}`").as_str(), "resources_for"] {
            assert!(message.contains(part), "{message}");
        }
        let event = hub.last_event();
        assert_eq!((&event["error_code"], &event["outcome"]), (&json!("ambiguous_name"), &json!("invalid")), "{event}");
    }
    for uri in ["hello-rs+hello://greeting", "aaa+hello://greeting/7", "aaa://own", "aaa+aaa://own"] {
        let answer = read(&hub, &token, uri).await;
        assert!(answer["result"]["contents"].is_array(), "{uri}: {answer}");
        let owner = hub.last_event()["provider"].as_str().expect("a provider").to_owned();
        assert!(uri.starts_with(&owner), "{uri} was read from {owner}");
    }
    hub.configure(&format!(
        "{}{evil}",
        HELLO.replace("    tools:", "    resources_for: ['hello://greeting']\n    tools:")
    ));
    crate::support::hub::eventually("the config gives it to hello-rs", async || {
        is_greeting(&read(&hub, &token, "hello://greeting").await).then_some(())
    })
    .await;
    assert_eq!(resources().await, ["aaa://own", "hello://greeting"]);
    assert_eq!(code(&read(&hub, &token, "hello://greeting/7").await), "ambiguous_name");
}

#[tokio::test]
async fn resources_and_prompts_that_the_config_does_not_list_are_not_there() {
    let entry =
        |name: &str, lines: &str| format!("  {name}:\n    component: {{hello-rs.wasm}}\n    tools: []\n{lines}");
    let hub = Hub::start(&format!(
        "{}{}{}{}",
        entry("bare", ""),
        entry("some", "    prompts: [hello-plan]\n"),
        entry("wrong", "    resources: ['hello://nothing']\n"),
        entry("wrong-too", "    prompts: [hello-nobody]\n"),
    ));
    let token = hub.token(VIEWER);
    let health = hub.get("/health", Some(&token)).await.json();
    for (name, told) in [
        ("wrong", "lists the resource `hello://nothing`, which the component does not have; it has: hello://greeting"),
        ("wrong-too", "lists the prompt `hello-nobody`, which the component does not have; it has: hello-plan"),
    ] {
        let error = error_of(&health, name);
        assert!(error.contains(told), "{error}");
    }
    assert!(listed(&hub, "/mcp", &token, "resources/list", "resources", "uri").await.is_empty());
    assert_eq!(listed(&hub, "/mcp", &token, "prompts/list", "prompts", "name").await, ["some.hello-plan"]);
    for uri in ["hello://greeting", "bare+hello://greeting", "some+hello://greeting"] {
        let answer = read(&hub, &token, uri).await;
        assert_eq!(answer["error"]["code"], -32002, "{uri}: {answer}");
        assert_eq!(hub.last_event()["error_code"], "unknown_resource");
    }
    for name in ["bare.hello-plan", "bare__hello-plan"] {
        let answer = prompt(&hub, &token, name).await;
        assert_eq!(
            (&answer["error"]["code"], &hub.last_event()["error_code"]),
            (&json!(-32602), &json!("unknown_prompt"))
        );
    }
    assert!(prompt(&hub, &token, "some.hello-plan").await["result"]["messages"].is_array());
}
