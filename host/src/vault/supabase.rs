//! Supabase's vault: a view of the database that shows secrets in the clear to whoever may read it. Nothing is written there: a
//! secret is set with `vault.create_secret`, and changed with `vault.update_secret`.
//!
//! What the database's driver holds of a value until its answer is dropped is not wiped, as it is with TLS.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Instant,
};

use sqlx_core::{query::query, row::Row as _};
use sqlx_postgres::{PgRow, Postgres};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{
    error::VaultError,
    fresh::FRESH_FOR,
    handed_out::{HandedOut, Memory},
    value::SecretValue,
};
use crate::{
    config::SecretName,
    store::postgres::{PostgresError, Session, Settings},
};

/// Names are unique in the vault; a view of somebody else's may have one twice.
const SECRET: &str = "SELECT decrypted_secret FROM vault.decrypted_secrets WHERE name = $1 LIMIT 2";

/// The view, by one connection that does nothing else.
pub(super) struct SupabaseVault {
    /// Whoever reads has it; others wait, and find what was read.
    session: Arc<Mutex<Session>>,
    /// What was read lately; `None` of what is not set. Bounded by the names that the config grants.
    seen: SyncMutex<BTreeMap<SecretName, Seen>>,
}

#[derive(Clone)]
struct Seen {
    at: Instant,
    value: Option<Arc<HandedOut>>,
}

impl SupabaseVault {
    /// Opens it, and sees whether it can be read. Blocking.
    pub(super) fn open(settings: Settings) -> Result<Self, VaultError> {
        let mut session = Session::unchecked(settings).map_err(|error| unusable(&error))?;
        rows(&mut session, "").map_err(|error| unusable(&error))?;
        Ok(Self { session: Arc::new(Mutex::new(session)), seen: SyncMutex::default() })
    }

    /// The value of a secret, which is remembered from now on.
    pub(super) async fn get(&self, name: &SecretName, handed_out: &Memory) -> Result<Arc<HandedOut>, VaultError> {
        if let Some(seen) = self.seen(name) {
            return seen.value.ok_or_else(|| VaultError::NotInSupabase(name.clone()));
        }
        let mut session = Arc::clone(&self.session).lock_owned().await;
        // Whoever had it before may have read the same.
        if let Some(seen) = self.seen(name) {
            return seen.value.ok_or_else(|| VaultError::NotInSupabase(name.clone()));
        }
        // Counted from before the read: what is set meanwhile may not be in it.
        let (at, wanted) = (Instant::now(), name.clone());
        let read = tokio::task::spawn_blocking(move || read(&mut session, &wanted)).await;
        let value = read.map_err(|error| VaultError::Unavailable(error.to_string()))??;
        let value = value.map(|value| handed_out.note(name, value));
        self.all().insert(name.clone(), Seen { at, value: value.clone() });
        value.ok_or_else(|| VaultError::NotInSupabase(name.clone()))
    }

    fn seen(&self, name: &SecretName) -> Option<Seen> {
        self.all().get(name).filter(|seen| seen.at.elapsed() < FRESH_FOR).cloned()
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<SecretName, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SupabaseVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupabaseVault")
    }
}

/// `None` if it is not set.
fn read(session: &mut Session, name: &SecretName) -> Result<Option<SecretValue>, VaultError> {
    let rows = rows(session, name.as_str()).map_err(|error| unusable(&error))?;
    let row = match &rows[..] {
        [] => return Ok(None),
        [row] => row,
        _ => {
            return Err(VaultError::Unavailable(format!(
                "`{name}` is there twice in `vault.decrypted_secrets`: remove one"
            )));
        }
    };
    let value: Option<&str> = row.try_get("decrypted_secret").map_err(|error| unusable(&error.into()))?;
    value.map(|value| SecretValue::new(Zeroizing::new(value.to_owned()))).transpose()
}

fn rows(session: &mut Session, name: &str) -> Result<Vec<PgRow>, PostgresError> {
    session.run_again(async |connection| Ok(query::<Postgres>(SECRET).bind(name).fetch_all(connection).await?))
}

fn unusable(error: &PostgresError) -> VaultError {
    VaultError::Unavailable(format!(
        "Supabase's vault: {error} (the hub's user needs `GRANT bulkhead_vault`: docs/supabase.md)"
    ))
}
