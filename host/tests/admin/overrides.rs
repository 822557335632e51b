//! Overrides: what an admin does to a provider holds at once, outlasts the hub, widens nothing, is on record, and ends with the
//! next change of the provider's section.

use serde_json::{Value, json};

use super::listed;
use crate::support::{
    health::error_of,
    hello::HELLO,
    hub::{ADMIN, AUDITOR, Hub, OPERATOR, Reply, VIEWER, eventually},
    postgres::Postgres,
    testbed::{Testbed, replace, variant},
};

async fn act(hub: &Hub, token: &str, provider: &str, act: &str) -> Reply {
    hub.post(&format!("/admin/providers/{provider}/{act}"), Some(token), "").await
}

async fn echo(hub: &Hub, token: &str) -> Reply {
    hub.call(token, "hello-rs/echo.v1", &json!({ "message": "hi" })).await
}

async fn variant_of(hub: &Hub, token: &str) -> Value {
    hub.call(token, "testbed/variant.tell", &json!({})).await.json()["variant"].take()
}

/// The newest row of an operation.
fn row(hub: &Hub, operation: &str) -> Value {
    let found = hub.events().into_iter().rev().find(|row| row["operation"] == operation);
    found.unwrap_or_else(|| panic!("there is no row of {operation}"))
}

#[tokio::test]
async fn a_provider_that_an_admin_disables_is_out_at_once_and_stays_out_when_the_hub_starts_again() {
    let mut hub = Hub::start(HELLO);
    let (admin, viewer) = (hub.token(ADMIN), hub.token(VIEWER));
    assert_eq!(echo(&hub, &viewer).await.status, 200);
    let disabled = act(&hub, &admin, "hello-rs", "disable").await;
    assert_eq!((disabled.status, &disabled.json()["state"]), (200, &json!("disabled")), "{disabled:?}");
    let refused = echo(&hub, &viewer).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("provider_unavailable")));
    assert!(refused.text.contains("an admin has done that"), "{refused:?}");
    let row = row(&hub, "disable_provider");
    assert_eq!(
        (&row["provider"], &row["outcome"], &row["caller_role"]),
        (&json!("hello-rs"), &json!("ok"), &json!("ops_admin"))
    );
    let tools = hub.mcp(&viewer, "tools/list", &json!({})).await.to_string();
    assert!(!tools.contains("hello-rs."), "{tools}");
    let told = hub.get("/health", Some(&viewer)).await.json();
    assert!(error_of(&told, "hello-rs").contains("an admin has done that"), "{told}");

    assert_eq!(hub.stop(), Some(0));
    hub.run();
    assert_eq!(echo(&hub, &viewer).await.status, 503, "it is kept");
    let kept = listed(&hub, &admin, "hello-rs").await;
    assert_eq!((&kept["overrides"][0]["kind"], &kept["state"]), (&json!("disabled"), &json!("disabled")));
    assert!(kept["overrides"][0]["by"].is_string() && kept["overrides"][0]["at"].is_string(), "{kept}");

    let enabled = act(&hub, &admin, "hello-rs", "enable").await;
    assert_eq!((enabled.status, &enabled.json()["state"]), (200, &json!("ready")), "{enabled:?}");
    assert_eq!((echo(&hub, &viewer).await.status, &enabled.json()["overrides"]), (200, &json!([])));
    hub.stop();
    hub.run();
    assert_eq!(echo(&hub, &viewer).await.status, 200, "that it was lifted is kept too");
}

#[tokio::test]
async fn enable_lifts_what_an_admin_disabled_and_not_what_the_config_does() {
    let off = HELLO.replace("    component", "    enabled: false\n    component");
    let hub = Hub::start(&off);
    let admin = hub.token(ADMIN);
    let refused = act(&hub, &admin, "hello-rs", "enable").await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("override_refused")), "{refused:?}");
    assert!(refused.text.contains("set `enabled: true`"), "{refused:?}");
    assert_eq!(row(&hub, "enable_provider")["outcome"], "failed");
    // Both at once: what the config says is left.
    assert_eq!(act(&hub, &admin, "hello-rs", "disable").await.status, 200);
    assert_eq!(act(&hub, &admin, "hello-rs", "enable").await.status, 409);
    assert_eq!(listed(&hub, &admin, "hello-rs").await["overrides"], json!([]));
    assert_eq!(echo(&hub, &admin).await.status, 503);

    for (role, act_) in [(VIEWER, "disable"), (OPERATOR, "enable"), (AUDITOR, "rollback")] {
        assert_eq!(act(&hub, &hub.token(role), "hello-rs", act_).await.status, 403, "{role}");
    }
    assert_eq!(act(&hub, &admin, "nobody", "disable").await.json()["code"], "unknown_provider");
    assert_eq!(act(&hub, &admin, "%FF", "disable").await.status, 404);
}

#[tokio::test]
async fn the_next_change_of_the_providers_section_ends_what_an_admin_did_and_says_so() {
    let mut hub = Hub::start(HELLO);
    let admin = hub.token(ADMIN);
    assert_eq!(act(&hub, &admin, "hello-rs", "disable").await.status, 200);
    // Another section, and what only looks different.
    let other = "  other:\n    enabled: false\n    component: nowhere.wasm\n    tools: []\n";
    hub.configure(&format!("{}{other}", HELLO.replace("    component", "    # why\n    component")));
    let reloaded = hub.post("/admin/reload", Some(&admin), "").await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    assert_eq!(
        (listed(&hub, &admin, "other").await["state"].clone(), echo(&hub, &admin).await.status),
        (json!("disabled"), 503)
    );

    let changed = HELLO.replace("[hello-plan]", "all");
    hub.configure(&changed);
    hub.post("/admin/reload", Some(&admin), "").await;
    eventually("it serves", async || (echo(&hub, &admin).await.status == 200).then_some(())).await;
    assert_eq!(listed(&hub, &admin, "hello-rs").await["overrides"], json!([]));
    let ended = json!([{ "provider": "hello-rs", "kind": "disabled" }]);
    let told = || {
        let database = hub.database();
        let mut rows = database
            .prepare("SELECT result FROM events WHERE operation = 'reload' AND result IS NOT NULL")
            .expect("a query");
        let rows = rows.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        let results = rows.map(|row| serde_json::from_str::<Value>(&row.expect("a row")).expect("JSON"));
        results.filter(|result| result["overrides_ended"] == ended).count()
    };
    eventually("it is on record", async || (told() == 1).then_some(())).await;
    assert!(hub.log().contains("which ends what an admin had done"), "{}", hub.log());

    // A change while the hub is down does the same.
    assert_eq!(act(&hub, &admin, "hello-rs", "disable").await.status, 200);
    hub.stop();
    hub.configure(HELLO);
    hub.run();
    assert_eq!(echo(&hub, &admin).await.status, 200);
    eventually("it is on record", async || {
        let rows: i64 = hub
            .database()
            .query_row(
                "SELECT count(*) FROM events WHERE operation = 'reload' AND result LIKE '%overrides_ended%'",
                [],
                |row| row.get(0),
            )
            .expect("a number");
        (rows == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_provider_is_disabled_also_while_the_config_cannot_be_used() {
    let hub = Hub::start(HELLO);
    let admin = hub.token(ADMIN);
    hub.configure("  hello-rs: [");
    assert_eq!(hub.post("/admin/reload", Some(&admin), "").await.status, 409);
    assert_eq!(act(&hub, &admin, "hello-rs", "disable").await.json()["state"], "disabled");
    assert_eq!(echo(&hub, &admin).await.status, 503);
    assert_eq!(act(&hub, &admin, "hello-rs", "enable").await.json()["state"], "ready");
    assert_eq!(echo(&hub, &admin).await.status, 200);
}

#[tokio::test]
async fn a_rollback_serves_the_component_of_before_with_what_the_config_grants_now() {
    let mut hub = Hub::start(HELLO);
    let admin = hub.token(ADMIN);
    let refused = act(&hub, &admin, "hello-rs", "rollback").await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("override_refused")), "{refused:?}");
    assert!(refused.text.contains("no component of before"), "{refused:?}");

    replace(hub.folder(), "provider.wasm", &variant("old"));
    let wide = Testbed { component: "provider.wasm", ..Testbed::default() };
    hub.configure(&wide.yaml());
    eventually("the old one answers", async || (variant_of(&hub, &admin).await == "old").then_some(())).await;
    replace(hub.folder(), "provider.wasm", &variant("new"));
    eventually("the new one answers", async || (variant_of(&hub, &admin).await == "new").then_some(())).await;
    // Granted less than the old one was when it served.
    hub.configure(&Testbed { min_role: "ops_admin", ..wide.clone() }.yaml());
    let narrow = hub.token(VIEWER);
    let status = async |token: &str| hub.call(token, "testbed/variant.tell", &json!({})).await.status;
    eventually("viewers may not", async || (status(&narrow).await == 403).then_some(())).await;

    let rolled_back = act(&hub, &admin, "testbed", "rollback").await;
    assert_eq!(
        (rolled_back.status, &rolled_back.json()["overrides"][0]["kind"]),
        (200, &json!("rolled_back")),
        "{rolled_back:?}"
    );
    assert_eq!(rolled_back.json()["revision"]["component"], rolled_back.json()["overrides"][0]["component"]);
    assert_eq!(
        (variant_of(&hub, &admin).await, status(&narrow).await),
        (json!("old"), 403),
        "it is granted what the config says now"
    );
    assert_eq!(row(&hub, "roll_back_provider")["provider"], "testbed");
    assert_eq!(act(&hub, &admin, "testbed", "rollback").await.status, 409, "there is one step back");

    // It outlasts the hub, a stop, and the file that the config names.
    std::fs::remove_file(hub.folder().join("provider.wasm")).expect("removed");
    hub.stop();
    hub.run();
    assert_eq!(variant_of(&hub, &admin).await, "old");
    replace(hub.folder(), "provider.wasm", &variant("new"));
    assert_eq!(act(&hub, &admin, "testbed", "disable").await.json()["state"], "disabled");
    assert_eq!(act(&hub, &admin, "testbed", "enable").await.status, 200);
    assert_eq!(variant_of(&hub, &admin).await, "old", "enabling lifts nothing but the stop");

    hub.configure(&wide.yaml());
    eventually("the new one answers", async || (variant_of(&hub, &admin).await == "new").then_some(())).await;
}

#[tokio::test]
async fn a_hub_that_cannot_say_what_was_disabled_does_not_start() {
    let mut hub = Hub::start(HELLO);
    hub.stop();
    let database = rusqlite::Connection::open(hub.data().join("ops.db")).expect("a database");
    let odd =
        "INSERT INTO provider_overrides VALUES ('hello-rs', 'paused', NULL, '', NULL, '2026-01-01T00:00:00.000Z')";
    database.execute(odd, []).expect("written");
    drop(database);
    let started = hub.program().args(["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&started.stderr);
    assert!(!started.status.success() && told.contains("so none may serve") && told.contains("`paused`"), "{told}");
}

#[tokio::test]
async fn hubs_that_share_a_database_see_what_an_admin_of_the_other_does() {
    let server = Postgres::start().await;
    let url = server.url("hub");
    let arguments = ["--database-url", &*url];
    let one = Hub::start_with(HELLO, &arguments);
    let two = Hub::start_beside(&one, HELLO, &arguments);
    let admin = one.token(ADMIN);
    let other = two.token(ADMIN);
    assert_eq!(act(&one, &admin, "hello-rs", "disable").await.json()["state"], "disabled");
    eventually("the other has heard", async || (echo(&two, &other).await.status == 503).then_some(())).await;
    let seen = listed(&two, &other, "hello-rs").await;
    assert_eq!(seen["overrides"], listed(&one, &admin, "hello-rs").await["overrides"]);
    assert_eq!(act(&two, &other, "hello-rs", "enable").await.status, 200);
    eventually("it is lifted for both", async || (echo(&one, &admin).await.status == 200).then_some(())).await;
}

/// Runs a command of the program against a hub; gives its exit status, output and errors.
fn command(hub: &Hub, token: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = hub.program();
    command.args(arguments).args(["--hub", &hub.url]).env("BULKHEAD_TOKEN", token);
    let output = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a status"), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_do_the_same_and_their_exit_status_tells() {
    let hub = Hub::start(HELLO);
    let admin = hub.token(ADMIN);
    let well = async || (hub.get("/health", None).await.status == 200).then_some(());
    eventually("it is healthy", well).await;
    let (code, out, _) = command(&hub, &admin, &["status"]);
    assert!(code == 0 && out.starts_with("ok\n") && out.contains("hello-rs"), "{code} {out}");
    let (code, out, _) = command(&hub, &admin, &["providers"]);
    assert!(code == 0 && out.starts_with("provider ") && out.contains("hello-rs  ready"), "{code} {out}");
    let (code, out, _) = command(&hub, &admin, &["reload"]);
    assert_eq!((code, &*out), (0, "nothing has changed\n"));

    let (code, out, _) = command(&hub, &admin, &["providers", "disable", "hello-rs", "--json"]);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &told["state"]), (0, &json!("disabled")), "it is as it was asked to be");
    assert_eq!(command(&hub, &admin, &["providers", "enable", "hello-rs"]).0, 0);
    let (code, _, told) = command(&hub, &admin, &["providers", "rollback", "hello-rs"]);
    assert!(code == 1 && told.contains("409 override_refused"), "{code} {told}");

    hub.configure(&HELLO.replace("{hello-rs.wasm}", "nowhere.wasm"));
    let (code, out, _) = command(&hub, &admin, &["reload"]);
    assert!(code == 3 && out.contains("hello-rs  its component `nowhere.wasm` cannot be read"), "{code} {out}");
    assert_eq!([["providers"], ["status"]].map(|arguments| command(&hub, &admin, &arguments).0), [3, 3]);
    hub.configure("  hello-rs: [");
    let (code, _, told) = command(&hub, &admin, &["reload"]);
    assert!(code == 1 && told.contains("config_refused"), "{code} {told}");
    let (code, _, told) = command(&hub, &hub.token(VIEWER), &["reload"]);
    assert!(code == 1 && told.contains("role_too_low"), "{code} {told}");
}
