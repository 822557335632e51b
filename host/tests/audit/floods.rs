//! Floods of what never runs: whatever callers send, and as fast as they can, the trail and the log grow slowly and others are
//! served.
//!
//! The bound: a caller has 100 rows of its own for what is refused, and then five a second; what is beyond shares one row for
//! each reason and second. A row with its indexes is about a kilobyte, and a line of the log a third of that.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    campaign,
    hub::{Hub, OPERATOR, VIEWER},
    jwt::{self, Es256},
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    rate_limits: { ops_viewer: { reads: 1/hour } }
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, class: read, min_role: ops_admin, schema_version: '1.0' }
";

/// Growth of the trail and the log together, in bytes a second, over the whole of a flood.
const GROWTH_MAX: u64 = 100_000;

/// Somebody who floods: its token, and what it sends.
struct Flooder {
    token: Option<String>,
    requests: Vec<(Method, String, String)>,
}

fn post(path: &str, body: impl ToString) -> (Method, String, String) {
    (Method::POST, path.to_owned(), body.to_string())
}

fn rpc(method: &str, params: &Value) -> (Method, String, String) {
    post("/mcp", json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

fn get(path: &str) -> (Method, String, String) {
    (Method::GET, path.to_owned(), String::new())
}

/// The largest things that lead to nothing, each for a reason of its own.
fn everything() -> Vec<(Method, String, String)> {
    let large = "x".repeat(60_000);
    let payload = json!({ "message": large });
    let made_up = (0..50).map(|number| post(&format!("/providers/nobody-{number}/echo.v1"), &payload));
    let health = (0..20).map(|_| get("/providers/hello-rs/health"));
    let all = [
        post("/providers/hello-rs/none", &payload),
        post("/providers/hello-rs/echo.v1", json!({ "other": large })),
        post("/providers/hello-rs/echo.v1", &payload),
        post("/providers/hello-rs/sum.v1", &payload),
        post("/providers/hello-rs/echo.v1", "{"),
        post(&format!("/providers/{}/x", "y".repeat(7000)), &payload),
        post("/providers/%FF/x", &payload),
        get("/providers/nobody/health"),
        get("/providers/hello-rs/echo.v1"),
        rpc("tools/call", &json!({ "name": "nobody.at.all", "arguments": payload })),
        rpc("tools/call", &json!({ "name": large })),
        rpc("tools/call", &json!([large])),
        rpc("resources/read", &json!({ "uri": format!("hello://{large}") })),
        rpc("prompts/get", &json!({ "name": "hello-rs.none", "arguments": payload })),
        rpc("prompts/get", &json!({ "name": "hello-rs.hello-plan", "arguments": payload })),
        rpc("tools/list", &json!({ "cursor": large })),
        rpc(&large, &json!({})),
        rpc("tools/destroy", &payload),
        post("/mcp", "[]"),
        post("/mcp", "{"),
        get("/mcp"),
    ];
    all.into_iter().chain(made_up).chain(health).collect()
}

impl Flooder {
    /// Sends it all again and again over sixteen connections, without waiting for more than it must; gives how often it was
    /// answered.
    async fn flood(&self, hub: &Hub, until: Instant) -> u64 {
        let answered = AtomicU64::new(0);
        let one = async |worker: usize| {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            for (method, path, body) in self.requests.iter().cycle().skip(worker * 7) {
                if Instant::now() >= until {
                    return;
                }
                let request = client.request(method.clone(), format!("{}{path}", hub.url)).body(body.clone());
                let request = request.header("content-type", "application/json");
                let request = match &self.token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                };
                // Some do not wait for their answer.
                let patience = Duration::from_millis(if worker.is_multiple_of(2) { 5000 } else { 20 });
                if request.timeout(patience).send().await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        join_all((0..16).map(one)).await;
        answered.into_inner()
    }
}

/// Bytes of the trail and of the log.
fn kept(hub: &Hub) -> (u64, u64) {
    let pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    let trail: i64 = hub.database().query_row(pages, [], |row| row.get(0)).expect("a size");
    (trail.unsigned_abs(), fs::metadata(hub.folder().join("log")).expect("a log").len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_what_never_runs_fills_neither_trail_nor_log_and_others_are_served() {
    let hub = Hub::start(HELLO);
    let nobody = Es256::of_hub(&hub).token(&json!({ "alg": "ES256" }), &jwt::claims("no-such-role"));
    let well_behaved = hub.token(OPERATOR);
    let flooders = [
        Flooder { token: Some(hub.token(VIEWER)), requests: everything() },
        Flooder { token: Some(nobody), requests: everything() },
        Flooder { token: Some("a.b.c".to_owned()), requests: everything() },
        Flooder { token: None, requests: everything() },
    ];
    let time = Duration::from_secs(campaign::size(10, 300));
    let before = kept(&hub);
    let started = Instant::now();
    let until = started + time;
    let serve = async {
        let (mut slowest, mut served) = (Duration::ZERO, 0);
        while Instant::now() < until {
            let asked = Instant::now();
            let reply = hub.call(&well_behaved, "hello-rs/echo.v1", &json!({ "message": "hi" })).await;
            // Its own quota is all that may be in its way.
            assert!(matches!(reply.status, 200 | 429), "{reply:?}");
            assert!(reply.status == 200 || reply.json()["code"] == "rate_limited", "{reply:?}");
            slowest = slowest.max(asked.elapsed());
            served += 1;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        (slowest, served)
    };
    let (answered, (slowest, served)) =
        tokio::join!(join_all(flooders.iter().map(|one| one.flood(&hub, until))), serve);
    let seconds = started.elapsed().as_secs().max(1);
    let after = kept(&hub);
    let (trail, log) = ((after.0 - before.0) / seconds, (after.1 - before.1) / seconds);
    let rows = hub.events();
    let times: u64 = rows.iter().map(|row| row["times"].as_u64().expect("a number")).sum();
    println!(
        "{answered:?} answers, {} rows for {times} operations, {trail} B/s of trail, {log} B/s of log",
        rows.len()
    );
    println!("a caller that means well: {served} calls, the slowest took {slowest:?}");
    assert!(trail + log < GROWTH_MAX, "{trail} and {log} bytes a second");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert!(served > 3 && answered.iter().all(|answered| *answered > 20), "{served}, {answered:?}");
    let longest = rows.iter().filter(|row| row["outcome"] != "ok").map(|row| row.to_string().len()).max();
    assert!(longest < Some(4000), "{longest:?}");
}

#[tokio::test]
async fn who_is_refused_too_often_is_told_that_and_may_still_do_what_it_may() {
    let hub = Hub::start_with(HELLO, &["--max-calls-per-caller", "200"]);
    let token = hub.token(VIEWER);
    let mut codes = std::collections::BTreeMap::<String, u64>::new();
    for _ in 0..16 {
        let calls = (0..100).map(async |number| hub.call(&token, &format!("nobody-{number}/x"), &json!({})).await);
        for reply in join_all(calls).await {
            let code = reply.json()["code"].as_str().expect("a code").to_owned();
            assert_eq!(reply.status, if code == "unknown_provider" { 404 } else { 429 }, "{reply:?}");
            assert!(reply.status == 404 || !reply.header("retry-after").is_empty(), "{reply:?}");
            *codes.entry(code).or_default() += 1;
        }
        if codes.contains_key("too_many_refused") {
            break;
        }
    }
    assert!(codes.contains_key("too_many_refused"), "{codes:?}");
    assert!(codes["unknown_provider"] < 1200, "{codes:?}");
    let echo = hub.call(&token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await;
    assert_eq!(echo.status, 200, "what it may do it may: {echo:?}");
    let other = hub.call(&hub.token(VIEWER), "nobody/x", &json!({})).await;
    assert_eq!(other.status, 404, "others have a limit of their own");
    let rows = hub.events();
    let times: u64 = rows.iter().map(|row| row["times"].as_u64().expect("a number")).sum();
    assert_eq!(times, codes.values().sum::<u64>() + 2, "every one is counted");
    assert!(rows.len() < 300, "{} rows", rows.len());
}

#[tokio::test]
async fn a_remembered_answer_of_health_is_counted_and_no_row_each() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    let mut asked = 0;
    for _ in 0..10 {
        for reply in join_all((0..30).map(|_| hub.get("/providers/hello-rs/health", Some(&token)))).await {
            assert_eq!(reply.status, 200, "{reply:?}");
            asked += 1;
        }
    }
    let rows = hub.events();
    let times: u64 = rows.iter().map(|row| row["times"].as_u64().expect("a number")).sum();
    assert_eq!(times, asked);
    assert!(rows.len() < 200, "{} rows", rows.len());
    assert!(rows.iter().all(|row| row["outcome"] == "ok" && row["operation"] == "check_health"), "{rows:?}");
}
