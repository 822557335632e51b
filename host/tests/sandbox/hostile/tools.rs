//! Hostile tools: one component, one hub, one call after the other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub, Reply};
use crate::support::raw::{self, Raw};
use crate::support::testbed::replace;

/// All files of `tools/`, and a tool that does what it should.
pub const TEXT: &str = concat!(
    "(func $calm (type $tool) (call $done))\n",
    include_str!("tools/loops.wat"),
    include_str!("tools/traps.wat"),
    include_str!("tools/outputs.wat"),
    include_str!("tools/gates.wat"),
    include_str!("tools/memory.wat"),
);
const MEMORY_MIB: u32 = 32;
/// For tools that never end by themselves.
const SHORT_MS: u64 = 200;
const LONG_MS: u64 = 5000;
/// How much later than its deadline a call may end.
const LATE: Duration = Duration::from_millis(300);

/// Tool, status, code; an empty code is an answer.
const ROWS: &[(&str, u16, &str)] = &[
    ("loop.plain", 504, "timeout"),
    ("loop.calls", 504, "timeout"),
    ("loop.bulk", 504, "timeout"),
    ("loop.secrets", 504, "timeout"),
    ("recurse.plain", 502, "stack_limit"),
    ("recurse.indirect", 502, "stack_limit"),
    ("recurse.mutual", 502, "stack_limit"),
    ("recurse.wide", 502, "stack_limit"),
    ("trap.unreachable", 502, "provider_crashed"),
    ("trap.divide", 502, "provider_crashed"),
    ("trap.overflow", 502, "provider_crashed"),
    ("trap.convert", 502, "provider_crashed"),
    ("trap.load", 502, "provider_crashed"),
    ("trap.load-last", 502, "provider_crashed"),
    ("trap.store", 502, "provider_crashed"),
    ("trap.fill", 502, "provider_crashed"),
    ("trap.copy", 502, "provider_crashed"),
    ("trap.no-function", 502, "provider_crashed"),
    ("trap.other-type", 502, "provider_crashed"),
    ("trap.table-end", 502, "provider_crashed"),
    ("answer.null", 502, "provider_crashed"),
    ("answer.misaligned", 502, "provider_crashed"),
    ("answer.at-the-end", 502, "provider_crashed"),
    ("answer.no-case", 502, "provider_crashed"),
    ("answer.outside", 502, "provider_crashed"),
    ("answer.4-gib", 502, "provider_crashed"),
    ("answer.many-outside", 502, "provider_crashed"),
    ("answer.no-content", 502, "provider_crashed"),
    ("answer.no-code", 502, "provider_crashed"),
    ("argument.outside", 502, "provider_crashed"),
    ("argument.4-gib", 502, "provider_crashed"),
    ("argument.no-level", 502, "provider_crashed"),
    ("argument.no-method", 502, "provider_crashed"),
    ("argument.list-wraps", 502, "provider_crashed"),
    ("argument.misaligned-list", 502, "provider_crashed"),
    ("argument.answer-outside", 502, "provider_crashed"),
    ("output.not-utf8", 502, "provider_crashed"),
    ("output.surrogate-bytes", 502, "provider_crashed"),
    ("output.empty", 502, "output_invalid"),
    ("output.cut-off", 502, "output_invalid"),
    ("output.null", 502, "output_invalid"),
    ("output.nan", 502, "output_invalid"),
    ("output.infinity", 502, "output_invalid"),
    ("output.too-great", 502, "output_invalid"),
    ("output.lone-surrogate", 502, "output_invalid"),
    ("output.twice", 502, "output_invalid"),
    ("output.byte-order-mark", 502, "output_invalid"),
    ("output.control", 502, "output_invalid"),
    ("output.doubled-key", 502, "output_invalid"),
    ("output.deep", 502, "output_invalid"),
    ("output.long-number", 502, "output_invalid"),
    ("output.flood", 502, "output_limit"),
    ("output.bomb", 502, "hand_over_limit"),
    ("contents.thousands", 502, "output_limit"),
    ("contents.aliased", 502, "hand_over_limit"),
    ("error.not-utf8", 502, "provider_crashed"),
    ("error.flood", 502, "output_limit"),
    ("error.ages", 503, "upstream_rate_limited"),
    ("log.flood", 502, "log_limit"),
    ("log.not-utf8", 502, "provider_crashed"),
    ("log.long", 200, ""),
    ("log.forged", 200, ""),
    ("emit.flood", 502, "event_limit"),
    ("emit.flood-of-refused", 502, "event_limit"),
    ("emit.long", 200, ""),
    ("emit.not-utf8", 502, "provider_crashed"),
    ("send.flood", 502, "request_limit"),
    ("send.long-url", 200, ""),
    ("send.many-headers", 502, "hand_over_limit"),
    ("send.long-header", 200, ""),
    ("send.forged-header", 200, ""),
    ("send.long-body", 200, ""),
    ("send.later", 200, ""),
    ("send-all.thousands", 502, "request_limit"),
    ("send-all.million", 502, "hand_over_limit"),
    ("send-all.aliased", 502, "hand_over_limit"),
    ("secret.other", 200, ""),
    ("secret.long-name", 200, ""),
    ("memory.grow", 502, "memory_limit"),
    ("memory.grow-at-once", 502, "memory_limit"),
    ("memory.leave", 200, ""),
    ("memory.beyond", 502, "provider_crashed"),
    ("memory.again", 200, ""),
    ("memory.fill", 200, ""),
    ("table.grow", 502, "table_limit"),
    ("table.grow-at-once", 502, "table_limit"),
];

/// How long a tool may take, in milliseconds.
fn timeout_ms(tool: &str) -> u64 {
    if tool.starts_with("loop.") { SHORT_MS } else { LONG_MS }
}

fn provider(component: &str) -> String {
    let tools: String = raw::tools(TEXT)
        .into_iter()
        .map(|tool| {
            let timeout = timeout_ms(tool);
            format!("      - {{ name: {tool}, class: read, min_role: ops_viewer, timeout_ms: {timeout}, schema_version: '1.0' }}\n")
        })
        .collect();
    format!(
        "  raw:\n    component: {component}\n    allowed_hosts: ['https://example.org']\n    sandbox: {{ memory_mib: {MEMORY_MIB} }}\n    tools:\n{tools}"
    )
}

#[tokio::test]
async fn every_hostile_tool_ends_as_its_row_says_and_the_next_call_works() {
    let folder = Folder::new();
    let component = replace(folder.path(), "raw.wasm", &Raw::of(TEXT).build()).display().to_string();
    let hub = Hub::start(&format!("{HELLO}{}", provider(&component)));
    let token = hub.token(ADMIN);
    let named: Vec<_> = ROWS.iter().map(|row| row.0).chain(["calm"]).collect();
    let forgotten: Vec<_> = raw::tools(TEXT).into_iter().filter(|tool| !named.contains(tool)).collect();
    assert!(forgotten.is_empty(), "tools without a row: {forgotten:?}");

    let mut wrong = Vec::new();
    let mut calls = 0;
    let mut latest = Duration::ZERO;
    for (tool, status, code) in ROWS {
        let started = Instant::now();
        let reply = hub.call(&token, &format!("raw/{tool}"), &json!({})).await;
        let took = started.elapsed();
        let late = took.saturating_sub(Duration::from_millis(timeout_ms(tool)));
        latest = latest.max(late);
        let recorded = row(&hub, &reply);
        let expected = json!([status, code, code, 1]);
        let found =
            json!([reply.status, told(&reply), recorded["error_code"].as_str().unwrap_or_default(), recorded["rows"]]);
        if found != expected || late > LATE {
            wrong.push(format!("{tool}: {found} instead of {expected}, {took:?}: {:.300}", reply.text));
        }
        if took > Duration::from_millis(500) {
            eprintln!("{tool} took {took:?}");
        }
        for (path, input) in [("raw/calm", json!({})), ("hello-rs/echo.v1", json!({ "message": "hi" }))] {
            let next = hub.call(&token, path, &input).await;
            assert_eq!(next.status, 200, "{path} after {tool}: {next:?}");
        }
        calls += 3;
    }
    eprintln!("{} hostile tools; the latest ended {latest:?} after its deadline", ROWS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    still_well(&hub, calls).await;
}

/// Instances take the places in memory of those before them.
#[tokio::test]
async fn memory_that_a_call_grew_is_out_of_reach_of_the_next_and_empty_when_it_grows_again() {
    let folder = Folder::new();
    let component = replace(folder.path(), "raw.wasm", &Raw::of(TEXT).build()).display().to_string();
    let hub = Hub::start(&provider(&component));
    let token = hub.token(ADMIN);
    for _ in 0..10 {
        for (next, status) in [("memory.beyond", 502), ("memory.again", 200)] {
            let left = hub.call(&token, "raw/memory.leave", &json!({})).await;
            assert_eq!(left.status, 200, "{left:?}");
            let found = hub.call(&token, &format!("raw/{next}"), &json!({})).await;
            assert_eq!(found.status, status, "{next}: {found:?}");
        }
    }
}

fn told(reply: &Reply) -> String {
    if reply.status == 200 { String::new() } else { reply.json()["code"].as_str().unwrap_or_default().to_owned() }
}

/// The audit's row of an answer, and how many there are.
fn row(hub: &Hub, reply: &Reply) -> Value {
    let id = reply.header("x-call-id");
    let sql = "SELECT count(*), max(outcome), max(error_code), max(duration_ms) FROM events WHERE id = ?";
    hub.database()
        .query_row(sql, [id], |row| {
            Ok(json!({
                "rows": row.get::<_, i64>(0)?,
                "outcome": row.get::<_, Option<String>>(1)?,
                "error_code": row.get::<_, Option<String>>(2)?,
                "duration_ms": row.get::<_, Option<i64>>(3)?,
            }))
        })
        .expect("a row")
}

/// The hub answers, its audit has so many calls on record, and the rows are what was written.
pub async fn still_well(hub: &Hub, calls: usize) {
    assert!([200, 503].contains(&hub.get("/health", None).await.status));
    let sql = "SELECT sum(times) FROM events WHERE surface <> 'probe'";
    let rows: u32 = hub.database().query_row(sql, [], |row| row.get(0)).expect("a number");
    assert_eq!(rows as usize, calls, "each call is on record once");
    let verified = hub.command(&["audit", "verify"]);
    eprintln!("{calls} calls, {rows} on record; {verified}");
}
