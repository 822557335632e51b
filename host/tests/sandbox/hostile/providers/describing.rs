//! Providers that misbehave while they come to be or describe themselves.

use std::time::Duration;

use serde_json::json;

use super::{CALM, Refused, all_refused, entry, row, rows, well_described};
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub};
use crate::support::raw::Raw;
use crate::support::testbed::replace;

const FILE: &str = include_str!("describing.wat");
const LATE: &[&str] = &["cannot describe itself: no answer within 2000 ms"];
const CRASHED: &[&str] = &["cannot describe itself: the provider crashed"];
const STACK: &[&str] = &["cannot describe itself: stack limit"];
const MEMORY: &[&str] = &["cannot describe itself: memory limit 64 MiB reached"];
const TABLE: &[&str] = &["cannot describe itself: table limit 20000 elements reached"];
const HAND_OVER: &[&str] = &["cannot describe itself: hand-over limit 64 MiB reached"];

/// A row of the file, and what is said of it.
const ROWS: &[(&str, &[&str])] = &[
    ("describe-loops", LATE),
    ("describe-loops-in-gates", LATE),
    ("describe-recurses", STACK),
    ("describe-traps", CRASHED),
    ("describe-grows", MEMORY),
    ("describe-table-grows", TABLE),
    ("describe-outside", CRASHED),
    ("describe-misaligned", CRASHED),
    ("describe-tools-outside", CRASHED),
    ("describe-summary-outside", CRASHED),
    ("describe-list-wraps", CRASHED),
    ("describe-million-tools", HAND_OVER),
    ("describe-aliased", HAND_OVER),
    ("describe-long", &["cannot describe itself: output limit 10 MiB reached"]),
    ("start-loops", LATE),
    ("start-traps", CRASHED),
    ("start-grows", MEMORY),
    ("start-recurses", STACK),
    ("realloc-loops", LATE),
    ("realloc-traps", CRASHED),
    ("realloc-outside", CRASHED),
    ("realloc-calls-back", CRASHED),
    ("post-return-loops", LATE),
    ("post-return-traps", CRASHED),
    ("post-return-calls-back", CRASHED),
    ("memory-from-the-start", MEMORY),
    ("table-from-the-start", &["limit", "20000"]),
    ("data-outside", CRASHED),
];

fn build(name: &str) -> Vec<u8> {
    let text = format!("{CALM}{}", row(FILE, name));
    Raw { text: &text, description: Some(well_described()), ..Raw::default() }.build()
}

#[tokio::test]
async fn a_provider_that_cannot_describe_itself_is_refused_in_time_and_says_why() {
    let named: Vec<_> = ROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows(FILE), named, "each row of the file has its end");
    let refused: Vec<_> = ROWS.iter().map(|(name, telling)| Refused::new(name, build(name), telling)).collect();
    // Two seconds for each of the five that loop; compiling takes the rest, on a busy machine most of it.
    all_refused(&refused, Duration::from_secs(45)).await;
}

/// Uses every gate again and again before it describes itself as it should.
const FLOOD: &str = r#"
(data (i32.const 128) "https://example.org/flood")
(data (i32.const 160) "org.example.flood")
(func (export "{interface}describe") (result i32) (local $i i32)
  (loop $more
    (call $log (i32.const 3) (i32.const 128) (i32.const 25))
    (call $emit (i32.const 160) (i32.const 17) (i32.const 64) (i32.const 2) (i32.const 0))
    (call $send (i32.const 0) (i32.const 128) (i32.const 25) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $reference (i32.const 64) (i32.const 2) (i32.const 0))
    (call $reveal (i32.const 64) (i32.const 2) (i32.const 0))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $i) (i32.const 2000))))
  (i32.const {described}))
"#;

#[tokio::test]
async fn a_flood_while_describing_reaches_nobody() {
    let folder = Folder::new();
    let text = format!("{CALM}{FLOOD}");
    let bytes = Raw { text: &text, description: Some(well_described()), ..Raw::default() }.build();
    let path = replace(folder.path(), "flood.wasm", &bytes).display().to_string();
    let hub = Hub::start_with(&format!("{HELLO}{}", entry("flood", &path)), &["--log", "trace"]);
    let token = hub.token(ADMIN);
    assert_eq!(hub.call(&token, "flood/calm", &json!({})).await.status, 200, "{}", hub.log());
    assert!(!hub.log().contains("example.org/flood"), "not a line of it is written");
    let events: i64 = hub
        .database()
        .query_row("SELECT count(*) FROM events WHERE surface NOT IN ('probe', 'hub')", [], |row| row.get(0))
        .expect("a number");
    assert_eq!(events, 1, "only the call is on record");
}
