//! What admins have done to providers. It is kept in the database, so that it outlasts the hub, and so that hubs that share one
//! see each other's.

mod kept;
mod postgres;
mod sqlite;

use std::sync::Arc;

use tokio::{sync::Mutex, task::spawn_blocking};

pub use self::kept::{Override, OverrideKind, OverridesError, Overriding};
use self::{kept::of_row, postgres::InPostgres, sqlite::InSqlite};
use super::{location::Location, postgres::Session};
use crate::names::ProviderName;

/// Where overrides are kept.
#[derive(Debug, Clone)]
pub struct Overrides(Arc<Mutex<Store>>);

#[derive(Debug)]
enum Store {
    Sqlite(InSqlite),
    Postgres(InPostgres),
}

impl Overrides {
    /// Those of a database whose schema is up to date already. Connects when it is used.
    ///
    /// # Errors
    /// When there can be no connection at all.
    pub fn of(database: Location) -> Result<Self, OverridesError> {
        let store = match database {
            Location::File(file) => Store::Sqlite(InSqlite::new(file)),
            Location::Postgres(settings) => Store::Postgres(InPostgres::new(Session::unchecked(settings)?)),
        };
        Ok(Self(Arc::new(Mutex::new(store))))
    }

    /// All that there are.
    ///
    /// # Errors
    /// When they cannot be read, or one cannot be understood: then nobody knows what is to be out of service.
    pub async fn all(&self) -> Result<Vec<Override>, OverridesError> {
        let rows = self.blocking(|store| match store {
            Store::Sqlite(store) => store.all(),
            Store::Postgres(store) => store.all(),
        });
        rows.await?.into_iter().map(of_row).collect()
    }

    /// Keeps one, in the place of another of its kind. It is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put(&self, put: Override) -> Result<(), OverridesError> {
        self.blocking(move |store| match store {
            Store::Sqlite(store) => store.put(&put),
            Store::Postgres(store) => store.put(&put),
        })
        .await
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn remove(&self, provider: ProviderName, kind: OverrideKind) -> Result<(), OverridesError> {
        self.blocking(move |store| match store {
            Store::Sqlite(store) => store.remove(&provider, kind),
            Store::Postgres(store) => store.remove(&provider, kind),
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, OverridesError> + Send + 'static,
    ) -> Result<T, OverridesError> {
        let mut store = Arc::clone(&self.0).lock_owned().await;
        let done = spawn_blocking(move || work(&mut store)).await;
        done.unwrap_or_else(|error| Err(OverridesError::Interrupted(error.to_string())))
    }
}
