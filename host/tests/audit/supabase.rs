//! The trail on Supabase: who sees which rows by way of the project's API, and what becomes of the rows of users who leave.
//! Questions are asked as PostgREST asks them: `SET ROLE`, and the token's claims in `request.jwt.claims`.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx_core::{query::query, query_scalar::query_scalar, raw_sql::raw_sql, sql_str::AssertSqlSafe};
use sqlx_postgres::Postgres as Database;
use uuid::Uuid;

use crate::support::{
    hub::{ADMIN, Folder, Hub, OPERATOR, eventually},
    postgres::Postgres,
    testbed::testbed,
};

/// A hub on Supabase and two of its users: one of the project's, and one of whom the project knows nothing.
struct Scene {
    server: Postgres,
    hub: Hub,
    known: Uuid,
    stranger: Uuid,
}

impl Scene {
    async fn new() -> Self {
        let server = Postgres::start_as_supabase().await;
        let (known, stranger) = (Uuid::new_v4(), Uuid::new_v4());
        add_user(&server, known).await;
        let hub = Hub::start_with(&testbed(&[]), &["--database-url", &server.url("hub")]);
        let scene = Self { server, hub, known, stranger };
        for (user, notes) in [(known, 2), (stranger, 1)] {
            for _ in 0..notes {
                scene.writes_a_note(user).await;
            }
        }
        scene
    }

    async fn writes_a_note(&self, user: Uuid) {
        let token = self.hub.token_for(OPERATOR, user);
        let reply = self.hub.call(&token, "testbed/write.note", &json!({ "text": "mine" })).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// What a query of numbers gives to a role of the API with these claims.
    async fn asked(&self, role: &str, claims: &str, sql: &str) -> Result<i64, String> {
        let mut connection = self.server.connect("authenticator", "ops").await;
        let begin = format!("BEGIN; SET LOCAL ROLE {role}");
        raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.expect("a role of its own");
        let set = query::<Database>("SELECT set_config('request.jwt.claims', $1, true)").bind(claims);
        set.execute(&mut connection).await.expect("claims");
        let asked = query_scalar::<Database, i64>(AssertSqlSafe(sql.to_owned()));
        asked.fetch_one(&mut connection).await.map_err(|error| error.to_string())
    }

    async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.server.connect("postgres", "ops").await;
        query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.expect("a number")
    }

    /// As somebody who has the database, and for whom triggers hold or do not.
    async fn done(&self, user: &str, sql: &str) -> Result<(), String> {
        let mut connection = self.server.connect(user, "ops").await;
        let done = raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    fn verified(&self) -> (bool, String) {
        let output = self.hub.program().args(["audit", "verify"]).output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

async fn add_user(server: &Postgres, id: Uuid) {
    let mut connection = server.connect("postgres", "ops").await;
    let added = query::<Database>("INSERT INTO auth.users (id) VALUES ($1)").bind(id).execute(&mut connection).await;
    added.expect("a user");
}

const EVENTS: &str = "SELECT count(*) FROM ops.run_events WHERE tool = 'write.note'";
const INTENTS: &str = "SELECT count(*) FROM ops.run_intents";

#[tokio::test]
async fn the_api_shows_callers_their_rows_and_those_who_answer_for_all_every_row() {
    let scene = Scene::new().await;
    let Scene { known, stranger, .. } = &scene;
    let of = |sub: &Uuid, metadata: Value| {
        json!({ "sub": sub, "role": "authenticated", "app_metadata": metadata }).to_string()
    };
    let role = |role: &str| json!({ "ops_role": role });
    for (claims, rows) in [
        (of(known, role("ops_viewer")), 2),
        (of(stranger, role("ops_operator")), 1),
        (of(known, json!({})), 2),
        (of(&Uuid::new_v4(), role("ops_operator")), 0),
        (of(known, role("ops_admin")), 3),
        (of(&Uuid::new_v4(), role("ops_auditor")), 3),
        // What looks like a role and is none.
        (of(known, role("OPS_ADMIN")), 2),
        (of(known, json!("ops_admin")), 2),
        (of(known, json!(["ops_admin"])), 2),
        (of(known, json!({ "ops_role": ["ops_admin"] })), 2),
        (of(known, json!({ "ops_role": { "ops_admin": true } })), 2),
        (json!({ "sub": known, "ops_role": "ops_admin" }).to_string(), 2),
        (json!({ "sub": known, "user_metadata": { "ops_role": "ops_admin" } }).to_string(), 2),
        (json!({ "sub": known, "role": "ops_admin" }).to_string(), 2),
        // Nobody.
        (String::new(), 0),
        ("{}".to_owned(), 0),
        ("null".to_owned(), 0),
        ("[]".to_owned(), 0),
        (json!({ "sub": null }).to_string(), 0),
        (json!({ "sub": "" }).to_string(), 0),
        (json!({ "sub": "' OR true --" }).to_string(), 0),
        (json!({ "sub": format!("{known} ") }).to_string(), 0),
        (json!({ "sub": [known] }).to_string(), 0),
    ] {
        for sql in [EVENTS, INTENTS] {
            assert_eq!(scene.asked("authenticated", &claims, sql).await, Ok(rows), "{sql} as {claims}");
        }
    }
    for (role, claims) in [
        ("authenticated", "no JSON".to_owned()),
        ("anon", of(known, json!({ "ops_role": "ops_admin" }))),
        ("service_role", String::new()),
    ] {
        let refused = scene.asked(role, &claims, EVENTS).await;
        let told = refused.expect_err(role);
        assert!(
            told.contains("permission denied") || told.contains("invalid input syntax for type json"),
            "{role}: {told}"
        );
    }
    // By way of the hub it is the same.
    let listed =
        scene.hub.get("/audit/events?tool=write.note", Some(&scene.hub.token_for(OPERATOR, *known))).await.json();
    assert_eq!(listed["events"].as_array().map(Vec::len), Some(2), "{listed}");
    let (ok, told) = scene.verified();
    assert!(ok, "{told}");
}

#[tokio::test]
async fn who_has_a_low_role_gets_nothing_else_out_of_the_schema_and_changes_nothing() {
    let scene = Scene::new().await;
    let claims = json!({ "sub": scene.known, "app_metadata": { "ops_role": "ops_operator" } }).to_string();
    let tables = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'ops'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')";
    let mut connection = scene.server.connect("postgres", "ops").await;
    let tables: String = query_scalar(tables).fetch_one(&mut connection).await.expect("tables");
    let shown = ["run_events", "run_intents"];
    assert!(tables.split(' ').count() >= 9, "{tables}");
    for table in tables.split(' ') {
        let read = scene.asked("authenticated", &claims, &format!("SELECT count(*) FROM ops.{table}")).await;
        assert_eq!(read.is_ok(), shown.contains(&table), "{table}: {read:?}");
        for change in [
            "INSERT INTO ops.@ DEFAULT VALUES",
            "DELETE FROM ops.@",
            "TRUNCATE ops.@",
            "LOCK TABLE ops.@ IN EXCLUSIVE MODE",
        ] {
            let change = change.replace('@', table);
            let refused = scene.asked("authenticated", &claims, &change).await.expect_err(&change);
            assert!(refused.contains("permission denied"), "{change}: {refused}");
        }
    }
    let seen = scene.asked("authenticated", &claims, "SELECT count(*) FROM ops.run_events").await;
    // Whole schemas are granted by mistake, as guides for other schemas say: rows stay whose they are.
    scene.done("owner", "GRANT ALL ON ALL TABLES IN SCHEMA ops TO authenticated").await.expect("granted");
    assert_eq!(scene.asked("authenticated", &claims, "SELECT count(*) FROM ops.run_events").await, seen);
    for table in tables.split(' ').filter(|table| !shown.contains(table)) {
        let read = scene.asked("authenticated", &claims, &format!("SELECT count(*) FROM ops.{table}")).await;
        assert_eq!(read, Ok(0), "{table}");
    }
    for (change, told) in [
        ("INSERT INTO ops.audit_writers (writer) VALUES (gen_random_uuid()) RETURNING 1::bigint", "row-level security"),
        (
            "INSERT INTO ops.audit_leases (writer, expires_at) VALUES (gen_random_uuid(), 'infinity') RETURNING 1::bigint",
            "row-level security",
        ),
        ("UPDATE ops.audit_writers SET writer = gen_random_uuid() RETURNING 1::bigint", "append-only"),
        ("DELETE FROM ops.run_events RETURNING 1::bigint", "append-only"),
        ("UPDATE ops.run_events SET outcome = 'ok' RETURNING 1::bigint", "no rows"),
        ("DELETE FROM ops.audit_leases RETURNING 1::bigint", "no rows"),
    ] {
        let refused = scene.asked("authenticated", &claims, change).await.expect_err(change);
        assert!(refused.contains(told), "{change}: {refused}");
    }
    // Nor is there a view that shows what its owner sees.
    let views = "SELECT count(*) FROM pg_class WHERE relnamespace = 'ops'::regnamespace AND relkind IN ('v', 'm') \
        AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)";
    assert_eq!(scene.number(views).await, 0);
    let unforced = "SELECT count(*) FROM pg_class WHERE relnamespace = 'ops'::regnamespace AND relkind IN ('r', 'p') \
        AND NOT (relrowsecurity AND relforcerowsecurity)";
    assert_eq!(scene.number(unforced).await, 0);
    let (ok, told) = scene.verified();
    assert!(ok, "{told}");
}

#[tokio::test]
async fn a_user_who_leaves_takes_no_row_along_and_nothing_else_can_be_changed() {
    let scene = Scene::new().await;
    let Scene { known, stranger, .. } = scene;
    let refer =
        |user: Uuid| format!("SELECT count(*) FROM ops.run_events WHERE caller = '{user}' AND caller_id = '{user}'");
    assert_eq!((scene.number(&refer(known)).await, scene.number(&refer(stranger)).await), (2, 0));
    for change in [
        "UPDATE ops.run_events SET caller_id = NULL",
        "UPDATE ops.run_events SET caller_id = caller",
        "UPDATE ops.run_events SET caller = NULL",
        "UPDATE ops.run_events SET outcome = 'denied'",
        "DELETE FROM ops.run_events",
        "TRUNCATE ops.run_events",
        "UPDATE ops.run_intents SET caller = NULL",
    ] {
        for user in ["owner", "postgres"] {
            let refused = scene.done(user, change).await.expect_err(change);
            assert!(refused.contains("append-only"), "{user}: {change}: {refused}");
        }
        assert!(scene.done("hub", change).await.expect_err(change).contains("permission denied"), "{change}");
    }
    // Whoever is just being removed is no user any more, and nobody waits for that.
    let mut removing = scene.server.connect("postgres", "ops").await;
    let remove = format!("BEGIN; DELETE FROM auth.users WHERE id = '{known}'");
    raw_sql(AssertSqlSafe(remove)).execute(&mut removing).await.expect("removed");
    let noted = tokio::time::timeout(Duration::from_secs(2), scene.writes_a_note(known)).await;
    assert!(noted.is_ok(), "a call waits for whoever removes a user");
    raw_sql("COMMIT").execute(&mut removing).await.expect("done");
    assert_eq!(scene.number(&refer(known)).await, 0);
    let kept = format!("SELECT count(*) FROM ops.run_events WHERE caller = '{known}' AND caller_id IS NULL");
    assert_eq!(scene.number(&kept).await, 3);
    let (ok, told) = scene.verified();
    assert!(ok && told.contains("nothing was changed"), "{told}");
    let claims = json!({ "sub": known }).to_string();
    assert_eq!(scene.asked("authenticated", &claims, EVENTS).await, Ok(3), "they are still its own");

    // A row that refers to somebody who is not there, as no hub makes it: it may forget that, and nothing else with it.
    let dangling = format!(
        "SET session_replication_role = replica; UPDATE ops.run_events SET caller_id = caller WHERE caller = '{known}'"
    );
    scene.done("postgres", &dangling).await.expect("made");
    for more in ["outcome = 'denied'", "payload = payload || '{\"more\": 1}'", "caller = NULL", "duration_ms = 7777"] {
        let change = format!("UPDATE ops.run_events SET caller_id = NULL, {more} WHERE caller = '{known}'");
        assert!(scene.done("owner", &change).await.expect_err(more).contains("append-only"), "{more}");
    }
    scene
        .done("owner", &format!("UPDATE ops.run_events SET caller_id = NULL WHERE caller = '{known}'"))
        .await
        .expect("that alone");
    let (ok, told) = scene.verified();
    assert!(ok, "{told}");
    // To say that it was somebody else is found, with triggers and keys out of the way.
    add_user(&scene.server, Uuid::nil()).await;
    let other = format!(
        "SET session_replication_role = replica; UPDATE ops.run_events SET caller_id = '{}' WHERE caller = '{known}'",
        Uuid::nil()
    );
    scene.done("postgres", &other).await.expect("changed");
    let (ok, told) = scene.verified();
    assert!(!ok && told.contains("refers to a user that is not its caller"), "{told}");
}

#[tokio::test]
async fn a_trail_that_was_there_before_supabase_was_is_adapted_once_and_verifies() {
    let server = Postgres::start().await;
    let mut hub = Hub::start_with(&testbed(&[]), &["--database-url", &server.url("hub")]);
    let (known, token) = (Uuid::new_v4(), hub.token(ADMIN));
    for token in [&hub.token_for(OPERATOR, known), &token] {
        assert_eq!(hub.call(token, "testbed/write.note", &json!({ "text": "before" })).await.status, 200);
    }
    assert_eq!(hub.stop(), Some(0));
    server.becomes_supabase().await;
    add_user(&server, known).await;
    for _ in 0..2 {
        let output = server.bulkhead("owner").arg("migrate").output().expect("it runs");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && told.contains("already") && told.contains("this is Supabase"), "{told}");
    }
    hub.run();
    assert_eq!(hub.call(&token, "testbed/write.note", &json!({ "text": "after" })).await.status, 200);
    let scene = Scene { server, hub, known, stranger: Uuid::nil() };
    assert_eq!(scene.number("SELECT count(*) FROM ops.run_events WHERE caller_id IS NOT NULL").await, 1);
    assert_eq!(scene.number(EVENTS).await, 3);
    let (ok, told) = scene.verified();
    assert!(ok && told.contains("nothing was changed"), "{told}");
}

#[tokio::test]
async fn who_may_not_or_sees_a_part_is_told_so() {
    let server = Postgres::start_empty().await;
    server.becomes_supabase().await;
    let run = |user: &str, arguments: &[&str]| {
        let folder = Folder::new();
        let mut program = server.bulkhead(user);
        let output = program.arg("--data").arg(folder.path()).args(arguments).output().expect("it runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    server.admin("ALTER ROLE owner NOBYPASSRLS").await;
    let told = run("owner", &["migrate"]);
    assert!(told.contains("cannot have the trail refer to Supabase's users"), "{told}");
    server.admin("ALTER ROLE owner BYPASSRLS").await;
    assert!(run("owner", &["migrate"]).contains("GRANT bulkhead_vault TO hub"));
    server.admin("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA ops TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA ops TO reader").await;
    // Nothing would be missing to whom nothing is shown.
    let told = run("reader", &["audit", "list"]);
    assert!(told.contains("row-level security hides rows of the trail from user `reader`"), "{told}");
    server.admin("GRANT bulkhead_hub TO reader").await;
    let listed = async || run("reader", &["audit", "list"]).contains("recorded").then_some(());
    eventually("it is shown what there is", listed).await;
}
