//! PostgreSQL: how it is reached, and whether its schema is the hub's.

mod error;
mod migrate;
mod schema;
mod session;
mod settings;

pub use error::PostgresError;
pub use migrate::migrate;
pub use session::Session;
pub use settings::{Settings, SettingsError};
