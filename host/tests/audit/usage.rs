//! What calls used: in their rows, and summed by the hour, by whom and of what.

use serde_json::{Value, json};
use sqlx_core::{raw_sql::raw_sql, sql_str::AssertSqlSafe};
use uuid::Uuid;

use super::{
    postgres::{hub_on, said, verify},
    reaching, verified,
};
use crate::support::{
    hub::{ADMIN, AUDITOR, Hub, OPERATOR, VIEWER},
    postgres::Postgres,
    upstream::Upstream,
};

/// A hub on which a viewer and an operator of a team have called: one another's sums are no business of theirs.
struct Scene {
    hub: Hub,
    _upstream: Upstream,
    viewer: Uuid,
    operator: Uuid,
}

fn cost(amount: &Value, times: u32) -> Value {
    json!({ "event_type": "bulkhead.cost", "data": { "amount": amount, "unit": "USD" }, "times": times })
}

async fn work(hub: &Hub, upstream: &Upstream, viewer: &str, operator: &str) {
    let fetch = json!({ "url": upstream.url("/echo") });
    for (token, tool, input, status) in [
        (viewer, "fetch.get", &fetch, 200),
        (viewer, "fetch.get", &fetch, 200),
        (viewer, "event.emit", &cost(&json!(0.1), 3), 200),
        (viewer, "event.emit", &cost(&json!("0.05"), 1), 200),
        (viewer, "no.such", &json!({}), 404),
        (operator, "fetch.get", &fetch, 200),
        (operator, "fail.with", &json!({ "code": "upstream-failed", "message": "it is broken" }), 502),
        (operator, "event.emit", &cost(&json!(-1), 1), 200),
    ] {
        let reply = hub.call(token, &format!("testbed/{tool}"), input).await;
        assert_eq!(reply.status, status, "{tool}: {reply:?}");
    }
}

fn tokens(hub: &Hub, more: &[&str]) -> [(Uuid, String); 2] {
    [(VIEWER, "red"), (OPERATOR, "blue")].map(|(role, team)| {
        let user = Uuid::new_v4();
        let named = user.to_string();
        (user, hub.command(&[&["token", "--role", role, "--user", &named, "--team", team], more].concat()))
    })
}

impl Scene {
    async fn new() -> Self {
        let upstream = Upstream::start();
        let hub = Hub::start(&reaching(&upstream, 5000));
        let [(viewer, of_viewer), (operator, of_operator)] = tokens(&hub, &[]);
        work(&hub, &upstream, &of_viewer, &of_operator).await;
        Self { hub, _upstream: upstream, viewer, operator }
    }

    fn token(&self, role: &str) -> String {
        match role {
            VIEWER => self.hub.token_for(VIEWER, self.viewer),
            OPERATOR => self.hub.token_for(OPERATOR, self.operator),
            other => self.hub.token(other),
        }
    }

    /// The sums that a query finds, without those of health checks.
    async fn usage(&self, role: &str, query: &str) -> Vec<Value> {
        let reply = self.hub.get(&format!("/audit/usage?{query}"), Some(&self.token(role))).await;
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        assert_eq!(reply.json()["is_whole"], true);
        reply.json()["usage"].as_array().expect("sums").clone()
    }
}

#[tokio::test]
async fn what_a_call_used_is_in_its_row() {
    let scene = Scene::new().await;
    let hub = &scene.hub;
    let events = hub.events();
    let of = |tool: &str| events.iter().filter(|event| event["tool"] == tool).collect::<Vec<_>>();
    for event in of("fetch.get") {
        assert_eq!(event["upstream_requests"], 1, "{event}");
        let bytes = event["upstream_bytes"].as_i64().expect("a number");
        assert!((100..10_000).contains(&bytes), "what was sent and what came back: {event}");
    }
    let costs: Vec<_> = of("event.emit").into_iter().map(|event| event["cost"].clone()).collect();
    assert_eq!(
        costs,
        [json!(r#"{"USD":300000}"#), json!(r#"{"USD":50000}"#), Value::Null],
        "what is no amount is not kept"
    );
    assert!(hub.log().contains("`amount` has to be a number"), "and is told");
    assert!(of("fail.with")[0]["upstream_requests"].is_null() && of("fail.with")[0]["upstream_bytes"].is_null());
    let listed = scene.hub.get("/audit/events?tool=event.emit&team=red", Some(&scene.token(ADMIN))).await.json();
    let costs: Vec<_> = listed["events"].as_array().expect("events").iter().map(|event| &event["cost"]).collect();
    assert_eq!(costs, [&json!({ "USD": "0.05" }), &json!({ "USD": "0.3" })], "{listed}");
    assert!(verified(hub).0, "{}", verified(hub).1);
}

#[tokio::test]
async fn usage_is_summed_by_what_is_asked_for_and_each_sees_its_own() {
    let scene = Scene::new().await;
    let by_tool = scene.usage(VIEWER, "by=tool,outcome&provider=testbed").await;
    let calls = |sums: &[Value]| -> Vec<(String, i64)> {
        let tool = |sum: &Value| sum["tool"].as_str().unwrap_or("-").to_owned();
        sums.iter().map(|sum| (tool(sum), sum["calls"].as_i64().expect("a number"))).collect()
    };
    let expected = [("-".to_owned(), 1), ("event.emit".to_owned(), 2), ("fetch.get".to_owned(), 2)];
    assert_eq!(calls(&by_tool), expected, "a name that is a caller's is in no sum");
    assert_eq!((&by_tool[0]["errors"], &by_tool[0]["outcome"]), (&json!(1), &json!("invalid")));
    assert_eq!((&by_tool[1]["cost"], &by_tool[2]["cost"]), (&json!({ "USD": "0.35" }), &json!({})));
    assert_eq!(by_tool[2]["upstream_requests"], 2);

    for role in [ADMIN, AUDITOR] {
        let by_team = scene.usage(role, "by=team,caller&provider=testbed").await;
        let whose =
            |sum: &Value| (sum["team"].clone(), sum["caller"].clone(), sum["calls"].clone(), sum["errors"].clone());
        let found: Vec<_> = by_team.iter().filter(|sum| sum.get("caller").is_some()).map(whose).collect();
        assert_eq!(
            found,
            [
                (json!("blue"), json!(scene.operator), json!(3), json!(1)),
                (json!("red"), json!(scene.viewer), json!(5), json!(1)),
            ]
        );
    }
    let all = &scene.usage(OPERATOR, "provider=testbed").await[0];
    assert_eq!((&all["calls"], &all["errors"]), (&json!(3), &json!(1)), "{all}");
    assert_eq!(scene.usage(OPERATOR, &format!("caller={}", scene.viewer)).await, Vec::<Value>::new());
    assert_eq!(scene.usage(OPERATOR, "from=2020-01-01&to=2021-01-01").await, Vec::<Value>::new());
    let day = chrono::Utc::now().format("%Y-%m-%d").to_string();
    let today = scene.usage(OPERATOR, &format!("by=day,hour&tool=fetch.get&outcome=ok&from={day}")).await;
    assert_eq!((today.len(), &today[0]["day"], &today[0]["calls"]), (1, &json!(day), &json!(1)), "{today:?}");

    let admin = scene.token(ADMIN);
    for (query, told) in [
        ("role=ops_admin", "`role` is nothing that usage is summed by: there are provider, tool, caller, "),
        ("from=2026-01-01T10:30:00Z", "`from` has to be a whole hour"),
        ("by=", "`by` has to be some of hour, day, provider, "),
        ("by=tool,tool", "`by` has to be some of"),
        ("by=day&by=tool", "`by` is there twice"),
        ("limit=7", "there is no parameter `limit`"),
    ] {
        let reply = scene.hub.get(&format!("/audit/usage?{query}"), Some(&admin)).await;
        let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status == 400 && detail.starts_with(told), "{query}: {reply:?}");
    }
    let row = scene.hub.last_event();
    assert_eq!(row["operation"], "audit_usage", "{row}");
    assert_eq!(scene.hub.get("/audit/usage", None).await.status, 401);
}

#[tokio::test]
async fn the_command_tells_the_same_to_people_and_programs() {
    let scene = Scene::new().await;
    let hub = &scene.hub;
    let sums =
        hub.command(&["audit", "usage", "--by", "team", "--provider", "testbed", "--tool", "event.emit", "--json"]);
    let sums: Vec<Value> = sums.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(sums, scene.usage(ADMIN, "by=team&provider=testbed&tool=event.emit").await);
    assert_eq!((&sums[1]["team"], &sums[1]["cost"]), (&json!("red"), &json!({ "USD": "0.35" })));
    let table = hub.command(&["audit", "usage", "--by", "team,tool", "--provider", "testbed"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("team  tool") && table.contains("0.35 USD"), "{table}");
    let refused = hub.program().args(["audit", "usage", "--by", "colour"]).output().expect("it runs");
    assert!(!refused.status.success());
}

#[tokio::test]
async fn sums_are_what_the_rows_come_to_on_postgresql_too() {
    let server = Postgres::start().await;
    let upstream = Upstream::start();
    let mut hub = hub_on(&server, &reaching(&upstream, 5000));
    let url = server.url("hub");
    let [(_, viewer), (_, operator)] = tokens(&hub, &["--database-url", &url]);
    work(&hub, &upstream, &viewer, &operator).await;
    let sums = |by: &str| -> Vec<Value> {
        let sums = hub.command(&["audit", "usage", "--by", by, "--provider", "testbed", "--json"]);
        sums.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let calls = |by: &str| sums(by).iter().map(|sum| sum["calls"].as_i64().expect("a number")).sum::<i64>();
    let all = calls("provider");
    assert!(all > 3, "{all}");
    for by in ["hour", "day", "tool", "caller", "team", "outcome", "day,tool,outcome", "caller,team,hour"] {
        assert_eq!(calls(by), all, "{by}");
    }
    assert!(
        sums("team").iter().any(|sum| sum["team"] == "red" && sum["cost"] == json!({ "USD": "0.35" })),
        "{:?}",
        sums("team")
    );
    assert_eq!(hub.stop(), Some(0));
    let mut connection = server.connect("postgres", "ops").await;
    let honest = verify(&server, &hub);
    assert!(honest.status.success(), "{}", said(&honest));
    raw_sql("CREATE TABLE kept AS TABLE ops.usage_rollups").execute(&mut connection).await.expect("kept");
    for (change, told) in [
        ("UPDATE ops.usage_rollups SET calls = calls + 1 WHERE tool = 'fetch.get'", "was changed"),
        ("UPDATE ops.usage_rollups SET cost = cost - 1 WHERE unit = 'USD'", "was changed"),
        ("UPDATE ops.usage_rollups SET team = 'green' WHERE tool = 'fetch.get'", "was added"),
        ("UPDATE ops.usage_rollups SET hour = hour + interval '1 minute'", "its hour is none"),
        ("UPDATE ops.usage_rollups SET writer = gen_random_uuid()", "which never started"),
        ("DELETE FROM ops.usage_rollups WHERE unit = 'USD'", "is missing"),
        ("DELETE FROM ops.usage_rollups", "is missing"),
    ] {
        raw_sql(change).execute(&mut connection).await.expect(change);
        let found = verify(&server, &hub);
        assert!(!found.status.success() && said(&found).contains(told), "{change}: {}", said(&found));
        let put_back = "DELETE FROM ops.usage_rollups; INSERT INTO ops.usage_rollups TABLE kept";
        raw_sql(AssertSqlSafe(put_back.to_owned())).execute(&mut connection).await.expect("put back");
    }
    assert!(verify(&server, &hub).status.success());
    let mut user = server.connect("hub", "ops").await;
    assert!(raw_sql("DELETE FROM ops.usage_rollups").execute(&mut user).await.is_err(), "no hub removes sums");
}
