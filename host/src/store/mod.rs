//! Where things are kept: the data folder, its private files, and the database connection with its migrations.

pub mod private_file;
pub mod sqlite;
