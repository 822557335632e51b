//! PostgreSQL: how it is reached, and whether its schema is the hub's.

mod differences;
mod error;
mod migrate;
mod schema;
mod session;
mod settings;
mod supabase;

pub use error::PostgresError;
pub use migrate::{Migrated, migrate};
pub use session::Session;
pub use settings::{Settings, SettingsError};
pub use supabase::{Secrets, Supabase};
