//! One connection, used by one thread. No wait is without a bound.

use std::{fmt, time::Duration};

use sqlx_core::{connection::ConnectOptions as _, raw_sql::raw_sql};
use sqlx_postgres::PgConnection;
use tokio::{runtime, time};

use super::{PostgresError, Settings, schema};

/// How long a piece of work may take, connecting included. The server gives up before, so that nothing of it is left there.
const PATIENCE: Duration = Duration::from_secs(6);
/// The shortest that it is ever given: a connection over a network has to be possible within that.
const PATIENCE_MIN: Duration = Duration::from_secs(2);

/// What a connection is set to. A commit returns when it is on disk, whatever the server's default is; and a transaction whose
/// hub has gone does not keep its locks.
const SET: &str = "SET synchronous_commit = on; SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
    SET idle_in_transaction_session_timeout = '5s'; SET search_path = pg_catalog; SET TimeZone = 'UTC'; \
    SET default_transaction_isolation = 'read committed'; SET standard_conforming_strings = on";

/// A connection, and the thread's own runtime to wait for it on.
pub struct Session {
    runtime: runtime::Runtime,
    settings: Settings,
    /// `None` after an error, of which nobody knows what it has left.
    connection: Option<PgConnection>,
    patience: Duration,
}

impl Session {
    /// Connects and checks that the schema is the hub's, and that its user may only add to the trail.
    ///
    /// # Errors
    /// When it cannot be reached, or is not as it should be.
    pub fn open(settings: Settings) -> Result<Self, PostgresError> {
        let mut session = Self::unchecked(settings)?;
        let user = session.settings.user().to_owned();
        session.run(async |connection| schema::check(connection, &user).await)?;
        session.run(async |connection| schema::check_rights(connection).await)?;
        Ok(session)
    }

    /// Connects to read: any user will do that may.
    ///
    /// # Errors
    /// When it cannot be reached, or its schema is not the hub's.
    pub fn open_to_read(settings: Settings) -> Result<Self, PostgresError> {
        let mut session = Self::unchecked(settings)?;
        let user = session.settings.user().to_owned();
        session.run(async |connection| schema::check(connection, &user).await)?;
        Ok(session)
    }

    pub(super) fn unchecked(settings: Settings) -> Result<Self, PostgresError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| PostgresError::Sql(error.into()))?;
        Ok(Self { runtime, settings, connection: None, patience: PATIENCE })
    }

    /// How long a piece of work may take from now on, within reason.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience.clamp(PATIENCE_MIN, PATIENCE);
    }

    /// Does something with the connection, which is made again if there is none. If it fails the connection is given up, and with
    /// it a transaction that is open.
    ///
    /// # Errors
    /// As the work, and when there is no connection or no answer in time.
    pub fn run<T, E: From<PostgresError>>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run_for(self.patience, work)
    }

    /// The same with another bound, for what reads a lot.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_for<T, E: From<PostgresError>>(
        &mut self,
        patience: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let Self { runtime, settings, connection, .. } = self;
        runtime.block_on(async {
            let done = time::timeout(patience, async {
                let mut connected = match connection.take() {
                    Some(connected) => connected,
                    None => connect(settings).await?,
                };
                let done = work(&mut connected).await?;
                *connection = Some(connected);
                Ok(done)
            });
            done.await.unwrap_or_else(|_| Err(PostgresError::TimedOut(patience).into()))
        })
    }
}

async fn connect(settings: &Settings) -> Result<PgConnection, PostgresError> {
    let mut connection = settings.options()?.connect().await?;
    raw_sql(SET).execute(&mut connection).await?;
    Ok(connection)
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("settings", &self.settings).finish_non_exhaustive()
    }
}
