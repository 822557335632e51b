//! Reload: what changes on disk takes effect on the running hub, and what is broken changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Hub, OPERATOR, VIEWER, component, eventually};
use crate::support::sloth::sloth;
use crate::support::testbed::{Testbed, replace, testbed, variant};
use crate::support::upstream::Upstream;

async fn echo_status(hub: &Hub, token: &str) -> u16 {
    hub.call(token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status
}

async fn health(hub: &Hub, token: &str) -> Value {
    hub.get("/health", Some(token)).await.json()
}

/// The variant of testbed that answers now.
async fn variant_of(hub: &Hub, token: &str) -> Value {
    hub.call(token, "testbed/variant.tell", &json!({})).await.json()["variant"].take()
}

#[tokio::test]
async fn a_provider_is_disabled_and_enabled_again_while_another_goes_on() {
    let hub = Hub::start(&format!("{HELLO}{}", testbed(&[])));
    let token = hub.token(ADMIN);
    assert_eq!(echo_status(&hub, &token).await, 200);

    hub.configure(&format!("{}{}", HELLO.replace("    component", "    enabled: false\n    component"), testbed(&[])));
    eventually("it is disabled", async || (echo_status(&hub, &token).await == 503).then_some(())).await;
    let refused = hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await;
    assert_eq!(refused.json()["code"], "provider_unavailable");
    assert!(refused.text.contains("it is disabled"), "{refused:?}");
    assert_eq!(variant_of(&hub, &token).await, "plain", "the other is not affected");
    let tools = hub.mcp(&token, "tools/list", &json!({})).await.to_string();
    assert!(!tools.contains("hello-rs.") && tools.contains("testbed."), "{tools}");

    hub.configure(&format!("{HELLO}{}", testbed(&[])));
    eventually("it is enabled", async || (echo_status(&hub, &token).await == 200).then_some(())).await;
}

#[tokio::test]
async fn a_provider_that_is_added_can_be_called_and_one_that_is_removed_is_unknown() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    hub.configure(&testbed(&[]));
    eventually("the new one answers", async || (variant_of(&hub, &token).await == "plain").then_some(())).await;
    assert_eq!(echo_status(&hub, &token).await, 404);
}

#[tokio::test]
async fn an_error_in_the_config_disturbs_nothing_and_is_told_with_its_line() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let broken = [
        // A key that does not exist, a value that cannot be, and no YAML at all.
        (HELLO.replace("    tools:", "    colour: blue\n    tools:"), "colour"),
        (HELLO.replace("'1.0' }", "'1.0', timeout_ms: 5 }"), "timeout_ms"),
        (HELLO.replace("    tools:", "    tools: ["), ""),
    ];
    for (config, named) in broken {
        hub.configure(&config);
        let told = eventually("the error is told", async || {
            health(&hub, &token).await["config_error"].as_str().map(str::to_owned)
        });
        let told = told.await;
        let line =
            told.strip_prefix("provider-config.yaml:").and_then(|rest| rest.split(':').next()?.parse::<u32>().ok());
        assert!(line.is_some_and(|line| (5..11).contains(&line)) && told.contains(named), "{told}");
        assert_eq!(hub.get("/health", None).await.status, 503);
        assert!(!hub.get("/health", None).await.text.contains(&told), "only callers with a token are told");
        assert_eq!(echo_status(&hub, &token).await, 200, "what served goes on");
        assert!(!hub.program().args(["config", "check"]).output().expect("it runs").status.success());

        hub.configure(HELLO);
        let mended = async || health(&hub, &token).await["config_error"].is_null().then_some(());
        eventually("it is fixed", mended).await;
    }
    fs::remove_file(hub.config_path()).expect("removed");
    eventually("a missing config is told", async || health(&hub, &token).await["config_error"].as_str().map(|_| ()))
        .await;
    assert_eq!(echo_status(&hub, &token).await, 200);
}

#[tokio::test]
async fn a_component_that_is_replaced_takes_effect_and_a_call_under_way_ends_on_the_old_one() {
    let upstream = Upstream::start();
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    replace(hub.folder(), "provider.wasm", &variant("old"));
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let with = [hosts.as_str()];
    // Relative: to the config's folder.
    let provider = Testbed { component: "provider.wasm", with: &with, timeout_ms: 30_000, ..Testbed::default() };
    hub.configure(&provider.yaml());
    eventually("the old one answers", async || (variant_of(&hub, &token).await == "old").then_some(())).await;
    let old = hub.last_event()["revision"].clone();

    let input = json!({ "url": upstream.url("/wait") });
    let under_way = hub.call(&token, "testbed/scan.slow", &input);
    let swap = async {
        eventually("the call runs", async || (!upstream.seen().is_empty()).then_some(())).await;
        replace(hub.folder(), "provider.wasm", &variant("new"));
        eventually("the new one answers", async || (variant_of(&hub, &token).await == "new").then_some(())).await;
        let new = hub.last_event()["revision"].clone();
        upstream.release();
        new
    };
    let (ended, new) = tokio::join!(under_way, swap);
    assert_eq!((ended.status, ended.json()), (200, json!({ "status": 200, "variant": "old" })));
    assert_eq!((&hub.last_event()["revision"], new == old), (&old, false));
}

#[tokio::test]
async fn a_broken_component_leaves_the_old_one_serving_and_says_why() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    replace(hub.folder(), "provider.wasm", &variant("old"));
    hub.configure(&format!("{HELLO}{}", Testbed { component: "provider.wasm", ..Testbed::default() }.yaml()));
    eventually("it answers", async || (variant_of(&hub, &token).await == "old").then_some(())).await;

    let hello = fs::read(component("hello-rs")).expect("a component");
    for (bytes, why) in [
        (b"\0asm nonsense".to_vec(), "not a WebAssembly component"),
        (variant("trap"), "cannot describe itself"),
        // A good component, but not the one that the config describes.
        (hello, "lists the tool `calls.count`, which the component does not have"),
    ] {
        replace(hub.folder(), "provider.wasm", &bytes);
        let told = async || Some(error_of(&health(&hub, &token).await, "testbed")).filter(|error| error.contains(why));
        let told = eventually(why, told).await;
        assert!(told.starts_with("an older revision is serving, because"), "{told}");
        assert_eq!(variant_of(&hub, &token).await, "old", "{why}");
        assert_eq!(echo_status(&hub, &token).await, 200);
    }
    replace(hub.folder(), "provider.wasm", &variant("new"));
    eventually("a good one answers", async || (variant_of(&hub, &token).await == "new").then_some(())).await;
    let well = async || (health(&hub, &token).await["status"] == "ok").then_some(());
    eventually("everything is healthy again", well).await;
}

#[tokio::test]
async fn what_the_config_withdraws_is_gone_even_where_the_component_does_not_load() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let narrow = HELLO.replace("ops_viewer", "ops_admin");
    for (withdrawn, why) in [
        (narrow.replace("{hello-rs.wasm}", "nowhere.wasm"), "cannot be read"),
        (narrow.replace("{hello-rs.wasm}", "broken.wasm"), "cannot describe itself"),
        (narrow.replace("'1.0'", "'9.0'"), "schema_version"),
        (HELLO.replace("{hello-rs.wasm}", "broken.wasm").replace("[hello-plan]", "[]"), "cannot describe itself"),
    ] {
        replace(hub.folder(), "broken.wasm", &variant("trap"));
        assert_eq!(echo_status(&hub, &token).await, 200);
        hub.configure(&withdrawn);
        let told = async || Some(error_of(&health(&hub, &token).await, "hello-rs")).filter(|error| error.contains(why));
        let told = eventually(why, told).await;
        assert!(told.contains("the config withdrew something"), "{told}");
        assert_eq!(echo_status(&hub, &token).await, 503, "{why}");
        let tools = hub.mcp(&token, "tools/list", &json!({})).await.to_string();
        assert!(!tools.contains("hello-rs."), "{tools}");
        hub.configure(HELLO);
        eventually("it is fixed", async || (echo_status(&hub, &token).await == 200).then_some(())).await;
    }
    // As before where nothing is withdrawn.
    let wider = HELLO.replace("{hello-rs.wasm}", "broken.wasm").replace("[hello-plan]", "all");
    hub.configure(&wider);
    let told =
        async || Some(error_of(&health(&hub, &token).await, "hello-rs")).filter(|error| error.contains("itself"));
    assert!(eventually("it is told", told).await.starts_with("an older revision is serving, because"));
    assert_eq!(echo_status(&hub, &token).await, 200);
}

#[tokio::test]
async fn what_was_withdrawn_is_told_also_where_another_change_comes_while_it_loads() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    replace(hub.folder(), "sloth.wasm", &sloth());
    let narrow = HELLO.replace("ops_viewer", "ops_admin");
    hub.configure(&narrow.replace("{hello-rs.wasm}", "sloth.wasm"));
    eventually("it loads", async || (echo_status(&hub, &token).await == 503).then_some(())).await;
    hub.configure(&narrow.replace("{hello-rs.wasm}", "nowhere.wasm"));
    let told = async || Some(error_of(&health(&hub, &token).await, "hello-rs")).filter(|error| error.contains("read"));
    let told = eventually("it is told", told).await;
    assert!(told.contains("the config withdrew something"), "{told}");
}

#[tokio::test]
async fn new_roles_and_limits_take_effect() {
    let hub = Hub::start(HELLO);
    let viewer = hub.token(VIEWER);
    assert_eq!(echo_status(&hub, &viewer).await, 200);
    hub.configure(&HELLO.replace("ops_viewer", "ops_operator"));
    eventually("viewers may not", async || (echo_status(&hub, &viewer).await == 403).then_some(())).await;

    let limits = "    rate_limits: { ops_operator: { reads: 3/hour } }\n    tools:";
    hub.configure(&HELLO.replace("    tools:", limits));
    eventually("viewers may again", async || (echo_status(&hub, &viewer).await == 200).then_some(())).await;
    let operator = hub.token(OPERATOR);
    for status in [200, 200, 200, 429] {
        assert_eq!(echo_status(&hub, &operator).await, status);
    }
}

#[tokio::test]
async fn a_hangup_reloads_what_looks_unchanged() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let viewer = hub.token(VIEWER);
    let on = HELLO.replace("ops_viewer", "ops_operator").replace("    component", "    enabled: true \n    component");
    hub.configure(&on);
    eventually("it has settled", async || (echo_status(&hub, &viewer).await == 403).then_some(())).await;
    // Same length, same file, same time: nothing tells the watch that the content is another.
    let before = fs::metadata(hub.config_path()).expect("a file").modified().expect("a time");
    let written = fs::read_to_string(hub.config_path()).expect("a config").replace("enabled: true ", "enabled: false");
    fs::write(hub.config_path(), written).expect("written");
    let file = fs::File::options().write(true).open(hub.config_path()).expect("a file");
    file.set_modified(before).expect("set");

    let id = hub.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().expect("kill runs").success());
    eventually("it is disabled", async || (echo_status(&hub, &token).await == 503).then_some(())).await;
}

/// Puts a config where Kubernetes puts a new version of a `ConfigMap`: `..data` comes to lead to another folder.
fn swap_data(folder: &Path, version: &str, config: &str) {
    fs::create_dir(folder.join(version)).expect("a folder");
    fs::write(folder.join(version).join("provider-config.yaml"), config).expect("written");
    symlink(version, folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
}

#[tokio::test]
async fn a_config_behind_swapped_symlinks_is_followed() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let config = fs::read_to_string(hub.config_path()).expect("a config");
    let (folder, link) = (hub.folder(), hub.folder().join("link"));
    swap_data(
        folder,
        "..1",
        &config.replace("echo.v1, class: read, min_role: ops_viewer", "echo.v1, class: read, min_role: ops_admin "),
    );
    symlink("..data/provider-config.yaml", &link).expect("a link");
    fs::rename(&link, hub.config_path()).expect("renamed");
    let viewer = hub.token(VIEWER);
    eventually("the first version", async || (echo_status(&hub, &viewer).await == 403).then_some(())).await;

    swap_data(folder, "..2", &config);
    fs::remove_dir_all(folder.join("..1")).expect("removed");
    eventually("the second version", async || (echo_status(&hub, &viewer).await == 200).then_some(())).await;

    swap_data(folder, "..3", &config.replace("    component", "    enabled: false\n    component"));
    eventually("the third version", async || (echo_status(&hub, &token).await == 503).then_some(())).await;
}

#[tokio::test]
async fn a_change_while_the_hub_is_starting_is_not_lost() {
    let mut hub = Hub::start(HELLO);
    assert_eq!(hub.stop(), Some(0));
    let token = hub.token(VIEWER);
    // Compiling takes long enough for the edit to fall between reading the config and watching it.
    hub.forget_compiled_code();
    hub.configure(&format!("{HELLO}{}", testbed(&[])));
    let edited = fs::read(hub.config_path()).expect("a config");
    hub.configure(&testbed(&[]));
    let path = hub.config_path();
    let editor = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(250));
        fs::write(path, edited).expect("written");
    });
    hub.run();
    editor.join().expect("the edit was made");
    eventually("the edit is in effect", async || (echo_status(&hub, &token).await == 200).then_some(())).await;
}
