//! What is read back from a store.

use uuid::Uuid;

use crate::audit::{
    body::Digest,
    entry::{Entry, Sealed},
    rollup::{Key, Sums},
    seal::Head,
    statement::{PurgedBody, Tie},
};

/// Signed entries of one writer, from one signed head to the next.
#[derive(Debug)]
pub(in crate::audit) struct Stretch {
    pub(in crate::audit) previous: Head,
    pub(in crate::audit) entries: Vec<Sealed<Entry>>,
    pub(in crate::audit) head: Head,
    pub(in crate::audit) signature: Vec<u8>,
}

/// A chain whose end nobody names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct Untied {
    pub(in crate::audit) tie: Tie,
    /// The number of the last entry of the batch before; 0 if there is none.
    pub(in crate::audit) before: i64,
    /// Of its newest batch.
    pub(in crate::audit) signature: Vec<u8>,
    /// Whether it ends with a checkpoint: if its writer lives, nothing has happened there.
    pub(in crate::audit) is_checkpoint: bool,
}

/// A body that is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) struct Purged {
    pub(in crate::audit) of: PurgedBody,
    /// What stays of it.
    pub(in crate::audit) digest: Digest,
    /// Whether the entry is an intent, or else an event.
    pub(in crate::audit) is_intent: bool,
}

/// What a walk over a whole store meets: writers first, then each writer's entries in their order, and each batch behind its
/// last entry.
#[derive(Debug)]
pub(in crate::audit) enum Found {
    Writer(Uuid),
    Entry {
        writer: Uuid,
        seq: i64,
        /// An error tells what of it cannot be read.
        entry: Result<Sealed<Entry>, String>,
    },
    Batch {
        writer: Uuid,
        seq: i64,
        head: Vec<u8>,
        signature: Vec<u8>,
    },
    /// A statement names this head of another chain.
    Tie {
        writer: Uuid,
        seq: i64,
        by: Uuid,
        by_seq: i64,
    },
    /// A sum of what was recorded. Behind all entries.
    Rollup {
        writer: Uuid,
        key: Box<Key<String>>,
        sums: Sums,
    },
    /// Something that no writer can have stored.
    Stray(String),
}
