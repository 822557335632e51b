//! A hub and what it records in: a file or a server, of which a test is told no more than that.

use std::ops::{Deref, DerefMut};

use serde_json::Value;
use sqlx_core::{query_scalar::query_scalar, raw_sql::raw_sql};
use sqlx_postgres::Postgres as Database;

use crate::support::{hub::Hub, postgres::Postgres};

/// Runs each test on both stores.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $test() { super::$test(super::Store::Sqlite).await })*
        }
        mod postgres {
            $(#[tokio::test] async fn $test() { super::$test(super::Store::Postgres).await })*
        }
    };
}
pub(super) use on_both_stores;

/// Where a hub records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// A hub with its store.
pub struct Kept {
    hub: Hub,
    server: Option<Postgres>,
}

impl Deref for Kept {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }
}

impl Kept {
    pub async fn start(store: Store, providers: &str) -> Self {
        match store {
            Store::Sqlite => Self { hub: Hub::start(providers), server: None },
            Store::Postgres => {
                let server = Postgres::start().await;
                let hub = Hub::start_with(providers, &["--database-url", &server.url("hub")]);
                Self { hub, server: Some(server) }
            }
        }
    }

    /// The server, where there is one.
    pub fn server(&self) -> &Postgres {
        self.server.as_ref().expect("a server")
    }

    /// The same, to stop it.
    pub fn server_mut(&mut self) -> &mut Postgres {
        self.server.as_mut().expect("a server")
    }

    /// Every event but those of the monitor and of commands, oldest first, with documents as texts.
    pub async fn events(&self) -> Vec<Value> {
        let Some(server) = &self.server else { return self.hub.events() };
        let sql = "SELECT to_jsonb(e)::text FROM ops.run_events e WHERE surface NOT IN ('probe', 'cli') \
            ORDER BY recorded_at, seq";
        let mut connection = server.connect("postgres", "ops").await;
        let rows: Vec<String> = query_scalar::<Database, _>(sql).fetch_all(&mut connection).await.expect("rows");
        rows.iter().map(|row| as_in_a_file(serde_json::from_str(row).expect("JSON"))).collect()
    }

    /// The newest of them.
    pub async fn last_event(&self) -> Value {
        self.events().await.pop().expect("an event")
    }

    /// From now on nothing is recorded.
    pub async fn breaks(&self) {
        let Some(server) = &self.server else {
            let odd = "CREATE TRIGGER odd BEFORE INSERT ON run_events BEGIN SELECT RAISE(IGNORE); END";
            return super::super::tamper(&self.hub).execute_batch(odd).expect("made");
        };
        server.admin("CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'").await;
        server.admin("CREATE TRIGGER odd BEFORE INSERT ON ops.run_events FOR EACH ROW EXECUTE FUNCTION odd()").await;
    }

    /// From now on it is again.
    pub async fn mends(&self) {
        match &self.server {
            None => super::super::tamper(&self.hub).execute_batch("DROP TRIGGER odd").expect("dropped"),
            Some(server) => server.admin("DROP TRIGGER odd ON ops.run_events").await,
        }
    }

    /// Connections of readers that the server has, but those that are closed just now.
    pub async fn readers(&self) -> Option<i64> {
        let mut connection = self.server.as_ref()?.connect("postgres", "ops").await;
        raw_sql("SELECT pg_sleep(0.3)").execute(&mut connection).await.expect("a moment");
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'hub'";
        let all: i64 = query_scalar::<Database, _>(sql).fetch_one(&mut connection).await.expect("a number");
        // The writer, and who looks at what admins have disabled.
        Some(all - 2)
    }
}

fn as_in_a_file(mut row: Value) -> Value {
    for body in ["payload", "result"] {
        if !row[body].is_null() {
            row[body] = row[body].to_string().into();
        }
    }
    row
}
