//! Whose a name is stays as the config says, whatever becomes of its owner.

use serde_json::json;

use super::{code, prompt, read};
use crate::support::hello::HELLO;
use crate::support::hub::{Hub, VIEWER, eventually};
use crate::support::testbed::Testbed;

/// hello-rs once more, under another name.
const TWIN: &str = r"
  aaa:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools: []
";

#[tokio::test]
async fn a_bare_name_goes_to_nobody_else_when_its_owner_fails_is_disabled_or_is_gone_from_disk() {
    let disabled = HELLO.replace("    component", "    enabled: false\n    component");
    let broken = HELLO.replace("{hello-rs.wasm}", "nowhere.wasm");
    let open = |config: &str| config.replace("['hello://greeting']", "all").replace("[hello-plan]", "all");
    for (state, owner, twin) in [
        ("ready", HELLO.to_owned(), TWIN.to_owned()),
        ("disabled", disabled.clone(), TWIN.to_owned()),
        ("broken", broken.clone(), TWIN.to_owned()),
        ("open", open(HELLO), open(TWIN)),
        ("open and disabled", open(&disabled), open(TWIN)),
        ("open and broken", open(&broken), open(TWIN)),
    ] {
        let hub = Hub::start(&format!("{owner}{twin}"));
        let token = hub.token(VIEWER);
        for (answer, clear) in [
            (read(&hub, &token, "hello://greeting").await, "`aaa+hello://greeting` or `hello-rs+hello://greeting`"),
            (prompt(&hub, &token, "hello-plan").await, "`aaa.hello-plan` or `hello-rs.hello-plan`"),
        ] {
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(code(&answer) == "ambiguous_name" && message.contains(clear), "{state}: {answer}");
        }
        let own = read(&hub, &token, "aaa+hello://greeting").await;
        assert!(own["result"]["contents"].is_array(), "{state}: {own}");
    }
    for (state, other) in [("ready", open(HELLO)), ("disabled", open(&disabled)), ("broken", open(&broken))] {
        let hub = Hub::start(&format!("{other}{TWIN}"));
        let token = hub.token(VIEWER);
        let named = read(&hub, &token, "hello://greeting").await;
        assert!(named["result"]["contents"].is_array(), "{state}: what the config names is its own: {named}");
        assert_eq!(hub.last_event()["provider"], "aaa", "{state}");
        let named = prompt(&hub, &token, "hello-plan").await;
        assert!(named["result"]["messages"].is_array() && hub.last_event()["provider"] == "aaa", "{state}: {named}");
    }
    for (state, owner) in [("disabled", disabled), ("broken", broken)] {
        let given = owner.replace("    tools:", "    resources_for: ['hello://greeting']\n    tools:");
        let hub = Hub::start(&format!("{given}{TWIN}"));
        let answer = read(&hub, &hub.token(VIEWER), "hello://greeting").await;
        assert_eq!(code(&answer), "provider_unavailable", "{state}: {answer}");
        assert_eq!(hub.last_event()["provider"], "hello-rs");
    }
}

#[tokio::test]
async fn a_bare_name_goes_to_nobody_else_when_its_owner_is_down() {
    let entry = |name, health: &str| {
        let settings = format!("settings: {{ health: {health} }}");
        Testbed { name, with: &[&settings], ..Testbed::default() }.yaml()
    };
    let hub = Hub::start(&format!("{}{}", entry("one", "down"), entry("two", "ok")));
    let token = hub.token(VIEWER);
    eventually("the first is down", async || {
        (code(&read(&hub, &token, "one+testbed://items/7").await) == "provider_unavailable").then_some(())
    })
    .await;
    assert_eq!(code(&read(&hub, &token, "testbed://items/7").await), "ambiguous_name");
    assert_eq!(code(&prompt(&hub, &token, "leak").await), "ambiguous_name");
    let own = read(&hub, &token, "two+testbed://items/7").await;
    assert_eq!(own["result"]["contents"][0]["text"], "7", "{own}");
    let resources = hub.mcp(&token, "resources/list", &json!({})).await;
    let resources = resources["result"]["resources"].as_array().expect("a list").clone();
    assert!(resources.iter().all(|resource| resource["uri"].to_string().contains("two+testbed://")), "{resources:?}");
}

#[tokio::test]
async fn a_reload_that_fails_gives_a_bare_name_to_nobody_else() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let greeting = async || read(&hub, &token, "hello://greeting").await;
    assert!(greeting().await["result"].is_object());
    let broken = HELLO.replace("{hello-rs.wasm}", "nowhere.wasm");
    hub.configure(&format!("{broken}{TWIN}"));
    eventually("the twin is there", async || {
        read(&hub, &token, "aaa+hello://greeting").await["result"].is_object().then_some(())
    })
    .await;
    assert_eq!(code(&greeting().await), "ambiguous_name", "the old revision serves, and is not the only one");
    let own = read(&hub, &token, "hello-rs+hello://greeting").await;
    assert!(own["result"].is_object() && hub.last_event()["provider"] == "hello-rs", "{own}");
}
