//! On a server, by a connection of its own, which waits for no commit.

use sqlx_core::{query::query, query_as::query_as};
use sqlx_postgres::Postgres;

use super::kept::{Override, OverrideKind, OverridesError, Row, written};
use crate::{
    names::ProviderName,
    store::postgres::{PostgresError, Session},
};

const ALL: &str = "SELECT provider, kind, component, section, caller::text, \
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM ops.provider_overrides ORDER BY provider, kind";
const PUT: &str = "INSERT INTO ops.provider_overrides (provider, kind, component, section, caller, created_at) \
    VALUES ($1, $2, $3, $4, $5::uuid, $6::timestamptz) ON CONFLICT (provider, kind) DO UPDATE SET component = excluded.component, \
    section = excluded.section, caller = excluded.caller, created_at = excluded.created_at";
const REMOVE: &str = "DELETE FROM ops.provider_overrides WHERE provider = $1 AND kind = $2";

#[derive(Debug)]
pub(super) struct InPostgres {
    session: Session,
}

impl InPostgres {
    pub(super) fn new(session: Session) -> Self {
        Self { session }
    }

    pub(super) fn all(&mut self) -> Result<Vec<Row>, OverridesError> {
        let read = self.session.run_again(async |connection| {
            Ok::<_, PostgresError>(query_as::<Postgres, Row>(ALL).fetch_all(connection).await?)
        });
        Ok(read?)
    }

    pub(super) fn put(&mut self, put: &Override) -> Result<(), OverridesError> {
        self.session.run_again(async |connection| {
            let put = query::<Postgres>(PUT)
                .bind(put.provider.as_str())
                .bind(put.what.kind().as_str())
                .bind(put.what.component())
                .bind(&put.section)
                .bind(put.caller.map(|caller| caller.to_string()))
                .bind(written(put.at));
            put.execute(connection).await?;
            Ok::<_, PostgresError>(())
        })?;
        Ok(())
    }

    pub(super) fn remove(&mut self, provider: &ProviderName, kind: OverrideKind) -> Result<(), OverridesError> {
        self.session.run_again(async |connection| {
            query::<Postgres>(REMOVE).bind(provider.as_str()).bind(kind.as_str()).execute(connection).await?;
            Ok::<_, PostgresError>(())
        })?;
        Ok(())
    }
}
