//! Identity: which tokens are accepted, and what comes of all the others. The hub's own tokens are here, every attack is a row
//! of the table in `attacks`, and an identity provider's tokens are in `provider`.

mod attacks;
mod provider;

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Hub, Reply, VIEWER},
    jwt::{Es256, claims, now, with},
};

const HELLO: &str = r"
  hello-rs:
    component: {hello-rs.wasm}
    tools: [{ name: echo.v1, class: read, min_role: ops_viewer, schema_version: '1.0' }]
";

const ECHO: &str = "/providers/hello-rs/echo.v1";
const MESSAGE: &str = r#"{"message":"hi"}"#;

/// Calls a tool with these exact headers of authorization.
async fn with_header(hub: &Hub, authorization: Option<&str>) -> Reply {
    let mut request = hub.client().post(format!("{}{ECHO}", hub.url)).body(MESSAGE);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    Hub::send(request, None).await
}

async fn call(hub: &Hub, token: &str) -> Reply {
    hub.post(ECHO, Some(token), MESSAGE).await
}

fn code(reply: &Reply) -> String {
    reply.json()["code"].as_str().unwrap_or_default().to_owned()
}

fn es256() -> Value {
    json!({ "alg": "ES256", "typ": "JWT" })
}

#[tokio::test]
async fn a_token_made_by_hand_is_accepted_so_that_the_attacks_fail_for_their_own_reason() {
    let hub = Hub::start(HELLO);
    let key = Es256::of_hub(&hub);
    let user = Uuid::new_v4();
    let mine = with(claims(VIEWER), "sub", json!(user));
    for good in [mine.clone(), with(mine.clone(), "aud", json!(["urn:other", "urn:bulkhead:hub"]))] {
        let reply = call(&hub, &key.token(&es256(), &good)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(hub.last_event()["caller_id"], json!(user));
    }
    let reply = with_header(&hub, Some(&format!("bEARER  {}", key.token(&es256(), &mine)))).await;
    assert_eq!(reply.status, 200, "the scheme's case does not matter: {reply:?}");
}

#[tokio::test]
async fn every_door_but_the_open_ones_wants_a_token() {
    let hub = Hub::start(HELLO);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }).to_string();
    let token = hub.token(ADMIN);
    let posted = ["/mcp", "/mcp/", "/mcp/flat", ECHO, "/providers/no/such"].map(|path| (path.to_owned(), &list));
    let in_query =
        ["access_token", "token", "authorization", "bearer"].map(|name| (format!("{ECHO}?{name}={token}"), &list));
    let posts = posted.into_iter().chain(in_query).flat_map(|post| [(post.clone(), None), (post, Some("wrong"))]);
    let gets = ["/openapi.json", "/mcp", "/mcp/flat", "/providers/hello-rs/health", "/providers/none/health"];
    // All at once: one by one, each would wait for the row of its second.
    let posts = join_all(posts.map(async |((path, body), token)| (hub.post(&path, token, body.clone()).await, path)));
    let gets = join_all(gets.map(async |path| (hub.get(path, None).await, path.to_owned())));
    let (posts, gets) = tokio::join!(posts, gets);
    for (reply, path) in posts.into_iter().chain(gets) {
        assert_eq!(reply.status, 401, "{path}: {reply:?}");
        assert!(reply.header("www-authenticate").starts_with("Bearer "), "{path}: {reply:?}");
    }
    assert!(hub.events().iter().all(|event| event["outcome"] == "denied" && event["caller_id"].is_null()));
}

#[tokio::test]
async fn without_a_known_role_a_caller_may_do_nothing() {
    let hub = Hub::start(HELLO);
    let key = Es256::of_hub(&hub);
    let user = Uuid::new_v4();
    for (name, value) in [
        ("app_metadata", json!({})),
        ("app_metadata", Value::Null),
        ("app_metadata", json!({ "ops_role": null })),
        ("app_metadata", json!({ "ops_role": "root" })),
        ("app_metadata", json!({ "ops_role": "OPS_ADMIN" })),
        ("app_metadata", json!({ "ops_role": "" })),
    ] {
        // Users of Supabase may write their own `user_metadata`, and `role` is the database's.
        let mut claims = with(with(claims(ADMIN), name, value.clone()), "sub", json!(user));
        claims["user_metadata"] = json!({ "ops_role": ADMIN });
        claims["ops_role"] = json!(ADMIN);
        claims["role"] = json!(ADMIN);
        let token = key.token(&es256(), &claims);
        let reply = call(&hub, &token).await;
        assert_eq!((reply.status, code(&reply).as_str()), (403, "role_too_low"), "{value}: {reply:?}");
        assert!(reply.header("www-authenticate").contains("insufficient_scope"), "{value}: {reply:?}");
        let event = hub.last_event();
        assert_eq!((&event["caller_id"], &event["caller_role"]), (&json!(user), &Value::Null), "{value}");
        assert_eq!(event["outcome"], "denied", "{value}");
        let list = hub.mcp(&token, "tools/list", &json!({})).await;
        assert_eq!(list["result"]["tools"], json!([]), "{value}");
        assert_eq!(hub.get("/providers/hello-rs/health", Some(&token)).await.status, 403, "{value}");
    }
}

#[tokio::test]
async fn a_token_that_is_shown_all_the_time_ends_with_its_second_all_the_same() {
    let hub = Hub::start(HELLO);
    let end = now(1);
    let token = Es256::of_hub(&hub).token(&es256(), &with(claims(VIEWER), "exp", json!(end)));
    let mut accepted = 0;
    loop {
        let sent = SystemTime::now();
        let reply = call(&hub, &token).await;
        if reply.status == 401 {
            assert_eq!(code(&reply), "token_expired", "{reply:?}");
            break;
        }
        assert_eq!(reply.status, 200, "{reply:?}");
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(end.cast_unsigned() + 6);
        assert!(sent < last, "it has ended, and with it the five seconds that clocks may differ");
        accepted += 1;
        // Within the quota of a viewer: 100 an hour.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(now(0) > end + 5, "it was valid until then");
    assert!(accepted > 1, "the hub knew it");
}
