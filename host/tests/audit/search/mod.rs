//! Reading the trail over REST: who sees what, and that nothing is repeated, skipped, or held up by it.

mod commands;
mod exports;
mod fairness;
mod outages;
mod plans;
mod remote;
mod store;
mod streams;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hello::HELLO,
    hub::{ADMIN, AUDITOR, Hub, OPERATOR, Reply, VIEWER},
    jwt::{self, Es256},
};

use store::{Kept, Store, on_both_stores};

on_both_stores! {
    callers_see_their_own_rows_and_those_who_answer_for_all_see_all,
    the_auditor_may_read_the_trail_and_health_and_nothing_of_tools,
    each_filter_finds_what_it_says_and_nothing_else,
    what_is_no_parameter_or_no_value_is_a_400_that_tells_what_is,
    pages_neither_repeat_nor_skip_while_rows_are_added,
    what_somebody_has_put_into_a_row_is_harmless_where_it_is_shown,
    a_hundred_readers_do_not_stop_calls,
    the_trail_is_read_also_while_nothing_can_be_added_to_it_unless_the_read_is_to_be_on_record,
    free_text_finds_the_same_in_both_stores_wherever_it_stands,
}

/// Calls of two users: three of a viewer, of which one is denied, and one of an operator.
struct Scene {
    hub: Kept,
    viewer: Uuid,
    operator: Uuid,
}

impl Scene {
    async fn new(store: Store) -> Self {
        let (hub, viewer, operator) = (Kept::start(store, HELLO).await, Uuid::new_v4(), Uuid::new_v4());
        let token = hub.token_for(VIEWER, viewer);
        for message in ["one", "100%_\"x\""] {
            assert_eq!(hub.call(&token, "hello-rs/echo.v1", &json!({ "message": message })).await.status, 200);
        }
        assert_eq!(hub.call(&token, "hello-rs/sum.v1", &json!({ "numbers": [1] })).await.status, 403);
        let token = hub.command(&["token", "--role", OPERATOR, "--user", &operator.to_string(), "--team", "blue"]);
        let request = hub.client().post(format!("{}/providers/hello-rs/sum.v1", hub.url)).body(r#"{"numbers":[2]}"#);
        let request = request.header("content-type", "application/json").header("x-correlation-id", "req-7");
        assert_eq!(Hub::send(request, Some(&token)).await.status, 200);
        Self { hub, viewer, operator }
    }

    fn token(&self, role: &str) -> String {
        match role {
            VIEWER => self.hub.token_for(VIEWER, self.viewer),
            OPERATOR => self.hub.token_for(OPERATOR, self.operator),
            other => self.hub.token(other),
        }
    }

    async fn list(&self, role: &str, query: &str) -> Reply {
        self.hub.get(&format!("/audit/events?{query}"), Some(&self.token(role))).await
    }

    /// The tools of the events that a query finds, newest first, without those of health checks.
    async fn tools(&self, role: &str, query: &str) -> Vec<String> {
        let reply = self.list(role, query).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        let events = reply.json()["events"].as_array().expect("events").clone();
        events.iter().filter_map(|event| event["tool"].as_str().map(str::to_owned)).collect()
    }
}

fn today() -> String {
    format!("from={}", (chrono::Utc::now() - Duration::from_secs(3600)).format("%Y-%m-%dT%H:%M:%SZ"))
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["code"].as_str().unwrap_or_default().to_owned())
}

async fn callers_see_their_own_rows_and_those_who_answer_for_all_see_all(store: Store) {
    let scene = Scene::new(store).await;
    let hub = &scene.hub;
    assert_eq!(scene.tools(VIEWER, "").await, ["sum.v1", "echo.v1", "echo.v1"]);
    assert_eq!(scene.tools(OPERATOR, "").await, ["sum.v1"]);
    for role in [ADMIN, AUDITOR] {
        assert_eq!(scene.tools(role, "").await, ["sum.v1", "sum.v1", "echo.v1", "echo.v1"], "{role}");
    }
    assert_eq!(scene.tools(VIEWER, &format!("caller={}", scene.operator)).await, Vec::<String>::new());
    let listed = scene.list(ADMIN, "operation=call_tool&limit=1&total=true").await.json();
    assert!(listed["events"][0].get("payload").is_none(), "{listed}");
    assert_eq!((&listed["total"], &listed["total_is_exact"]), (&json!(4), &json!(true)));

    let of_operator = scene.list(OPERATOR, "tool=sum.v1").await.json()["events"][0].clone();
    let path = format!("/audit/events/{}", of_operator["id"].as_str().expect("an id"));
    let others = hub.get(&path, Some(&scene.token(VIEWER))).await;
    assert_eq!(code(&others), (404, "not_found".to_owned()), "it may be there or not");
    let nowhere = hub.get(&format!("/audit/events/{}", Uuid::now_v7()), Some(&scene.token(VIEWER))).await;
    assert_eq!(code(&nowhere), code(&others));
    let own = hub.get(&path, Some(&scene.token(OPERATOR))).await.json();
    assert_eq!((&own["event"]["payload"], &own["event"]["result"]), (&json!({ "numbers": [2] }), &json!({ "sum": 2 })));
    let row = hub.last_event().await;
    assert_eq!((&row["operation"], &row["payload"]), (&json!("audit_show"), &Value::Null), "one's own is only counted");
    for role in [ADMIN, AUDITOR] {
        let shown = hub.get(&path, Some(&scene.token(role))).await;
        assert_eq!((shown.status, shown.json()), (200, own.clone()), "{role}");
        let row = hub.last_event().await;
        assert_eq!((&row["operation"], &row["outcome"]), (&json!("audit_show"), &json!("ok")), "{role}");
        assert_eq!(row["payload"], json!({ "id": of_operator["id"] }).to_string());
    }
    assert_eq!(hub.get("/audit/events", None).await.status, 401);
    let nobody = hub.get("/audit/events", Some(&no_role(hub))).await;
    assert_eq!(code(&nobody), (403, "role_too_low".to_owned()));
}

/// A token without a role.
fn no_role(hub: &Hub) -> String {
    Es256::of_hub(hub).token(&json!({ "alg": "ES256" }), &jwt::claims("no-such-role"))
}

async fn the_auditor_may_read_the_trail_and_health_and_nothing_of_tools(store: Store) {
    let hub = Kept::start(store, HELLO).await;
    let token = hub.token(AUDITOR);
    for path in ["hello-rs/echo.v1", "hello-rs/none", "none/none"] {
        let refused = hub.call(&token, path, &json!({ "message": "x" })).await;
        assert_eq!(code(&refused), (403, "role_too_low".to_owned()), "{path}: it learns nothing of what there is");
    }
    assert_eq!(hub.get("/providers/hello-rs/health", Some(&token)).await.status, 403);
    for (list, member) in [("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts")] {
        let listed = hub.mcp(&token, list, &json!({})).await;
        assert_eq!(listed["result"][member], json!([]), "{listed}");
    }
    let read = hub.mcp(&token, "resources/read", &json!({ "uri": "hello://greeting" })).await;
    assert_eq!(read["error"]["data"]["bulkhead"]["code"], "role_too_low", "{read}");
    assert_ne!(hub.get("/health", Some(&token)).await.status, 403);
    assert_eq!(hub.get("/audit/events", Some(&token)).await.status, 200);
    let document = hub.get("/openapi.json", Some(&token)).await.json();
    let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().collect();
    let expected = ["/audit/events", "/audit/events/{id}", "/audit/export", "/audit/stream", "/audit/usage"];
    assert_eq!(paths, expected);
}

async fn each_filter_finds_what_it_says_and_nothing_else(store: Store) {
    let scene = Scene::new(store).await;
    let operators = scene.list(OPERATOR, "tool=sum.v1").await.json()["events"][0].clone();
    let (of, revision) = (|name: &str| operators[name].as_str().expect(name).to_owned(), operators["revision"].clone());
    let revision = revision.as_str().expect("a revision");
    let at = of("recorded_at");
    for (query, tools) in [
        ("tool=sum.v1", &["sum.v1", "sum.v1"][..]),
        ("provider=hello-rs&tool=echo.v1", &["echo.v1", "echo.v1"]),
        ("provider=none", &[]),
        (&format!("caller={}", scene.viewer), &["sum.v1", "echo.v1", "echo.v1"]),
        ("team=blue", &["sum.v1"]),
        ("role=ops_viewer", &["sum.v1", "echo.v1", "echo.v1"]),
        ("outcome=denied", &["sum.v1"]),
        ("error_code=role_too_low", &["sum.v1"]),
        ("operation=call_tool&surface=rest", &["sum.v1", "sum.v1", "echo.v1", "echo.v1"]),
        ("surface=mcp", &[]),
        ("hostname=example.org", &[]),
        ("correlation_id=req-7", &["sum.v1"]),
        (&format!("revision={revision}&role=ops_operator"), &["sum.v1"]),
        (&format!("from={at}&role=ops_operator"), &["sum.v1"]),
        (&format!("to={at}&role=ops_operator"), &[]),
        ("from=2020-01-01&to=2020-01-02", &[]),
        ("min_duration_ms=600000", &[]),
        ("min_duration_ms=0&team=blue", &["sum.v1"]),
        (&format!("text=ONE&{}", today()), &["echo.v1"]),
        (&format!("text=%25_%22X&{}", today()), &["echo.v1"]),
        (&format!("text=%25&{}", today()), &["echo.v1"]),
        (&format!("text=this+needs+the+role&{}", today()), &["sum.v1"]),
    ] {
        assert_eq!(scene.tools(ADMIN, query).await, tools, "{query}");
    }
    let row = scene.hub.last_event().await;
    assert_eq!(row["operation"], "audit_list", "whoever searches what others sent is on record");
    assert!(row["payload"].as_str().is_some_and(|payload| payload.contains("this needs the role")), "{row}");
}

async fn what_is_no_parameter_or_no_value_is_a_400_that_tells_what_is(store: Store) {
    let hub = Kept::start(store, HELLO).await;
    let token = hub.token(ADMIN);
    let cursor = "AQAAAZ";
    for (query, told) in [
        ("tols=x", "there is no parameter `tols`: there are provider, tool, "),
        ("tool=a&tool=b", "`tool` is there twice"),
        ("limit=1&limit=2", "`limit` is there twice"),
        ("limit=0", "`limit` has to be a number, 1 to 500"),
        ("limit=501", "`limit` has to be a number, 1 to 500"),
        ("limit=-1", "`limit` has to be a number"),
        ("total=1", "`total` has to be `true` or `false`"),
        ("outcome=ok'%20OR%201=1--", "`outcome` cannot be"),
        ("caller=1%20OR%201=1", "`caller` has to be a user's UUID"),
        ("from=now", "`from` has to be a time"),
        ("from=2026-01-02&to=2026-01-01", "`to` is not later"),
        ("min_duration_ms=1e3", "`min_duration_ms` has to be a whole number"),
        ("text=x", "`text` is searched within a day"),
        ("tool=%00", "`tool` has to be a text without control"),
        ("tool=%ff", "`tool` has to be a text without control"),
        ("tool=", "`tool` has to be a text of 1 to 256"),
        ("cursor=", "`cursor`: a cursor is what an answer says under `next`"),
        (&format!("cursor={cursor}"), "`cursor`: a cursor is"),
        ("cursor=%27%3BDROP%20TABLE%20run_events", "`cursor`: a cursor is"),
        ("format=csv", "there is no parameter `format`"),
    ] {
        let reply = hub.get(&format!("/audit/events?{query}"), Some(&token)).await;
        assert_eq!(code(&reply), (400, "params_invalid".to_owned()), "{query}: {reply:?}");
        let detail = reply.json()["detail"].as_str().expect("a text").to_owned();
        assert!(detail.starts_with(told), "{query}: {detail}");
    }
    let reply = hub.get("/audit/events/x'%20OR%201=1", Some(&token)).await;
    assert_eq!(code(&reply), (404, "not_found".to_owned()));
    // Values are values, whatever they say.
    for value in ["' OR '1'='1", "x'); DROP TABLE ops.run_events; --", "\\", "%", "_", "\"", "?1"] {
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for parameter in ["tool", "provider", "team", "hostname", "correlation_id", "revision"] {
            let reply = hub.get(&format!("/audit/events?{parameter}={encoded}"), Some(&token)).await;
            assert_eq!((reply.status, &reply.json()["events"]), (200, &json!([])), "{parameter}={value}");
        }
        let reply = hub.get(&format!("/audit/events?text={encoded}&caller={}", Uuid::nil()), Some(&token)).await;
        assert_eq!((reply.status, &reply.json()["events"]), (200, &json!([])), "text={value}");
    }
}

async fn pages_neither_repeat_nor_skip_while_rows_are_added(store: Store) {
    let hub = Kept::start(store, HELLO).await;
    let (caller, token) = (hub.token(VIEWER), hub.token(ADMIN));
    let call = async || hub.call(&caller, "hello-rs/echo.v1", &json!({ "message": "x" })).await;
    futures::future::join_all((0..20).map(|_| call())).await;
    let there: Vec<Value> = hub.events().await.iter().map(|event| event["id"].clone()).collect();
    let (mut seen, mut path) = (Vec::new(), "/audit/events?tool=echo.v1&limit=3".to_owned());
    loop {
        let page = hub.get(&path, Some(&token)).await.json();
        seen.extend(page["events"].as_array().expect("events").iter().map(|event| event["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/audit/events?tool=echo.v1&limit=3&cursor={next}");
        call().await;
    }
    assert_eq!(seen.len(), 20);
    let distinct: BTreeSet<_> = seen.iter().map(ToString::to_string).collect();
    assert_eq!(distinct, there.iter().map(ToString::to_string).collect());
    let times: Vec<_> = hub.get("/audit/events?tool=echo.v1", Some(&token)).await.json()["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| (event["recorded_at"].to_string(), event["seq"].as_i64()))
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");
}

async fn what_somebody_has_put_into_a_row_is_harmless_where_it_is_shown(store: Store) {
    let hub = Kept::start(store, HELLO).await;
    let (caller, token) = (hub.token(VIEWER), hub.token(ADMIN));
    let message = "\u{202e}<script>\u{1b}[31m";
    let reply = hub.call(&caller, "hello-rs/echo.v1", &json!({ "message": message })).await;
    assert_eq!(reply.status, 200);
    let shown = hub.get(&format!("/audit/events/{}", reply.header("x-call-id")), Some(&token)).await;
    assert_eq!(shown.json()["event"]["payload"]["message"], message);
    assert!(!shown.text.contains(['\u{202e}', '\u{1b}']), "{}", shown.text);
    assert_eq!((shown.header("content-type"), shown.header("cache-control")), ("application/json", "no-store"));
}

async fn a_hundred_readers_do_not_stop_calls(store: Store) {
    let hub = Kept::start(store, HELLO).await;
    let caller = hub.token(OPERATOR);
    let call = async || hub.call(&caller, "hello-rs/echo.v1", &json!({ "message": "x" })).await.status;
    for _ in 0..50 {
        assert_eq!(call().await, 200);
    }
    let tokens: Vec<_> = (0..10).map(|_| hub.token(ADMIN)).collect();
    let path = format!("/audit/events?limit=500&total=true&text=nowhere&{}", today());
    let reads = futures::future::join_all((0..100).map(|reader| hub.get(&path, Some(&tokens[reader % 10]))));
    let calls = async {
        let mut answered = 0;
        for _ in 0..30 {
            answered += u32::from(call().await == 200);
        }
        answered
    };
    let (reads, answered) = futures::future::join(reads, calls).await;
    assert_eq!(answered, 30);
    let of = |status: u16| reads.iter().filter(|reply| reply.status == status).count();
    assert_eq!(of(200) + of(429), 100, "{:?}", reads.iter().map(|reply| reply.status).collect::<BTreeSet<_>>());
    assert!(of(200) >= 10, "{}", of(200));
    for busy in reads.iter().filter(|reply| reply.status == 429) {
        assert!(
            ["trail_busy", "too_many_refused"].contains(&busy.json()["code"].as_str().expect("a code")),
            "{busy:?}"
        );
        assert_ne!(busy.header("retry-after"), "");
    }
    assert!(hub.readers().await.is_none_or(|readers| (1..=2).contains(&readers)), "{:?}", hub.readers().await);
}

async fn the_trail_is_read_also_while_nothing_can_be_added_to_it_unless_the_read_is_to_be_on_record(store: Store) {
    let scene = Scene::new(store).await;
    let own = scene.list(VIEWER, "tool=echo.v1").await.json()["events"][0]["id"].as_str().expect("an id").to_owned();
    scene.hub.breaks().await;
    let refused = scene.hub.call(&scene.token(VIEWER), "hello-rs/echo.v1", &json!({ "message": "three" })).await;
    assert_eq!(refused.json()["code"], "not_recorded", "{refused:?}");
    let show = format!("/audit/events/{own}");
    for (role, path, status) in [
        (VIEWER, "/audit/events", 200),
        (VIEWER, &*show, 200),
        (ADMIN, "/audit/events?tool=echo.v1", 200),
        // What others sent and got is told to nobody without a row.
        (ADMIN, &*show, 503),
        (AUDITOR, &*show, 503),
        (AUDITOR, "/audit/export", 503),
        // Its own are counted, as what it lists is.
        (VIEWER, "/audit/export", 200),
    ] {
        let reply = scene.hub.get(path, Some(&scene.token(role))).await;
        assert_eq!(reply.status, status, "{role} {path}: {reply:?}");
        assert_eq!(status == 200, reply.text.contains("echo.v1"), "{role} {path}: {reply:?}");
    }
    scene.hub.mends().await;
    let works = async || (scene.hub.get(&show, Some(&scene.token(ADMIN))).await.status == 200).then_some(());
    crate::support::hub::eventually("what is to be on record can be read again", works).await;
}

/// What a document says is found as JSON has it, without a space that the hub does not write and a store might.
async fn free_text_finds_the_same_in_both_stores_wherever_it_stands(store: Store) {
    let hub = Kept::start(store, HELLO).await;
    let (caller, token) = (hub.token(VIEWER), hub.token(OPERATOR));
    let echoed =
        ["a, b: c", "1,2", "say \"x\": y", "tab\there", "\u{202e}\u{e9}\u{c9}\u{1f980}", "back\\slash", "a\",\"b"];
    for message in echoed {
        let reply = hub.call(&caller, "hello-rs/echo.v1", &json!({ "message": message })).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for numbers in [json!([1, 2]), json!([12])] {
        let reply = hub.call(&token, "hello-rs/sum.v1", &json!({ "numbers": numbers })).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let admin = hub.token(ADMIN);
    for (text, found) in [
        ("a, B", 1),
        ("a,b", 0),
        ("1,2", 2),
        ("1, 2", 0),
        ("[1,2]", 1),
        ("[1", 2),
        (", ", 1),
        (",", 4),
        (": ", 2),
        (":", 9),
        (" ", 2),
        (":3}", 1),
        ("\"X\": ", 1),
        ("say \"x", 1),
        ("x\":", 1),
        ("\\", 1),
        ("\u{202e}", 1),
        ("\u{e9}", 1),
        ("\u{c9}\u{1f980}", 1),
        ("a\",\"b", 1),
        ("{}", 0),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let path = format!("/audit/events?operation=call_tool&text={encoded}&{}", today());
        let events = hub.get(&path, Some(&admin)).await.json()["events"].as_array().expect("events").len();
        assert_eq!(events, found, "{text:?}");
    }
}
