//! Bytes that several exchanges share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many bytes all the responses of one call may still have. Exchanges under way at the same time share it.
#[derive(Debug)]
pub struct ByteMeter(AtomicU64);

impl ByteMeter {
    /// A meter with so many bytes left.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes bytes, all or none; says whether they were left.
    #[must_use]
    pub fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}
