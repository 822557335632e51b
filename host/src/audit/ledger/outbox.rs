//! The outbox in each store: what waits for its writer, and what was delivered.

use chrono::{DateTime, Utc};

use super::{Fault, Ledger, postgres::outbox as postgres, sqlite::outbox as sqlite};
use crate::audit::waiting::{Backlog, Bounds, OutboxKey, Waiting};

impl Ledger {
    /// What waits longest for the writer.
    pub(in crate::audit) fn waiting(&mut self) -> Result<Vec<Waiting>, Fault> {
        match self {
            Self::Sqlite(ledger) => Ok(sqlite::waiting(ledger.connected()?, ledger.number()?)?),
            Self::Postgres(ledger) => ledger.beside(async |connection, own| postgres::waiting(connection, own).await),
        }
    }

    /// How much waits for the writer.
    pub(in crate::audit) fn backlog(&mut self) -> Result<Backlog, Fault> {
        match self {
            Self::Sqlite(ledger) => Ok(sqlite::backlog(ledger.connected()?, ledger.number()?)?),
            Self::Postgres(ledger) => ledger.beside(async |connection, own| postgres::backlog(connection, own).await),
        }
    }

    /// How many of the oldest that wait for the writer are too many.
    pub(in crate::audit) fn excess(&mut self, bounds: Bounds) -> Result<u32, Fault> {
        match self {
            Self::Sqlite(ledger) => Ok(sqlite::excess(ledger.connected()?, ledger.number()?, bounds)?),
            Self::Postgres(ledger) => {
                ledger.beside(async |connection, own| postgres::excess(connection, own, bounds).await)
            }
        }
    }

    /// Notes when these were delivered.
    pub(in crate::audit) fn delivered(&mut self, keys: &[OutboxKey], at: DateTime<Utc>) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.beside(|transaction| sqlite::delivered(transaction, keys, at)),
            Self::Postgres(ledger) => {
                ledger.beside(async |connection, _| postgres::delivered(connection, keys, at).await)
            }
        }
    }

    /// Makes the writer's own what waits for those who are gone.
    pub(in crate::audit) fn take_over(&mut self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(ledger) => {
                let own = ledger.number()?;
                let mut gone = sqlite::other_owners(ledger.connected()?, own)?;
                gone.retain(|(_, owner)| owner.is_none_or(|owner| ledger.is_gone(owner)));
                if gone.is_empty() {
                    return Ok(());
                }
                ledger.beside(|transaction| {
                    gone.iter().try_for_each(|(owner, _)| sqlite::take_over(transaction, *owner, own))
                })
            }
            Self::Postgres(ledger) => ledger.beside(async |connection, own| postgres::take_over(connection, own).await),
        }
    }

    /// Removes some of what was delivered before a time, and says how many.
    pub(in crate::audit) fn sweep(&mut self, before: DateTime<Utc>) -> Result<u32, Fault> {
        match self {
            Self::Sqlite(ledger) => ledger.beside(|transaction| sqlite::sweep(transaction, before)),
            Self::Postgres(ledger) => ledger.beside(async |connection, _| postgres::sweep(connection, before).await),
        }
    }
}
