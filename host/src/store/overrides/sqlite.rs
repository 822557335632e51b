//! In a file. It is opened for each piece of work: there are few, and the hub's writer keeps the one connection that has to be
//! fast.

use std::path::PathBuf;

use rusqlite::params;

use super::kept::{Override, OverrideKind, OverridesError, Row, written};
use crate::{
    names::ProviderName,
    store::sqlite::{self, Database},
};

#[derive(Debug)]
pub(super) struct InSqlite {
    file: PathBuf,
}

impl InSqlite {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    pub(super) fn all(&self) -> Result<Vec<Row>, OverridesError> {
        let connection = sqlite::open_read_only(&self.file)?;
        let mut statement = connection.prepare(
            "SELECT provider, kind, component, section, caller, created_at FROM ops.provider_overrides ORDER BY provider, kind",
        )?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn put(&self, put: &Override) -> Result<(), OverridesError> {
        let Database { connection, .. } = sqlite::open(&self.file)?;
        let caller = put.caller.map(|caller| caller.to_string());
        connection.execute(
            "INSERT INTO ops.provider_overrides (provider, kind, component, section, caller, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (provider, kind) DO UPDATE SET component = excluded.component, \
             section = excluded.section, caller = excluded.caller, created_at = excluded.created_at",
            params![
                put.provider.as_str(),
                put.what.kind().as_str(),
                put.what.component(),
                put.section,
                caller,
                written(put.at)
            ],
        )?;
        Ok(())
    }

    pub(super) fn remove(&self, provider: &ProviderName, kind: OverrideKind) -> Result<(), OverridesError> {
        let Database { connection, .. } = sqlite::open(&self.file)?;
        let remove = "DELETE FROM ops.provider_overrides WHERE provider = ?1 AND kind = ?2";
        connection.execute(remove, params![provider.as_str(), kind.as_str()])?;
        Ok(())
    }
}
