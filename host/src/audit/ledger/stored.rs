//! What is read back from a store.

use uuid::Uuid;

use crate::audit::{
    entry::{Entry, Sealed},
    seal::Head,
    statement::Tie,
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
    /// Whether it ends with a checkpoint: if its writer lives, nothing has happened there.
    pub(in crate::audit) is_checkpoint: bool,
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
    /// Something that no writer can have stored.
    Stray(String),
}
