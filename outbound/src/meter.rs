//! Bytes that several exchanges share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many bytes all the responses of one call may still have. Exchanges under way at the same time share it.
#[derive(Debug)]
pub struct ByteMeter {
    most: u64,
    left: AtomicU64,
}

impl ByteMeter {
    /// A meter with so many bytes left.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self { most: bytes, left: AtomicU64::new(bytes) }
    }

    /// Takes bytes, all or none; says whether they were left.
    #[must_use]
    pub fn take(&self, bytes: u64) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    /// How many bytes were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.most - self.left.load(Relaxed)
    }
}
