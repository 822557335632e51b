//! Secrets from Supabase's vault: used as those of the data folder are, soon after they were changed, and by whoever may.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx_core::{query::query, raw_sql::raw_sql};
use sqlx_postgres::Postgres as Database;

use super::{fresh_secret, get, holder, said, secrets};
use crate::support::{
    hub::{ADMIN, Hub, eventually},
    postgres::Postgres,
    upstream::Upstream,
};

/// Sets a secret as `vault.create_secret` and `vault.update_secret` do.
async fn set(server: &Postgres, name: &str, value: &str) {
    let mut connection = server.connect("postgres", "ops").await;
    let set = "INSERT INTO vault.secrets (name, secret) VALUES ($1, reverse($2)) ON CONFLICT (name) DO UPDATE SET secret = excluded.secret";
    query::<Database>(set).bind(name).bind(value).execute(&mut connection).await.expect("set");
}

#[tokio::test]
async fn a_secret_of_supabases_vault_reaches_its_upstream_and_a_new_value_is_used_within_60_s() {
    let (server, upstream) = (Postgres::start_as_supabase().await, Upstream::start());
    let (first, second) = (fresh_secret(), fresh_secret());
    set(&server, "token", &first).await;
    set(&server, "unused", "a secret of others").await;
    server.admin("GRANT bulkhead_vault TO hub").await;
    let hub = Hub::start_with(&holder(&upstream), &["--database-url", &server.url("hub"), "--vault", "supabase"]);
    let token = hub.token(ADMIN);
    let input = json!({ "url": upstream.url("/echo"), "secret": "token" });
    let reply = get(&hub, &token, &input).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(upstream.seen()[0].header("authorization"), format!("Bearer {first}"));
    assert_eq!(reply.json()["echo"], "Bearer [secret token]");

    let changed = Instant::now();
    set(&server, "token", &second).await;
    let is_new = async || {
        get(&hub, &token, &input).await;
        let last = upstream.seen().pop()?.header("authorization").to_owned();
        (last == format!("Bearer {second}")).then_some(())
    };
    eventually("the new value arrives", is_new).await;
    assert!(changed.elapsed() < Duration::from_secs(60));
    let mut connection = server.connect("postgres", "ops").await;
    raw_sql("DELETE FROM vault.secrets WHERE name = 'token'").execute(&mut connection).await.expect("removed");
    let is_gone = async || {
        let (status, detail) = said(&get(&hub, &token, &input).await);
        (status == 503 && detail.contains("select vault.create_secret('VALUE', 'token')")).then_some(())
    };
    eventually("the removed value is gone", is_gone).await;
    for secret in [&first, &second] {
        assert!(!hub.log().contains(&**secret));
        let rows = "SELECT count(*) FROM ops.run_events e WHERE strpos(e::text, $1) > 0";
        let rows = sqlx_core::query_scalar::query_scalar::<Database, i64>(rows).bind(secret);
        assert_eq!(rows.fetch_one(&mut connection).await.expect("a number"), 0);
    }
    let refused = secrets(&hub, &["set", "token", "--vault", "supabase"], &second);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("vault.create_secret"));
    // The server goes away and comes back: the connection is made anew.
    raw_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hub'")
        .execute(&mut connection)
        .await
        .expect("cut");
    set(&server, "token", &first).await;
    let is_back = async || (get(&hub, &token, &input).await.status == 200).then_some(());
    eventually("it is read again", is_back).await;
}

#[tokio::test]
async fn the_vault_is_read_by_whom_it_is_granted_to_and_nothing_of_it_but_the_view() {
    let (server, upstream) = (Postgres::start_as_supabase().await, Upstream::start());
    let url = server.url("hub");
    let hub = Hub::start_with(&holder(&upstream), &["--database-url", &url]);
    let serve = |arguments: &[&str]| {
        let output =
            hub.program().args(["serve", "--listen", "127.0.0.1:0", "--vault", "supabase"]).args(arguments).output();
        String::from_utf8_lossy(&output.expect("it runs").stderr).into_owned()
    };
    let refused = serve(&[]);
    assert!(refused.contains("GRANT bulkhead_vault"), "{refused}");
    let file = format!("sqlite:{}", hub.folder().join("other.db").display());
    let refused = serve(&["--database-url", &file]);
    assert!(refused.contains("name its database by --database-url postgres://"), "{refused}");
    server.admin("GRANT bulkhead_vault TO hub").await;
    let mut connection = server.connect("hub", "ops").await;
    raw_sql("SELECT name, decrypted_secret FROM vault.decrypted_secrets").execute(&mut connection).await.expect("read");
    for other in [
        "SELECT * FROM vault.secrets",
        "INSERT INTO vault.secrets (name, secret) VALUES ('a', 'b')",
        "DELETE FROM vault.decrypted_secrets",
        "SELECT * FROM auth.users",
        "CREATE TABLE vault.mine (a int)",
    ] {
        let refused = raw_sql(other).execute(&mut connection).await.expect_err(other).to_string();
        assert!(refused.contains("permission denied"), "{other}: {refused}");
    }
}
