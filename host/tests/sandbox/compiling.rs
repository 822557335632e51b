//! Compiling: what a component does to the compiler it does not do to the hub.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use crate::support::health::error_of;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub, eventually};
use crate::support::sloth::{sloth, sloth_with};
use crate::support::testbed::{Testbed, replace, testbed, variant};

/// A component of half a megabyte: one function, whose loops are as deep as they can be, over as many variables as there can
/// be. Compilers keep a note of each variable in each loop.
fn bomb() -> Vec<u8> {
    let (loops, variables) = (45_000, 40_000);
    let mut text = "(component (core module (func (param i32) (local".to_owned();
    text.push_str(&" i32".repeat(variables));
    text.push_str(")\n");
    for at in 0..loops {
        let (from, to) = (1 + at % variables, 1 + (at * 7 + 1) % variables);
        writeln!(text, "loop local.get {from} local.set {to}").expect("a string");
    }
    text.push_str(&"local.get 0 br_if 0 end\n".repeat(loops));
    text.push_str(")))");
    wat::parse_str(&text).expect("WAT")
}

#[tokio::test]
async fn a_component_that_takes_all_memory_to_compile_costs_a_process_and_not_the_hub() {
    let folder = Folder::new();
    let bytes = bomb();
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    let component = replace(folder.path(), "bomb.wasm", &bytes).display().to_string();
    let started = Instant::now();
    let hub = Hub::start(&format!("{HELLO}  bomb: {{ component: {component}, tools: [] }}\n"));
    eprintln!("{} bytes of component; the hub was there after {:?}", bytes.len(), started.elapsed());
    let token = hub.token(ADMIN);
    let told = eventually("it is told", async || {
        let error = error_of(&hub.get("/health", Some(&token)).await.json(), "bomb");
        Some(error).filter(|error| error.contains("more than 2 GiB of memory to compile"))
    });
    told.await;
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
    let peak = hub.memory_mib("VmHWM");
    assert!(peak < 256, "{peak} MiB at most");
}

#[tokio::test]
async fn a_component_that_takes_long_to_compile_holds_up_neither_the_others_nor_the_end() {
    let folder = Folder::new();
    let component = replace(folder.path(), "sloth.wasm", &sloth()).display().to_string();
    let sloths = |count| (0..count).map(|n| format!("  sloth-{n}: {{ component: {component}, tools: [] }}\n"));
    let mut hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let status = async || hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status;
    assert_eq!(status().await, 200);
    // As many as load at once: nothing else of this reload gets its turn.
    let disabled = HELLO.replace("    component", "    enabled: false\n    component");
    hub.configure(&format!("{disabled}{}", sloths(2).collect::<String>()));
    eventually("who is disabled is out", async || (status().await == 503).then_some(())).await;

    let compiler = eventually("it compiles", async || compilers_of(hub.pid()).pop()).await;
    // It is the processor's time that counts, not the clock of a busy machine.
    let bound = eventually("it bounds itself", async || {
        let limits = fs::read_to_string(format!("/proc/{compiler}/limits")).ok()?;
        let line = limits.lines().find(|line| line.starts_with("Max cpu time"))?.to_owned();
        line.contains("120").then_some(line)
    });
    assert!(bound.await.contains("125"));
    let asked = Instant::now();
    assert_eq!(hub.stop(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    eventually("the compiler ended with the hub", async || (!is_compiler(compiler)).then_some(())).await;

    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    hub.configure(&format!("{}{}", testbed(&[]), sloths(1).collect::<String>()));
    let added = async || hub.call(&token, "testbed/calls.count", &json!({})).await.status;
    eventually("who loads quickly is in", async || (added().await == 200).then_some(())).await;
    assert!(!compilers_of(hub.pid()).is_empty(), "the other one still compiles");
}

#[tokio::test]
async fn a_refused_import_is_told_before_anything_is_compiled() {
    let folder = Folder::new();
    let bytes = sloth_with(r#"(import "wasi:sockets/tcp@0.2.0" (instance))"#);
    let component = replace(folder.path(), "sloth.wasm", &bytes).display().to_string();
    let started = Instant::now();
    let hub = Hub::start(&format!("{HELLO}  sloth: {{ component: {component}, tools: [] }}\n"));
    let token = hub.token(ADMIN);
    let error = error_of(&hub.get("/health", Some(&token)).await.json(), "sloth");
    assert!(error.contains("it imports `wasi:sockets/tcp@0.2.0`, which the hub does not grant"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_component_that_takes_long_to_compile_does_not_keep_the_hub_from_starting() {
    let folder = Folder::new();
    let component = replace(folder.path(), "sloth.wasm", &sloth()).display().to_string();
    let mut hub = Hub::start_at_once(&format!("{HELLO}  sloth: {{ component: {component}, tools: [] }}\n"));
    let token = hub.token(ADMIN);
    let echo = async || hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await;
    eventually("it serves as soon as it is ready", async || (echo().await.status == 200).then_some(())).await;
    assert_eq!(hub.call(&token, "sloth/any.tool", &json!({})).await.json()["code"], "loading");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test]
async fn a_compiler_that_was_killed_is_tried_again_and_what_cannot_compile_is_not() {
    let folder = Folder::new();
    // Another component than any that is compiled already.
    let fresh = Uuid::new_v4().simple().to_string();
    let path = replace(folder.path(), "fresh.wasm", &variant(&fresh[..8]));
    let foreign = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#;
    let foreign = replace(folder.path(), "foreign.wasm", &wat::parse_str(foreign).expect("WAT"));
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let provider = Testbed { component: path.to_str().expect("text"), ..Testbed::default() };
    hub.configure(&format!("{HELLO}{}  foreign: {{ component: {}, tools: [] }}\n", provider.yaml(), foreign.display()));
    let compiler = eventually("it compiles", async || compilers_of(hub.pid()).pop()).await;
    assert!(Command::new("kill").args(["-KILL", &compiler.to_string()]).status().expect("kill runs").success());
    let health = async || hub.get("/health", Some(&token)).await.json();
    let killed = async || error_of(&health().await, "testbed").contains("was killed").then_some(());
    eventually("it is told", killed).await;
    assert!(error_of(&health().await, "foreign").contains("wasi:sockets"));
    // The event of it is a line of its own.
    let tells = |line: &str| line.contains("wasi:sockets") && !line.contains("event_type");
    let refused = || hub.log().lines().filter(|line| tells(line)).count();
    assert_eq!(refused(), 1);
    let serves = async || hub.call(&token, "testbed/calls.count", &json!({})).await.status == 200;
    eventually("it is tried again without a change", async || serves().await.then_some(())).await;
    assert_eq!(refused(), 1, "what lasts is left alone");
}

/// The processes that compile for a hub.
fn compilers_of(hub: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{hub}/task")).into_iter().flatten().flatten();
    let of_threads = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let all = of_threads.collect::<Vec<_>>().join(" ");
    all.split_whitespace().filter_map(|id| id.parse().ok()).filter(|id| is_compiler(*id)).collect()
}

fn is_compiler(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.contains("\0compile\0"))
}

#[tokio::test]
async fn the_hub_runs_what_another_process_compiled() {
    let mut hub = Hub::start(HELLO);
    hub.stop();
    let kept = hub.forget_compiled_code();
    hub.run();
    assert!(fs::read_dir(kept.join("modules")).expect("compiled code").next().is_some());
    assert!(!hub.log().contains("compiled code is not kept"), "{}", hub.log());

    hub.stop();
    let kept = hub.forget_compiled_code();
    fs::write(kept.join("modules"), "not a folder").expect("written");
    hub.run();
    let token = hub.token(ADMIN);
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
    assert!(hub.log().contains("compiled code is not kept"), "{}", hub.log());
}

#[tokio::test]
async fn code_that_is_not_as_it_was_left_is_compiled_again_by_a_process() {
    let mut hub = Hub::start(HELLO);
    hub.stop();
    let kept = hub.forget_compiled_code();
    hub.run();
    let entries = || fs::read_dir(kept.join("modules")).expect("compiled code");
    let files: Vec<_> = entries().map(|entry| entry.expect("an entry").path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let whole = fs::read(file).expect("code");
    let changed = |at: usize| {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        changed
    };
    let other = [&b"bulkhead code 1\n"[..], &[7; 32], b"\x7fELF"].concat();
    for (what, bytes) in [
        ("a bit of the code", changed(whole.len() / 2)),
        ("a bit of the digest", changed(20)),
        ("cut off", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("something else", other),
    ] {
        hub.stop();
        fs::write(file, bytes).expect("written");
        hub.run();
        let token = hub.token(ADMIN);
        assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200, "{what}");
        assert!(hub.log().contains("compiled code that was kept is not used"), "{what}: {}", hub.log());
        assert!(fs::read(file).expect("code") == whole, "{what}: mended");
    }
}
