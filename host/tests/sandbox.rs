//! The sandbox: whatever a provider does, the hub and its other providers go on, and the row says what happened.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rest::HELLO;
use crate::support::hub::{ADMIN, Folder, Hub, Reply, VIEWER, eventually};
use crate::support::testbed::{Testbed, replace, testbed, variant};
use crate::support::upstream::Upstream;

fn told(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn recorded(event: &Value) -> (&str, &str) {
    (event["outcome"].as_str().expect("an outcome"), event["error_code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_looping_tool_is_a_504_within_its_timeout_and_100_ms() {
    let hub = Hub::start(&Testbed { timeout_ms: 300, ..Testbed::default() }.yaml());
    let token = hub.token(ADMIN);
    let mut ended_after = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        let reply = hub.call(&token, "testbed/spin.forever", &json!({})).await;
        let wall = started.elapsed();
        assert_eq!(told(&reply), (504, "timeout".into()));
        let event = hub.last_event();
        assert_eq!(recorded(&event), ("timeout", "timeout"));
        eprintln!("a loop with a timeout of 300 ms: {} ms, its answer after {wall:?}", duration(&event));
        ended_after.push(duration(&event));
    }
    // The best of three: a machine that does other things as well is late now and then.
    let best = ended_after.into_iter().min().expect("three");
    assert!((300..400).contains(&best), "{best} ms");
    assert_eq!(hub.call(&token, "testbed/calls.count", &json!({})).await.status, 200);
}

#[tokio::test]
async fn loops_on_every_core_leave_room_for_other_providers_and_health() {
    let hub = Hub::start(&format!("{HELLO}{}", Testbed { timeout_ms: 2000, ..Testbed::default() }.yaml()));
    let token = hub.token(ADMIN);
    let loops = std::thread::available_parallelism().expect("cores").get() * 4;
    let calls = async {
        let empty = json!({});
        let all = (0..loops).map(|_| hub.call(&token, "testbed/spin.forever", &empty));
        futures::future::join_all(all).await
    };
    let others = async {
        let mut slowest = (Duration::ZERO, Duration::ZERO);
        let until = Instant::now() + Duration::from_millis(1500);
        let mut calls = 0;
        while Instant::now() < until {
            let started = Instant::now();
            assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
            slowest.0 = slowest.0.max(started.elapsed());
            let started = Instant::now();
            assert!([200, 503].contains(&hub.get("/health", None).await.status));
            slowest.1 = slowest.1.max(started.elapsed());
            calls += 1;
        }
        (calls, slowest)
    };
    let (ended, (calls, (slowest_call, slowest_health))) = tokio::join!(calls, others);
    assert!(ended.iter().all(|reply| told(reply) == (504, "timeout".into())), "{ended:?}");
    let late: Vec<_> = hub.events().iter().filter(|event| event["outcome"] == "timeout").map(duration).collect();
    let latest = late.iter().max().expect("rows") - 2000;
    eprintln!(
        "{loops} loops: {calls} other calls, the slowest took {slowest_call:?}, /health {slowest_health:?}; the latest loop ended {latest} ms late"
    );
    assert_eq!(late.len(), loops);
    // Twenty where nothing else runs; two or three if loops kept the runtime from its timers and sockets.
    assert!(calls >= 6, "{calls} calls");
    assert!(slowest_call < Duration::from_millis(1000), "{slowest_call:?}");
    assert!(latest < 400, "{latest} ms late");
}

fn duration(event: &Value) -> u64 {
    event["duration_ms"].as_u64().expect("a number")
}

#[tokio::test]
async fn each_way_to_end_badly_has_its_code_and_the_next_call_works() {
    let hub = Hub::start(&testbed(&["sandbox: { memory_mib: 32 }"]));
    let token = hub.token(ADMIN);
    let endings = [
        ("memory.grow", json!({ "mib": 40 }), 502, "memory_limit"),
        ("crash.panic", json!({}), 502, "provider_crashed"),
        ("spin.recurse", json!({}), 502, "provider_crashed"),
        ("output.wrong", json!({}), 502, "output_invalid"),
        ("fail.with", json!({ "code": "conflict", "message": "twice" }), 409, "conflict"),
        ("fail.with", json!({ "code": "internal", "message": "a bug" }), 502, "provider_failed"),
    ];
    for (tool, input, status, code) in endings {
        let reply = hub.call(&token, &format!("testbed/{tool}"), &input).await;
        assert_eq!(told(&reply), (status, code.to_owned()), "{tool}: {reply:?}");
        let event = hub.last_event();
        assert_eq!(recorded(&event), ("failed", code), "{event}");
        assert_eq!(event["tool"], tool);
        assert_eq!(hub.call(&token, "testbed/memory.grow", &json!({ "mib": 8 })).await.status, 200, "after {tool}");
    }
    let wrong = hub.call(&token, "testbed/output.wrong", &json!({})).await.json();
    assert_eq!(wrong["errors"][0]["pointer"], "/number", "{wrong}");
    assert!(hub.log().contains("asked to"), "a panic's message is in the log: {}", hub.log());
    assert!(!hub.last_event()["error"].to_string().contains("0x"), "no addresses");
}

#[tokio::test]
async fn an_output_beyond_10_mib_is_refused() {
    let hub = Hub::start(&testbed(&["sandbox: { memory_mib: 128 }"]));
    let token = hub.token(ADMIN);
    let reply = hub.call(&token, "testbed/output.large", &json!({ "mib": 11 })).await;
    assert_eq!(told(&reply), (502, "output_too_large".into()));
    let large = hub.call(&token, "testbed/output.large", &json!({ "mib": 9 })).await;
    assert_eq!((large.status, large.text.len() > 9 << 20), (200, true));
}

#[tokio::test]
async fn every_call_has_an_instance_of_its_own() {
    let hub = Hub::start(&testbed(&[]));
    let token = hub.token(ADMIN);
    let input = json!({});
    let calls = futures::future::join_all((0..20).map(|_| hub.call(&token, "testbed/calls.count", &input))).await;
    assert!(calls.iter().all(|reply| reply.json() == json!({ "count": 1 })), "{calls:?}");
}

#[tokio::test]
async fn a_call_whose_client_goes_away_is_recorded_as_cancelled() {
    let hub = Hub::start(&Testbed { timeout_ms: 20_000, ..Testbed::default() }.yaml());
    let token = hub.token(ADMIN);
    let url = format!("{}/providers/testbed/spin.forever", hub.url);
    let request = hub.client().post(url).bearer_auth(token).body("{}").timeout(Duration::from_millis(300));
    assert!(request.send().await.expect_err("too slow").is_timeout());
    let event = eventually("the row", async || hub.events().pop()).await;
    assert_eq!(recorded(&event), ("cancelled", "cancelled"));
    assert!(duration(&event) < 10_000, "{event}");
}

#[tokio::test]
async fn calls_beyond_a_providers_concurrency_are_told_that_it_is_busy() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub = Hub::start(&testbed(&["sandbox: { concurrent_calls: 1 }", &hosts]));
    let token = hub.token(ADMIN);
    let input = json!({ "url": upstream.url("/wait") });
    let slow = hub.call(&token, "testbed/fetch.get", &input);
    let second = async {
        eventually("the first call is running", async || (!upstream.seen().is_empty()).then_some(())).await;
        let reply = hub.call(&token, "testbed/calls.count", &json!({})).await;
        upstream.release();
        reply
    };
    let (slow, second) = tokio::join!(slow, second);
    assert_eq!(slow.status, 200);
    assert_eq!((told(&second), second.header("retry-after")), ((503, "provider_busy".into()), "1"));
}

#[tokio::test]
async fn budgets_bound_requests_events_and_log_lines_of_a_call() {
    let upstream = Upstream::start();
    let hosts = format!("allowed_hosts: ['{}']", upstream.host());
    let hub = Hub::start(&testbed(&[&hosts]));
    let token = hub.token(ADMIN);

    let urls: Vec<_> = (0..65).map(|n| upstream.url(&format!("/echo?n={n}"))).collect();
    let many = hub.call(&token, "testbed/fetch.many", &json!({ "urls": urls })).await.json();
    let answers = many["answers"].as_array().expect("answers");
    for (n, answer) in answers[..64].iter().enumerate() {
        assert!(answer.as_str().expect("text").contains(&format!("n={n}\"")), "{n} in its place: {answer}");
    }
    assert!(answers[64].as_str().expect("text").starts_with("budget-exhausted"), "{}", answers[64]);
    assert_eq!(upstream.seen().len(), 64);

    let emit = async |times: u32| {
        let input = json!({ "event_type": "org.example.happened", "times": times });
        hub.call(&token, "testbed/event.emit", &input).await.status
    };
    assert_eq!((emit(32).await, emit(33).await), (200, 502));

    assert_eq!(hub.call(&token, "testbed/log.flood", &json!({ "lines": 5000 })).await.status, 200);
    let log = hub.log();
    assert!(log.contains("flood 99 (further lines of this call are dropped)"), "{log}");
    assert!(!log.contains("flood 100"), "the rest is dropped");
}

#[tokio::test]
async fn a_check_that_traps_is_down_and_calls_fail_fast_while_one_that_hangs_is_degraded() {
    let trapping = Testbed { name: "trapping", with: &["settings: { health: trap }"], ..Testbed::default() };
    let hanging = Testbed { name: "hanging", with: &["settings: { health: forever }"], ..Testbed::default() };
    let hub = Hub::start(&format!("{}{}", trapping.yaml(), hanging.yaml()));
    let token = hub.token(ADMIN);
    let trapped = hub.get("/providers/trapping/health", Some(&token)).await;
    assert_eq!((trapped.status, trapped.json()["status"].as_str()), (503, Some("down")), "{trapped:?}");
    let call = hub.call(&token, "trapping/calls.count", &json!({})).await;
    assert_eq!(told(&call), (503, "provider_unavailable".into()));

    let started = Instant::now();
    let hung = hub.get("/providers/hanging/health", Some(&token)).await;
    assert_eq!((hung.status, hung.json()["status"].as_str()), (200, Some("degraded")), "{hung:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(hub.call(&token, "hanging/calls.count", &json!({})).await.status, 200, "degraded still serves");
}

/// Components that break the contract, and what must be said of each.
const FOREIGN: [(&str, &str, &[&str]); 4] = [
    (
        "imports",
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance))
            (import "evil:backdoor/open" (instance))
            (import "bulkhead:provider/events@1.0.0" (instance))
            (import "bulkhead:provider/files@1.0.0" (instance)))"#,
        &[
            "`wasi:cli/environment@0.2.0`",
            "`evil:backdoor/open`",
            "`bulkhead:provider/files@1.0.0`",
            "does not export `bulkhead:provider/provider@1`",
        ],
    ),
    ("empty", "(component)", &["does not export `bulkhead:provider/provider@1`"]),
    (
        "hollow",
        r#"(component (instance $i) (export "bulkhead:provider/provider@1.0.0" (instance $i)))"#,
        &["`describe`", "`call-tool`", "`read-resource`", "`get-prompt`", "`check-health`"],
    ),
    ("module", r#"(module (func (export "describe")))"#, &["not a WebAssembly component", "core module"]),
];

#[tokio::test]
async fn a_component_that_breaks_the_contract_is_refused_naming_every_offence() {
    let folder = Folder::new();
    let providers: String = FOREIGN
        .iter()
        .map(|(name, text, _)| {
            let path = replace(folder.path(), &format!("{name}.wasm"), &wat::parse_str(text).expect("WAT"));
            format!("  {name}: {{ component: {}, tools: [] }}\n", path.display())
        })
        .collect();
    let hub = Hub::start(&format!("{HELLO}{providers}"));

    let checked = hub.program().args(["config", "check"]).output().expect("it runs");
    assert!(!checked.status.success());
    let checked = String::from_utf8(checked.stdout).expect("text");
    assert!(checked.contains("hello-rs: ok"), "{checked}");
    let token = hub.token(VIEWER);
    let health = hub.get("/health", Some(&token)).await.json();
    for (name, _, offences) in FOREIGN {
        let line = checked.lines().find(|line| line.starts_with(&format!("{name}:"))).expect(&checked);
        let error = error_of(&health, name);
        for offence in offences {
            assert!(line.contains(offence), "{line} lacks {offence}");
            assert!(error.contains(offence), "{error} lacks {offence}");
        }
    }
    assert!(!checked.contains("`bulkhead:provider/events@1.0.0`"), "what is granted is no offence: {checked}");
    assert!(!hub.get("/health", None).await.text.contains("evil"), "only callers with a token are told");
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
}

/// What `GET /health` says is wrong with a provider.
pub fn error_of(health: &Value, provider: &str) -> String {
    let providers = health["providers"].as_array().expect("providers");
    let found = providers.iter().find(|one| one["provider"] == provider);
    found.and_then(|one| one["error"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_provider_describes_itself_with_closed_gates() {
    let folder = Folder::new();
    let path = replace(folder.path(), "gates.wasm", &variant("gates"));
    let component = path.display().to_string();
    let with = ["allowed_hosts: ['http://127.0.0.1:1']", "vault_key: token"];
    let hub = Hub::start(&Testbed { component: &component, with: &with, ..Testbed::default() }.yaml());
    let tools = hub.mcp(&hub.token(VIEWER), "tools/list", &json!({})).await.to_string();
    for refusal in
        ["send: Err(Error::DeniedHost", "send-all: [Err(Error::DeniedHost", "reference: Err(Error::NotGranted"]
    {
        assert!(tools.contains(refusal), "{tools} lacks {refusal}");
    }
    for refusal in ["reveal: Err(Error::NotGranted", "emit: Err(Error::Invalid"] {
        assert!(tools.contains(refusal), "{tools} lacks {refusal}");
    }
    // A check describes and runs nothing else, and tells whatever is logged meanwhile.
    let checked = hub.program().args(["config", "check", "--log", "trace"]).output().expect("it runs");
    assert!(checked.status.success());
    assert!(!String::from_utf8_lossy(&checked.stderr).contains("logged while describing"));
}

#[tokio::test]
async fn a_provider_that_loops_or_traps_while_it_describes_itself_is_refused_in_time() {
    let folder = Folder::new();
    let providers: String = ["loop", "trap"]
        .map(|name| {
            let path = replace(folder.path(), &format!("{name}.wasm"), &variant(name));
            format!("  {name}: {{ component: {}, tools: [] }}\n", path.display())
        })
        .concat();
    let started = Instant::now();
    let hub = Hub::start(&format!("{HELLO}{providers}"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let token = hub.token(VIEWER);
    let health = hub.get("/health", Some(&token)).await.json();
    assert!(error_of(&health, "loop").contains("cannot describe itself: no answer within 2000 ms"), "{health}");
    assert!(error_of(&health, "trap").contains("cannot describe itself: the provider crashed"), "{health}");
    assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await.status, 200);
}

#[tokio::test]
async fn a_health_check_that_its_caller_breaks_off_is_a_cancelled_row_and_says_nothing_about_the_provider() {
    let hanging = Testbed { name: "hanging", with: &["settings: { health: forever }"], ..Testbed::default() };
    let hub = Hub::start(&hanging.yaml());
    let token = hub.token(VIEWER);
    let request = hub.client().get(format!("{}/providers/hanging/health", hub.url)).bearer_auth(&token);
    assert!(request.timeout(Duration::from_millis(300)).send().await.is_err(), "the caller goes away");
    let event = eventually("the check is on record", async || hub.events().pop()).await;
    assert_eq!((&event["operation"], &event["outcome"]), (&json!("check_health"), &json!("cancelled")), "{event}");
}
