//! An override, and what may be wrong with those that are kept.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    names::{ProviderName, UnknownWord, words},
    store::{postgres::PostgresError, sqlite::StoreError},
};

words! {
    /// What an admin may do to a provider.
    pub enum OverrideKind: "override" {
        /// Take it out of service.
        Disabled = "disabled",
        /// Have the component serve that served before.
        RolledBack = "rolled_back",
    }
}

/// What an admin has done to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overriding {
    /// It is out of service.
    Disabled,
    /// Another component serves in the place of the config's.
    RolledBack {
        /// SHA-256 of that component, hex.
        component: String,
    },
}

impl Overriding {
    /// Of which kind it is: there is one of each kind at most.
    #[must_use]
    pub fn kind(&self) -> OverrideKind {
        match self {
            Self::Disabled => OverrideKind::Disabled,
            Self::RolledBack { .. } => OverrideKind::RolledBack,
        }
    }

    pub(super) fn component(&self) -> Option<&str> {
        match self {
            Self::Disabled => None,
            Self::RolledBack { component } => Some(component),
        }
    }

    fn of(kind: &str, component: Option<String>) -> Result<Self, OverridesError> {
        match (kind.parse()?, component) {
            (OverrideKind::Disabled, _) => Ok(Self::Disabled),
            (OverrideKind::RolledBack, Some(component)) => Ok(Self::RolledBack { component }),
            (OverrideKind::RolledBack, None) => {
                Err(OverridesError::Odd("a provider was rolled back, and to what is not there".to_owned()))
            }
        }
    }
}

/// What an admin has done to a provider, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The provider.
    pub provider: ProviderName,
    /// What was done.
    pub what: Overriding,
    /// SHA-256 of what the config wanted of the provider then, hex. It holds for as long as that is the same.
    pub section: String,
    /// Who did it.
    pub caller: Option<Uuid>,
    /// When it was done.
    pub at: DateTime<Utc>,
}

impl Override {
    /// Whether the two are one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.provider, &self.what, self.at) == (&other.provider, &other.what, other.at)
    }
}

/// Why nobody can say what admins have done, or nothing can be done.
#[derive(Debug, thiserror::Error)]
pub enum OverridesError {
    /// The file cannot be used.
    #[error(transparent)]
    Sqlite(#[from] StoreError),
    /// The file cannot be read or written.
    #[error("`ops.provider_overrides` cannot be used: {0} (check the disk and the data folder's permissions)")]
    Statement(#[from] rusqlite::Error),
    /// The server cannot be used.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A row says what no hub of this version writes.
    #[error(
        "`ops.provider_overrides` has a row that this hub cannot read: {0}: remove it, or start the hub that wrote it"
    )]
    Odd(String),
    /// A task of the hub's own broke.
    #[error("reading `ops.provider_overrides` was cut off: {0}")]
    Interrupted(String),
}

impl From<UnknownWord> for OverridesError {
    fn from(error: UnknownWord) -> Self {
        Self::Odd(error.to_string())
    }
}

/// A row of either store: provider, kind, component, section, caller, time.
pub(super) type Row = (String, String, Option<String>, String, Option<String>, String);

pub(super) fn of_row((provider, kind, component, section, caller, at): Row) -> Result<Override, OverridesError> {
    let odd = |what: &dyn std::fmt::Display| OverridesError::Odd(what.to_string());
    Ok(Override {
        provider: provider.parse().map_err(|error| odd(&error))?,
        what: Overriding::of(&kind, component)?,
        section,
        caller: caller.map(|caller| caller.parse()).transpose().map_err(|error: uuid::Error| odd(&error))?,
        at: DateTime::parse_from_rfc3339(&at).map_err(|error| odd(&error))?.into(),
    })
}

/// A time as both stores are given it.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
