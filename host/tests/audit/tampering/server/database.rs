//! A trail on a server, and copies of its database to tamper with.

use sqlx_core::{query_scalar::query_scalar, raw_sql::raw_sql, sql_str::AssertSqlSafe};
use sqlx_postgres::Postgres as Database;
use uuid::Uuid;

use super::super::database::lived;
use crate::support::{
    hub::{Hub, eventually},
    postgres::Postgres,
};

/// The runs of the trail, by when they began.
pub const FIRST: usize = 0;
/// A stdio session beside the first.
pub const SESSION: usize = 1;
/// Killed in the middle of a scan.
pub const KILLED: usize = 2;
/// Ended after all others, so only a checkpoint outside the database knows of its end.
pub const LAST: usize = 3;
/// A stdio session beside the last.
pub const LAST_SESSION: usize = 4;

/// The tables with entries, in which a row is of a writer and has a number.
pub const ENTRIES: [&str; 3] = ["run_events", "run_intents", "audit_statements"];
pub const SIGNED: [&str; 4] = ["run_events", "run_intents", "audit_statements", "audit_batches"];

/// A hub with its trail; it does not run any more.
pub struct Trail {
    pub hub: Hub,
    server: Postgres,
    /// What is to be known of each run.
    pub runs: Vec<Run>,
}

/// A run, by its numbers.
pub struct Run {
    pub id: Uuid,
    /// Of its last entry.
    pub end: i64,
    /// Of its notes, which are successes with payload and result.
    pub notes: Vec<i64>,
    pub intents: Vec<i64>,
    pub statements: Vec<i64>,
    pub batches: Vec<i64>,
}

impl Trail {
    pub async fn made() -> Self {
        let server = Postgres::start().await;
        // No test turns the machine off.
        for quick in ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"] {
            server.admin(quick).await;
        }
        // Its lease runs out at once, as it would by itself.
        let killed = async || server.admin("UPDATE ops.audit_leases SET expires_at = 'epoch'").await;
        let answered = async || {
            let answered = async || (number(&server, "SELECT count(*) FROM ops.run_events WHERE outcome = 'interrupted'").await == 1).then_some(());
            eventually("the killed run is answered for", answered).await;
        };
        let hub = lived(&["--database-url", &server.url("hub")], killed, answered).await;
        let mut connection = server.connect("postgres", "ops").await;
        let all = "SELECT writer FROM ops.audit_writers ORDER BY writer";
        let ids: Vec<Uuid> = query_scalar::<Database, _>(all).fetch_all(&mut connection).await.expect("runs");
        let mut runs = Vec::new();
        for id in ids {
            let mut of = async |table: &str| -> Vec<i64> {
                let sql = format!("SELECT seq FROM ops.{table} writer = '{id}' ORDER BY seq");
                query_scalar::<Database, _>(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("numbers")
            };
            let batches = of("audit_batches WHERE").await;
            runs.push(Run {
                id,
                end: *batches.last().expect("one"),
                notes: of("run_events WHERE tool = 'write.note' AND").await,
                intents: of("run_intents WHERE").await,
                statements: of("audit_statements WHERE").await,
                batches,
            });
        }
        Self { hub, server, runs }
    }

    /// What verification says of a copy of the database to which this was done, and whether it is content.
    pub async fn tampered(&self, sql: &str, arguments: &[&str]) -> (bool, String) {
        let mut connection = self.server.connect("postgres", "postgres").await;
        for made in ["DROP DATABASE IF EXISTS tampered", "CREATE DATABASE tampered TEMPLATE ops"] {
            raw_sql(made).execute(&mut connection).await.expect("a copy");
        }
        let mut copy = self.server.connect("postgres", "tampered").await;
        let sql = format!("SET session_replication_role = replica; SET search_path = ops; {sql}");
        let done = raw_sql(AssertSqlSafe(sql.clone())).execute(&mut copy).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let url = self.server.url("hub").replace("/ops", "/tampered");
        let mut program = self.hub.program();
        let output = program.args(["audit", "verify", "--database-url", &url]).args(arguments).output();
        let output = output.expect("it runs");
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
    }

    /// One number of the trail as it is.
    pub async fn number(&self, sql: &'static str) -> i64 {
        number(&self.server, sql).await
    }

    /// All of it, for looking something up.
    pub async fn texts(&self, sql: String) -> Vec<String> {
        let mut connection = self.server.connect("postgres", "ops").await;
        query_scalar::<Database, _>(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("texts")
    }
}

async fn number(server: &Postgres, sql: &'static str) -> i64 {
    let mut connection = server.connect("postgres", "ops").await;
    query_scalar::<Database, i64>(sql).fetch_one(&mut connection).await.expect("a number")
}

impl Run {
    /// Where a table has this entry of the run.
    pub fn at(&self, seq: i64) -> String {
        format!("writer = '{}' AND seq = {seq}", self.id)
    }

    /// Moves one row.
    pub fn moved(&self, table: &str, from: i64, to: i64) -> String {
        format!("UPDATE {table} SET seq = {to} WHERE {};", self.at(from))
    }

    /// Two rows in each other's place.
    pub fn swapped(&self, table: &str, a: i64, b: i64) -> String {
        [self.moved(table, a, -1), self.moved(table, b, a), self.moved(table, -1, b)].concat()
    }

    /// Removes all entries from this one on, with their signatures.
    pub fn cut(&self, from: i64) -> String {
        SIGNED.map(|table| format!("DELETE FROM {table} WHERE writer = '{}' AND seq >= {from};", self.id)).concat()
    }

    /// Removes the run, and what the list of ties says of it and by it.
    pub fn removed(&self) -> String {
        let Self { id, .. } = self;
        format!(
            "{} DELETE FROM audit_ties WHERE writer = '{id}' OR statement_writer = '{id}'; \
             DELETE FROM audit_writers WHERE writer = '{id}';",
            self.cut(0)
        )
    }
}
