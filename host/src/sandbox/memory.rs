//! The memory limit of one call.

use wasmtime::ResourceLimiter;

/// The most elements in all tables of a call together.
const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Bounds a call's memory, and remembers that it did: the guest's allocator turns a refusal into a trap that could mean
/// anything.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    limit: usize,
    /// Bytes in all linear memories of the call.
    in_use: usize,
    reached: bool,
}

impl MemoryLimit {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit: limit_bytes, in_use: 0, reached: false }
    }

    /// The limit in MiB if the call has run into it.
    pub(super) fn reached_mib(&self) -> Option<usize> {
        self.reached.then_some(self.limit / (1024 * 1024))
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.in_use.saturating_sub(current).saturating_add(desired);
        if total > self.limit {
            self.reached = true;
            return Ok(false);
        }
        self.in_use = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
