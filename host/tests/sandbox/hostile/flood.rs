//! A hundred thousand calls (in a campaign; fewer in the test command), a third of them hostile: the hub keeps its size, and
//! a row of each.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::json;

use super::tools::still_well;
use super::wire::Wire;
use crate::support::campaign::size;
use crate::support::hello::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub, VIEWER, eventually};
use crate::support::raw::{self, Raw};
use crate::support::testbed::{Testbed, replace};

/// How many calls there are.
fn calls() -> usize {
    size(30_000, 100_000)
}
/// After so many the hub has its size.
const WARM: usize = 5000;
/// Calls under way at once, each on a connection of its own.
const CLIENTS: usize = 32;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Admin,
    Viewer,
    Nobody,
    /// Goes away before there is an answer.
    Leaver,
}

/// One sort of call and what becomes of it; one in so many calls of its side is of this sort.
struct Sort {
    path: &'static str,
    body: String,
    who: Who,
    status: u16,
    code: &'static str,
    /// 1: as often as the others; 100: a hundredth of that.
    rarity: usize,
}

fn sort(path: &'static str, body: &str, status: u16, code: &'static str) -> Sort {
    Sort { path, body: body.to_owned(), who: Who::Admin, status, code, rarity: 1 }
}

/// Calls that are meant well.
fn good() -> Vec<Sort> {
    vec![
        sort("hello-rs/echo.v1", r#"{"message":"hello"}"#, 200, ""),
        sort("hello-rs/sum.v1", r#"{"numbers":[1,2,3]}"#, 200, ""),
        sort("raw/calm", "{}", 200, ""),
        sort("testbed/memory.grow", r#"{"mib":1}"#, 200, ""),
        sort("testbed/write.note", r#"{"text":"a note"}"#, 200, ""),
        sort("testbed/event.emit", r#"{"event_type":"org.example.happened"}"#, 200, ""),
        sort("second-door/surroundings.tell", "{}", 200, ""),
        sort("hello-rs/echo.v1", &json!({ "message": "x".repeat(2000) }).to_string(), 200, ""),
    ]
}

/// Calls that are not.
fn hostile() -> Vec<Sort> {
    let rare = |rarity, sort| Sort { rarity, ..sort };
    let by = |who, sort| Sort { who, ..sort };
    vec![
        sort("raw/trap.unreachable", "{}", 502, "provider_crashed"),
        sort("raw/trap.load", "{}", 502, "provider_crashed"),
        sort("raw/trap.other-type", "{}", 502, "provider_crashed"),
        sort("raw/answer.4-gib", "{}", 502, "provider_crashed"),
        sort("raw/argument.list-wraps", "{}", 502, "provider_crashed"),
        sort("raw/output.not-utf8", "{}", 502, "provider_crashed"),
        sort("raw/output.nan", "{}", 502, "output_invalid"),
        sort("raw/output.deep", "{}", 502, "output_invalid"),
        sort("raw/error.ages", "{}", 503, "upstream_rate_limited"),
        sort("raw/recurse.wide", "{}", 502, "stack_limit"),
        sort("raw/emit.flood", "{}", 502, "event_limit"),
        sort("raw/log.flood", "{}", 502, "log_limit"),
        sort("raw/send.flood", "{}", 502, "request_limit"),
        sort("raw/send-all.thousands", "{}", 502, "request_limit"),
        sort("raw/secret.other", "{}", 200, ""),
        sort("raw/table.grow-at-once", "{}", 502, "table_limit"),
        sort("raw/memory.grow-at-once", "{}", 502, "memory_limit"),
        sort("testbed/crash.panic", "{}", 502, "provider_crashed"),
        sort("testbed/output.wrong", "{}", 502, "output_invalid"),
        sort("testbed/fetch.get", r#"{"url":"https://example.com/"}"#, 502, "upstream_unreachable"),
        sort("testbed/fetch.get", r#"{"url":"http://127.0.0.1:1/"}"#, 502, "upstream_unreachable"),
        sort("second-door/fetch.get", r#"{"url":"https://example.com/"}"#, 502, "upstream_unreachable"),
        sort("second-door/exit.now", "{}", 502, "provider_crashed"),
        sort("second-door/handles.hoard", r#"{"count":2000}"#, 502, "handle_limit"),
        sort("hello-rs/echo.v1", r#"{"message":"#, 400, "input_malformed"),
        sort("hello-rs/echo.v1", &"[".repeat(5000), 400, "input_too_complex"),
        sort("hello-rs/echo.v1", r#"{"message":7}"#, 400, "input_invalid"),
        sort("hello-rs/no.such", "{}", 404, "unknown_tool"),
        sort("no-such/echo.v1", "{}", 404, "unknown_provider"),
        // Denials of one second share a row, for which all but the first wait: few, or the test waits too.
        rare(10, by(Who::Viewer, sort("testbed/write.note", r#"{"text":"a note"}"#, 403, "role_too_low"))),
        rare(10, sort("raw/memory.grow", "{}", 502, "memory_limit")),
        rare(10, by(Who::Nobody, sort("hello-rs/echo.v1", "{}", 401, "token_missing"))),
        rare(30, sort("raw/output.flood", "{}", 502, "output_limit")),
        rare(30, sort("raw/contents.aliased", "{}", 502, "hand_over_limit")),
        rare(30, sort("raw/output.bomb", "{}", 502, "hand_over_limit")),
        rare(
            30,
            sort("hello-rs/echo.v1", &json!({ "message": "x".repeat(11 << 20) }).to_string(), 413, "input_too_large"),
        ),
        rare(20, sort("looping/loop.plain", "{}", 504, "timeout")),
        rare(20, sort("looping/loop.secrets", "{}", 504, "timeout")),
        rare(20, sort("looping/loop.calls", "{}", 504, "timeout")),
        rare(10, by(Who::Leaver, sort("raw/loop.plain", "{}", 499, "cancelled"))),
    ]
}

/// Which sort the call with this number is.
fn nth(sorts: &[Sort], number: usize) -> &Sort {
    let (round, index) = (number / sorts.len(), number % sorts.len());
    let sort = &sorts[index];
    // In other rounds the place of a rare one is taken by one of the first, which are not.
    if round.is_multiple_of(sort.rarity) { sort } else { &sorts[round % 8] }
}

/// What the calls came to.
#[derive(Debug, Default)]
struct Came {
    /// By code.
    to: BTreeMap<&'static str, usize>,
    hostile: usize,
}

#[tokio::test]
async fn calls_of_which_a_third_are_hostile_leave_the_hub_as_it_was() {
    let calls = calls();
    let folder = Folder::new();
    let text = super::tools::TEXT;
    let component = replace(folder.path(), "raw.wasm", &Raw::of(text).build()).display().to_string();
    let tools = raw::tools(text);
    let all = ["sandbox: { memory_mib: 32, concurrent_calls: 64, queued_calls: 1024 }"];
    let raw = Testbed { name: "raw", component: &component, tools: &tools, with: &all, ..Testbed::default() };
    let looping = Testbed { name: "looping", timeout_ms: 100, ..raw.clone() };
    let door = Testbed { with: &all, ..Testbed::second_door() };
    let testbed = Testbed { with: &all, ..Testbed::default() };
    let testbed = testbed
        .yaml()
        .replace("write.note, class: write, min_role: ops_viewer", "write.note, class: write, min_role: ops_admin");
    let providers = format!("{HELLO}{testbed}{}{}{}", raw.yaml(), looping.yaml(), door.yaml());
    let hub = Hub::start_with(&providers, &["--log", "warn"]);
    // One user has at most so many calls under way: each client is somebody else.
    let admins: Vec<_> = (0..CLIENTS).map(|_| hub.token(ADMIN)).collect();
    let viewer = hub.token(VIEWER);
    let tokens = (admins, viewer);
    let came = Mutex::new(Came::default());

    let resident = |hub: &Hub| {
        // Until what ended last is gone.
        std::thread::sleep(Duration::from_secs(2));
        hub.memory_mib("VmRSS")
    };
    let cold = resident(&hub);
    run(&hub, &tokens, 0..WARM, &came);
    let warm = resident(&hub);
    let started = Instant::now();
    run(&hub, &tokens, WARM..calls, &came);
    let took = started.elapsed();
    let end = resident(&hub);

    let came = came.into_inner().expect("a lock");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    eprintln!(
        "{calls} calls, {} of them hostile; the last {} in {took:.1?}, {:.0} per second; load {}",
        came.hostile,
        calls - WARM,
        (calls - WARM) as f64 / took.as_secs_f64(),
        load.trim()
    );
    eprintln!("{:?}", came.to);
    eprintln!("RSS: {cold} MiB at the start, {warm} MiB after {WARM} calls, {end} MiB at the end");
    assert!(came.hostile >= calls / 3, "{came:?}");
    let cancelled = came.to["cancelled"];
    eventually("those that left are on record", async || {
        let sql = "SELECT count(*) FROM events WHERE outcome = 'cancelled'";
        let rows: u32 = hub.database().query_row(sql, [], |row| row.get(0)).expect("a number");
        (rows as usize == cancelled).then_some(())
    })
    .await;
    still_well(&hub, calls).await;
    assert!(end * 100 <= warm * 120, "{end} MiB after {warm} MiB");
}

/// Makes the calls with these numbers.
fn run(hub: &Hub, (admins, viewer): &(Vec<String>, String), numbers: std::ops::Range<usize>, came: &Mutex<Came>) {
    let (good, hostile) = (good(), hostile());
    let next = AtomicUsize::new(numbers.start);
    std::thread::scope(|scope| {
        for admin in admins {
            let (good, hostile, next) = (&good, &hostile, &next);
            scope.spawn(move || {
                let mut wire = Wire::to(&hub.url);
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    let means_harm = number.is_multiple_of(3);
                    let sort = if means_harm { nth(hostile, number / 3) } else { nth(good, number) };
                    call(&mut wire, sort, admin, viewer);
                    let mut came = came.lock().expect("a lock");
                    *came.to.entry(sort.code).or_default() += 1;
                    came.hostile += usize::from(means_harm);
                }
            });
        }
    });
}

fn call(wire: &mut Wire, sort: &Sort, admin: &str, viewer: &str) {
    let path = format!("/providers/{}", sort.path);
    let token = match sort.who {
        Who::Admin => Some(admin),
        Who::Viewer => Some(viewer),
        Who::Nobody => None,
        Who::Leaver => {
            return wire.post_and_leave(&path, admin, sort.body.as_bytes(), Duration::from_millis(400));
        }
    };
    let answer = wire.post(&path, token, sort.body.as_bytes());
    let found = (answer.status, if answer.status == 200 { String::new() } else { answer.code() });
    assert_eq!(
        found,
        (sort.status, sort.code.to_owned()),
        "{}: {:.300}",
        sort.path,
        String::from_utf8_lossy(&answer.body)
    );
}
