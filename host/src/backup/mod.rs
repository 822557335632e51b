//! Backups: what a hub needs to go on elsewhere, in one file that only who holds an identity can read.
//!
//! A backup is a tar archive, compressed with gzip and encrypted as `age` does (age-encryption.org/v1), so that it can be opened
//! without this program too. It holds the database as it was at one moment, also while hubs write to it, and the files of the
//! data folder that cannot be made again: [`FILES`]. Archives of the audit trail stay where they are; the backup names them.

mod contents;
mod error;
mod make;
mod manifest;
mod restore;

pub use age::x25519::{Identity, Recipient};
pub use contents::FILES;
pub use error::BackupError;
pub use make::{Made, make};
pub use manifest::Manifest;
pub use restore::{Restored, identities, restore};
