//! Rate limits: so many calls of a user to a provider's tools of one class within the hour.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Hub, OPERATOR, Reply, VIEWER, eventually},
    stdio::Stdio,
    testbed::Testbed,
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    resources: ['hello://greeting']
    prompts: [hello-plan]
    tools:
      - { name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }
      - { name: sum.v1, class: read, min_role: ops_operator, schema_version: '1.0' }
";

/// The same where viewers have three reads an hour.
fn three_reads() -> String {
    format!("{HELLO}    rate_limits: {{ ops_viewer: {{ reads: 3/hour }} }}\n")
}

async fn echo(hub: &Hub, token: &str) -> Reply {
    hub.call(token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await
}

/// The answer says that the limit is reached and when to try again.
fn is_limited(reply: &Reply) {
    assert_eq!((reply.status, &reply.json()["code"]), (429, &json!("rate_limited")), "{reply:?}");
    let after: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((3500..=3600).contains(&after), "{after}");
    assert!(
        reply.json()["detail"].as_str().expect("a detail").contains(&format!("try again in {after} s")),
        "{reply:?}"
    );
}

#[tokio::test]
async fn the_101st_read_of_a_viewer_within_the_hour_is_a_429() {
    let hub = Hub::start(HELLO);
    let user = Uuid::new_v4();
    let token = hub.token_for(VIEWER, user);
    for number in 1..=100 {
        let reply = echo(&hub, &token).await;
        assert_eq!(reply.status, 200, "{number}: {reply:?}");
    }
    // A new token does not make a new user.
    for token in [&token, &hub.token_for(VIEWER, user)] {
        let reply = echo(&hub, token).await;
        is_limited(&reply);
        assert!(reply.json()["detail"].as_str().expect("a detail").contains("100/hour"), "{reply:?}");
        let event = hub.last_event();
        assert_eq!((&event["id"], &event["caller_id"]), (&json!(reply.header("x-call-id")), &json!(user)));
        assert_eq!((&event["outcome"], &event["error_code"]), (&json!("denied"), &json!("rate_limited")));
        assert_eq!(event["result"], Value::Null);
    }
    assert_eq!(echo(&hub, &hub.token(VIEWER)).await.status, 200, "another user");
    assert_eq!(hub.get("/providers/hello-rs/health", Some(&token)).await.status, 200, "health is not a read");
}

#[tokio::test]
async fn a_hundred_calls_at_once_are_counted_one_by_one() {
    let hub = Hub::start_with(HELLO, &["--max-calls-per-caller", "200"]);
    let token = hub.token(VIEWER);
    let replies = futures::future::join_all((0..110).map(|_| echo(&hub, &token))).await;
    let status = |status| replies.iter().filter(|reply| reply.status == status).count();
    // 503 is the sandbox's own limit on calls at once, which comes after the quota.
    assert_eq!((status(200) + status(503), status(429)), (100, 10));
}

#[tokio::test]
async fn an_operator_has_200_reads_and_an_admin_no_limit() {
    let hub = Hub::start(HELLO);
    let (operator, admin) = (hub.token(OPERATOR), hub.token(ADMIN));
    for _ in 0..200 {
        assert_eq!(echo(&hub, &operator).await.status, 200);
    }
    is_limited(&echo(&hub, &operator).await);
    for _ in 0..250 {
        assert_eq!(echo(&hub, &admin).await.status, 200);
    }
}

#[tokio::test]
async fn refusals_do_not_count() {
    let hub = Hub::start(&three_reads());
    let token = hub.token(VIEWER);
    for _ in 0..5 {
        assert_eq!(hub.call(&token, "hello-rs/sum.v1", &json!({ "numbers": [1] })).await.status, 403);
        assert_eq!(hub.call(&token, "hello-rs/none", &json!({})).await.status, 404);
    }
    for _ in 0..3 {
        assert_eq!(echo(&hub, &token).await.status, 200);
    }
    let first: u64 = echo(&hub, &token).await.header("retry-after").parse().expect("seconds");
    for _ in 0..5 {
        let reply = echo(&hub, &token).await;
        is_limited(&reply);
        let after: u64 = reply.header("retry-after").parse().expect("seconds");
        assert!(after <= first, "a refused call does not push the end of the wait away");
    }
}

#[tokio::test]
async fn resources_and_prompts_are_reads_whatever_the_surface() {
    let hub = Hub::start(&three_reads());
    let user = Uuid::new_v4();
    let token = hub.token_for(VIEWER, user);
    let call = json!({ "name": "hello-rs.echo.v1", "arguments": { "message": "hi" } });
    let prompt = json!({ "name": "hello-rs.hello-plan", "arguments": { "name": "Ada" } });
    assert_eq!(hub.mcp(&token, "resources/read", &json!({ "uri": "hello://greeting" })).await["error"], Value::Null);
    assert_eq!(hub.mcp(&token, "prompts/get", &prompt).await["error"], Value::Null);
    assert_eq!(echo(&hub, &token).await.status, 200);

    let answer = hub.mcp(&token, "tools/call", &call).await;
    let result = &answer["result"];
    assert_eq!(result["isError"], true, "{answer}");
    let facts = &result["_meta"]["bulkhead"];
    assert_eq!(facts["code"], "rate_limited", "{answer}");
    let after = facts["retry_after_seconds"].as_u64().expect("seconds");
    assert!((3500..=3600).contains(&after), "{answer}");
    let text = result["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("3/hour") && text.contains(&format!("try again in {after} s")), "{answer}");

    for (method, params) in [("resources/read", json!({ "uri": "hello://greeting" })), ("prompts/get", prompt)] {
        let answer = hub.mcp(&token, method, &params).await;
        assert_eq!(answer["error"]["code"], 429, "outside JSON-RPC's own range: {answer}");
        assert_eq!(answer["error"]["data"]["bulkhead"]["code"], "rate_limited", "{answer}");
        let event = hub.last_event();
        assert_eq!((&event["caller_id"], &event["error_code"]), (&json!(user), &json!("rate_limited")));
    }
    is_limited(&echo(&hub, &token).await);
    let list = hub.mcp(&token, "tools/list", &json!({})).await;
    assert_eq!(list["result"]["tools"][0]["name"], "hello-rs.echo.v1", "looking at what there is stays possible");
}

#[test]
fn stdio_is_limited_too() {
    let hub = Hub::start(&three_reads());
    let mut stdio = Stdio::start(&hub, &hub.token(VIEWER));
    let call = json!({ "name": "hello-rs.echo.v1", "arguments": { "message": "hi" } });
    for _ in 0..3 {
        assert_ne!(stdio.ask("tools/call", &call)["result"]["isError"], true);
    }
    let answer = stdio.ask("tools/call", &call);
    assert_eq!(answer["result"]["_meta"]["bulkhead"]["code"], "rate_limited", "{answer}");
}

#[tokio::test]
async fn classes_and_providers_are_counted_apart() {
    let limits = "rate_limits: { ops_operator: { reads: 2/hour, scans: 1/hour, writes: 1/hour } }";
    let testbed = |name| Testbed { name, with: &[limits], ..Testbed::default() }.yaml();
    let hub = Hub::start(&format!("{}{}", testbed("one"), testbed("two")));
    let token = hub.token(OPERATOR);
    for provider in ["one", "two"] {
        for (tool, input, quota) in [
            ("calls.count", json!({}), 2),
            ("scan.slow", json!({ "url": "http://127.0.0.1:1/" }), 1),
            ("write.note", json!({ "text": "hi" }), 1),
        ] {
            let path = format!("{provider}/{tool}");
            for _ in 0..quota {
                let reply = hub.call(&token, &path, &input).await;
                // The scan is not allowed to reach anything, and counts all the same.
                assert!(reply.status == 200 || tool == "scan.slow" && reply.status == 502, "{path}: {reply:?}");
            }
            is_limited(&hub.call(&token, &path, &input).await);
        }
    }
}

#[tokio::test]
async fn a_changed_limit_binds_the_running_hub() {
    let hub = Hub::start(HELLO);
    let token = hub.token(VIEWER);
    for _ in 0..3 {
        assert_eq!(echo(&hub, &token).await.status, 200);
    }
    hub.configure(&three_reads());
    eventually("the new limit binds", async || (echo(&hub, &token).await.status == 429).then_some(())).await;
    is_limited(&echo(&hub, &token).await);
}

#[tokio::test]
async fn a_window_outlives_a_change_of_role_and_a_reload_that_shortens_it() {
    let hub = Hub::start(&three_reads());
    let user = Uuid::new_v4();
    let (viewer, operator) = (hub.token_for(VIEWER, user), hub.token_for(OPERATOR, user));
    for _ in 0..3 {
        assert_eq!(echo(&hub, &viewer).await.status, 200);
    }
    is_limited(&echo(&hub, &viewer).await);
    assert_eq!(echo(&hub, &operator).await.status, 200, "an operator may do more");
    is_limited(&echo(&hub, &viewer).await);

    hub.configure(&three_reads().replace("3/hour", "3/second"));
    eventually("the shorter window is in force", async || (echo(&hub, &viewer).await.status == 200).then_some(()))
        .await;
    // Not found out by calls: each of them would count.
    let changes = || hub.log().matches("providers changed").count();
    let before = changes();
    hub.configure(&three_reads());
    eventually("the longer one is", async || (changes() > before).then_some(())).await;
    is_limited(&echo(&hub, &viewer).await);
}
