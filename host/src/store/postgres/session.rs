//! One connection, used by one thread at a time. No wait is without a bound.

use std::{fmt, time::Duration};

use sqlx_core::{connection::ConnectOptions as _, raw_sql::raw_sql};
use sqlx_postgres::PgConnection;
use tokio::{runtime, time};

use super::{PostgresError, Settings, differences::differences, schema};

/// How long a piece of work may take, connecting included. The server gives up before, so that nothing of it is left there.
const PATIENCE: Duration = Duration::from_secs(6);
/// The shortest that it is ever given: a connection over a network has to be possible within that.
const PATIENCE_MIN: Duration = Duration::from_secs(2);

/// What a connection is set to. A commit returns when it is on disk, whatever the server's default is; and a transaction whose
/// hub has gone does not keep its locks.
const SET: &str = "SET synchronous_commit = on; SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
    SET idle_in_transaction_session_timeout = '5s'; SET search_path = pg_catalog; SET TimeZone = 'UTC'; \
    SET default_transaction_isolation = 'read committed'; SET standard_conforming_strings = on";

/// A connection, and a runtime of its own to wait for it on.
pub struct Session {
    clock: Clock,
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
        let mut session = Self::open_to_read(settings)?;
        session.run(async |connection| schema::check_rights(connection).await)?;
        let found = session.differences()?;
        if found.is_empty() { Ok(session) } else { Err(PostgresError::Schema { found }) }
    }

    /// Connects as the owner of the tables, who alone can remove bodies.
    ///
    /// # Errors
    /// When it cannot be reached, is not as it should be, or this is another user.
    pub fn open_as_owner(settings: Settings) -> Result<Self, PostgresError> {
        let mut session = Self::open_to_read(settings)?;
        session.run(async |connection| schema::check_owner(connection).await)?;
        Ok(session)
    }

    /// Connects to read: any user will do that may.
    ///
    /// # Errors
    /// When it cannot be reached, or its schema is not the hub's.
    pub fn open_to_read(settings: Settings) -> Result<Self, PostgresError> {
        let mut session = Self::unchecked(settings)?;
        let user = session.settings.user().to_owned();
        session.run(async |connection| {
            // First: whoever sees a part may not even see which version this is.
            schema::check_sight(connection).await?;
            schema::check(connection, &user).await
        })?;
        Ok(session)
    }

    /// In what the schema is not as the migrations make it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn differences(&mut self) -> Result<Vec<String>, PostgresError> {
        self.run(differences)
    }

    /// For what is no part of the trail; connects when it is used.
    ///
    /// # Errors
    /// When there can be no runtime.
    pub fn unchecked(settings: Settings) -> Result<Self, PostgresError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| PostgresError::Sql(error.into()))?;
        Ok(Self { clock: Clock(Some(runtime)), settings, connection: None, patience: PATIENCE })
    }

    /// Whether there is a connection, as far as anybody knows.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
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

    /// Does something that may be done twice: where a connection that was kept turns out to be gone, it is made anew, once.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_again<T, E: From<PostgresError>>(
        &mut self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let was_kept = self.is_connected();
        match self.run(&work) {
            Err(_) if was_kept => self.run(work),
            done => done,
        }
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
        let Self { clock, settings, connection, .. } = self;
        clock.wait_for(async {
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

/// A runtime for one thread at a time, which may be dropped anywhere: also by a task of another runtime, which must not wait.
struct Clock(Option<runtime::Runtime>);

impl Clock {
    fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(work),
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
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
