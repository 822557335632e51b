//! Reloads: what they answer, what is on record of them, and what `GET /admin/providers` tells before and after.

use std::process::Command;

use serde_json::{Value, json};

use super::listed;
use crate::support::{
    hello::HELLO,
    hub::{ADMIN, AUDITOR, Hub, OPERATOR, VIEWER, component, eventually},
    testbed::{Testbed, replace, testbed, variant},
};

/// Every row of a reload, oldest first.
fn reloads(hub: &Hub) -> Vec<Value> {
    let database = hub.database();
    let mut statement = database
        .prepare(
            "SELECT surface, caller_role, outcome, error_code, error, result, times FROM events WHERE operation = 'reload' \
             ORDER BY recorded_at, position",
        )
        .expect("a query");
    let rows = statement.query_map([], |row| {
        let text = |index: usize| row.get::<_, Option<String>>(index);
        let result = text(5)?.map_or(Value::Null, |result| serde_json::from_str(&result).expect("JSON"));
        Ok(json!({
            "surface": text(0)?, "role": text(1)?, "outcome": text(2)?, "code": text(3)?, "error": text(4)?,
            "result": result, "times": row.get::<_, i64>(6)?,
        }))
    });
    rows.expect("rows").collect::<rusqlite::Result<_>>().expect("rows")
}

async fn reload(hub: &Hub, token: &str) -> crate::support::hub::Reply {
    hub.post("/admin/reload", Some(token), "").await
}

#[tokio::test]
async fn a_reload_that_is_asked_for_answers_what_changed_and_is_on_record_with_who_asked() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    let before = listed(&hub, &token, "hello-rs").await;
    let same = reload(&hub, &token).await;
    assert_eq!((same.status, same.json()), (200, json!({ "changed": [], "problems": [] })));

    hub.configure(&HELLO.replace("'hello://greeting'", ""));
    // Whether the hub has seen the change itself or was told: one of the two is on record.
    let answered = reload(&hub, &token).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let after = listed(&hub, &token, "hello-rs").await;
    let row = eventually("it is on record", async || {
        reloads(&hub).into_iter().find(|row| row["result"]["changed"][0]["provider"] == "hello-rs")
    });
    let row = row.await;
    assert_eq!((&row["outcome"], &row["result"]["changed"][0]["state"]), (&json!("ok"), &json!("ready")));
    assert_eq!(row["result"]["changed"][0]["revision"], after["revision"]["id"]);
    let role = if row["surface"] == "hub" { Value::Null } else { json!("ops_admin") };
    assert_eq!(row["role"], role);
    let parts = ["component", "config", "id"].map(|part| after["revision"][part] == before["revision"][part]);
    assert_eq!(parts, [true, false, false], "the component is the same, the config and so the revision are not");
}

#[tokio::test]
async fn what_the_hub_has_seen_itself_is_on_record_if_it_changes_or_refuses_something() {
    let hub = Hub::start(HELLO);
    hub.configure(&format!("{HELLO}{}", testbed(&[])));
    let told = async |what: &str, is_it: &dyn Fn(&Value) -> bool| {
        eventually(what, async || reloads(&hub).into_iter().find(|row| is_it(row))).await
    };
    let added = told("it is added", &|row| row["result"]["changed"][0]["provider"] == "testbed").await;
    let of_the_hub = json!({ "surface": "hub", "role": null });
    assert_eq!(json!({ "surface": added["surface"], "role": added["role"] }), of_the_hub);

    hub.configure(&HELLO.replace("'1.0' }", "'1.0', timeout_ms: 5 }"));
    let refused = told("it is refused", &|row| row["code"] == "config_refused").await;
    let error = refused["error"].as_str().expect("a text");
    assert!(error.contains("provider-config.yaml:") && error.contains("timeout_ms"), "{error}");
    assert_eq!((&refused["outcome"], &refused["surface"]), (&json!("failed"), &json!("hub")));

    hub.configure(&HELLO.replace("{hello-rs.wasm}", "nowhere.wasm"));
    let failed = told("it is not loaded", &|row| row["code"] == "load_failed").await;
    assert!(failed["error"].as_str().expect("a text").contains("hello-rs: its component `nowhere.wasm`"), "{failed}");
    assert_eq!(failed["result"]["changed"][0], json!({ "provider": "testbed", "state": "removed" }));

    // What is found again is no news.
    let before = reloads(&hub).len();
    let id = hub.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().expect("kill runs").success());
    let admin = hub.token(ADMIN);
    assert_eq!(reload(&hub, &admin).await.json()["changed"], json!([]), "it comes after the hangup");
    assert_eq!(reloads(&hub).iter().filter(|row| row["surface"] == "hub").count(), before);
}

#[tokio::test]
async fn a_config_that_cannot_be_used_is_answered_with_its_place_and_what_served_goes_on() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    hub.configure(&HELLO.replace("    tools:", "    colour: blue\n    tools:"));
    let refused = reload(&hub, &token).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("config_refused")), "{refused:?}");
    let detail = refused.json()["detail"].as_str().expect("a text").to_owned();
    assert!(detail.contains("provider-config.yaml:") && detail.contains("colour"), "{detail}");
    assert_eq!(listed(&hub, &token, "hello-rs").await["state"], "ready");
    let list = hub.get("/admin/providers", Some(&token)).await.json();
    assert!(list["config_error"].as_str().expect("told").contains("colour"), "{list}");
    let mut refusals = 0;
    for _ in 0..12 {
        refusals += u16::from(reload(&hub, &token).await.status == 409);
    }
    assert_eq!(refusals, 12, "it is not the caller's fault");
}

#[tokio::test]
async fn only_admins_may_and_who_may_not_leaves_a_row() {
    let hub = Hub::start(HELLO);
    for role in [VIEWER, OPERATOR, AUDITOR] {
        let token = hub.token(role);
        let refused = reload(&hub, &token).await;
        assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("role_too_low")), "{role}");
        assert_eq!(hub.get("/admin/providers", Some(&token)).await.status, 403, "{role}");
    }
    assert_eq!(hub.post("/admin/reload", None, "").await.status, 401);
    let denied: Vec<_> = hub.events().into_iter().filter(|row| row["error_code"] == "role_too_low").collect();
    let asked: Vec<_> = denied.iter().map(|row| row["operation"].as_str().expect("text")).collect();
    assert!(asked.contains(&"reload") && asked.contains(&"list_providers"), "{asked:?}");
}

#[tokio::test]
async fn a_provider_is_listed_with_what_serves_what_it_is_granted_and_what_was_wrong_last() {
    let hub = Hub::start(HELLO);
    let token = hub.token(ADMIN);
    replace(hub.folder(), "provider.wasm", &variant("old"));
    let with = ["allowed_hosts: [api.example.com]", "secrets: { a_token: { hosts: [api.example.com] } }"];
    hub.configure(&Testbed { component: "provider.wasm", with: &with, ..Testbed::default() }.yaml());
    assert_eq!(reload(&hub, &token).await.json()["problems"], json!([]));
    let first = listed(&hub, &token, "testbed").await;
    assert_eq!(
        (&first["state"], &first["problem"], &first["last_problem"]),
        (&json!("ready"), &Value::Null, &Value::Null)
    );
    assert_eq!(first["grants"]["allowed_hosts"], json!(["api.example.com"]));
    assert_eq!(
        first["grants"]["secrets"],
        json!([{ "name": "a_token", "hosts": ["api.example.com"], "reveal": false }])
    );
    let tool = json!({ "name": "calls.count", "class": "read", "min_role": "ops_viewer", "timeout_ms": 5000, "schema_version": "1.0" });
    assert_eq!(first["tools"][0], tool);
    let imports = first["imports"].as_array().expect("imports");
    assert!(imports.iter().any(|name| name.as_str().expect("text").starts_with("bulkhead:provider/outbound-http@1")));
    assert!(first["revision"]["loaded_in_ms"].is_u64() && first["loading_for_ms"].is_null());

    replace(hub.folder(), "provider.wasm", &variant("trap"));
    let answered = reload(&hub, &token).await.json();
    assert!(
        answered["problems"][0]["problem"].as_str().expect("text").contains("cannot describe itself"),
        "{answered}"
    );
    let broken = listed(&hub, &token, "testbed").await;
    assert_eq!((&broken["revision"], &broken["since"]), (&first["revision"], &first["since"]), "the old one serves on");
    assert!(broken["problem"].as_str().expect("told").contains("cannot describe itself"), "{broken}");

    replace(hub.folder(), "provider.wasm", &std::fs::read(component("testbed")).expect("a component"));
    reload(&hub, &token).await;
    let mended = eventually("it is mended", async || {
        Some(listed(&hub, &token, "testbed").await).filter(|listed| listed["problem"].is_null())
    });
    let mended = mended.await;
    assert_ne!(mended["revision"]["component"], first["revision"]["component"]);
    assert_eq!(mended["last_problem"]["problem"], broken["problem"], "what was wrong is told on");
}
