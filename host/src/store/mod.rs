//! Where things are kept: the data folder, its private files, and the database connection with its migrations.

pub mod appended_file;
pub mod files;
pub mod location;
pub mod lock;
pub mod overrides;
pub mod postgres;
pub mod private_file;
pub mod schema;
pub mod scratch;
pub mod small_file;
pub mod sqlite;
