//! What the audit trail states of itself.

use super::word::words;

words! {
    /// What a statement in the audit trail is about.
    pub enum StatementKind: "statement" {
        /// The first entry of every chain.
        Start = "start",
        /// Where the chains stand.
        Checkpoint = "checkpoint",
        /// What was moved out of the database, and where to.
        Archive = "archive",
        /// Which bodies were removed.
        Purge = "purge",
        /// That the trail is one of a backup, without what came after it.
        Restore = "restore",
    }
}
