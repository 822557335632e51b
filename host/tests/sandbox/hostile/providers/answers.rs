//! Providers that load, and misbehave when a resource is read or a prompt is asked for.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{CALM, entry, row, rows, well_described};
use crate::sandbox::hostile::tools::still_well;
use crate::support::hello::HELLO;
use crate::support::hub::{Folder, Hub, VIEWER};
use crate::support::raw::Raw;
use crate::support::testbed::replace;

const FILE: &str = include_str!("answers.wat");
/// Both exports do what a row's `$reply` does. A resource's content is 28 bytes, a prompt's message 36: what is laid out
/// here is both, a text under the URI at 256 or said by the user.
const FRAME: &str = r#"
(data (i32.const 256) "raw://it")
(global $resource (mut i32) (i32.const 0))
(func $items (param $at i32) (param $count i32) (result i32) (local $result i32)
  (local.set $result (call $alloc (i32.const 40)))
  (i32.store offset=8 (local.get $result) (local.get $at))
  (i32.store offset=12 (local.get $result) (local.get $count))
  (local.get $result))
(func $one (param $at i32) (param $len i32) (result i32) (local $item i32)
  (local.set $item (call $alloc (i32.const 40)))
  (if (global.get $resource)
    (then
      (i32.store (local.get $item) (i32.const 256))
      (i32.store offset=4 (local.get $item) (i32.const 8))
      (i32.store offset=20 (local.get $item) (local.get $at))
      (i32.store offset=24 (local.get $item) (local.get $len)))
    (else
      (i32.store offset=8 (local.get $item) (local.get $at))
      (i32.store offset=12 (local.get $item) (local.get $len))))
  (call $items (local.get $item) (i32.const 1)))
(func (export "{interface}read-resource") (param i32 i32 i32 i32 i32 i32 i32 i64 i32 i32) (result i32)
  (global.set $resource (i32.const 1)) (call $reply))
(func (export "{interface}get-prompt") (param i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32) (result i32)
  (call $reply))
"#;
/// Reading and asking take five seconds at most.
const LATEST: Duration = Duration::from_millis(5500);

/// A row of the file, the outcome that is recorded, and the code that is told and recorded.
const ROWS: &[(&str, &str, &str)] = &[
    ("loops", "timeout", "timeout"),
    ("recurses", "failed", "stack_limit"),
    ("traps", "failed", "provider_crashed"),
    ("grows", "failed", "memory_limit"),
    ("outside", "failed", "provider_crashed"),
    ("no-case", "failed", "provider_crashed"),
    ("items-outside", "failed", "provider_crashed"),
    ("items-millions", "failed", "hand_over_limit"),
    ("text-outside", "failed", "provider_crashed"),
    ("text-no-text", "failed", "provider_crashed"),
    ("text-12-mib", "failed", "output_limit"),
    // What it says is for the caller, as a tool's output is.
    ("text-unseen", "ok", ""),
    ("error-no-code", "failed", "provider_crashed"),
    ("error-no-text", "failed", "provider_crashed"),
    ("error-12-mib", "failed", "output_limit"),
    ("logs-on", "failed", "log_limit"),
];

#[tokio::test]
async fn whatever_is_answered_for_a_resource_or_a_prompt_ends_as_its_row_says() {
    assert_eq!(rows(FILE), ROWS.iter().map(|row| row.0).collect::<Vec<_>>(), "each row of the file has its end");
    let folder = Folder::new();
    let entries = ROWS.iter().map(|(name, ..)| {
        let text = format!("{CALM}{FRAME}{}", row(FILE, name));
        let bytes = Raw { text: &text, description: Some(well_described()), ..Raw::default() }.build();
        entry(name, &replace(folder.path(), &format!("{name}.wasm"), &bytes).display().to_string())
    });
    let hub = Hub::start(&format!("{HELLO}{}", entries.collect::<String>()));
    let token = hub.token(VIEWER);
    let mut wrong = String::new();
    for (name, outcome, code) in ROWS {
        let uri = format!("{name}+raw://it");
        for (method, params, operation) in [
            ("resources/read", json!({ "uri": uri }), "read_resource"),
            ("prompts/get", json!({ "name": format!("{name}.ask") }), "get_prompt"),
        ] {
            let before = hub.events().len();
            let started = Instant::now();
            let reply = hub.mcp(&token, method, &params).await;
            let took = started.elapsed();
            let events = hub.events();
            let row = &events[events.len() - 1];
            let found = json!([
                reply["error"]["data"]["bulkhead"]["code"].as_str().unwrap_or_default(),
                [row["provider"], row["operation"], row["outcome"], row["error_code"].as_str().unwrap_or_default()],
                events.len() - before,
            ]);
            if found != json!([code, [name, operation, outcome, code], 1]) || took > LATEST {
                writeln!(wrong, "{name} {method} after {took:?}: {found}: {:.300}", reply.to_string())
                    .expect("a string");
            }
            for next in [format!("{name}/calm"), "hello-rs/echo.v1".to_owned()] {
                let reply = hub.call(&token, &next, &json!({ "message": "hi" })).await;
                assert_eq!(reply.status, 200, "{next} after {name} {method}: {reply:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    still_well(&hub, ROWS.len() * 6).await;
}

#[tokio::test]
async fn what_is_read_cannot_pass_for_a_resource_of_another() {
    let folder = Folder::new();
    let reply = "(func $reply (result i32) (call $one (i32.const 64) (i32.const 2)))";
    let put = |name: &str, frame: &str| {
        let text = format!("{CALM}{frame}{reply}");
        let bytes = Raw { text: &text, description: Some(well_described()), ..Raw::default() }.build();
        entry(name, &replace(folder.path(), &format!("{name}.wasm"), &bytes).display().to_string())
    };
    let foreign = FRAME.replace("raw://it", "hello://greeting").replace("item) (i32.const 8)", "item) (i32.const 16)");
    let hub = Hub::start(&format!("{HELLO}{}{}", put("honest", FRAME), put("foreign", &foreign)));
    let token = hub.token(VIEWER);
    let read = async |uri: &str| hub.mcp(&token, "resources/read", &json!({ "uri": uri })).await;
    let own = read("honest+raw://it").await;
    assert_eq!(own["result"]["contents"][0]["text"], "{}", "{own}");
    let refused = read("foreign+raw://it").await;
    assert_eq!(refused["error"]["data"]["bulkhead"]["code"], "output_invalid", "{refused}");
    assert_eq!(hub.last_event()["error_code"], "output_invalid");
}
