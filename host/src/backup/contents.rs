//! What is in a backup, by name.

use crate::{audit, identity, vault};

/// What of the data folder a backup holds, where it is there. The rest is the hub's to make again.
pub const FILES: [&str; 5] =
    [audit::KEY_FILE, audit::CERTIFICATES_FILE, identity::KEY_FILE, vault::KEY_FILE, vault::VAULT_FILE];

/// The database in a backup.
pub(super) const DATABASE: &str = "ops.db";
/// What is first in a backup.
pub(super) const MANIFEST: &str = "manifest.json";
