//! Compiling: what a component does to the compiler it does not do to the hub.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::rest::HELLO;
use crate::sandbox::error_of;
use crate::support::hub::{ADMIN, Folder, Hub, eventually};
use crate::support::testbed::{replace, testbed};

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
    let health = hub.get("/health", Some(&token)).await.json();
    let error = error_of(&health, "bomb");
    assert!(error.contains("more than 2 GiB of memory to compile"), "{error}");
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
    let peak = hub.memory_mib("VmHWM");
    assert!(peak < 256, "{peak} MiB at most");
}

/// A component whose one function is nothing but instructions that compilers make much of: some minutes' work.
fn sloth() -> Vec<u8> {
    let copies = "local.get 0 local.get 0 local.get 0 memory.copy\n".repeat(200_000);
    let text = format!("(component (core module (memory 1) (func (param i32) {copies})))");
    wat::parse_str(&text).expect("WAT")
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
