//! The limits of one call's memory, tables and instances, as wasmtime asks for them.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use super::budget::{Breach, Budget};
use crate::config::SandboxLimits;

/// Refuses by a typed trap: a plain "no" would be turned, by the guest's allocator, into a crash that could mean anything.
#[derive(Debug)]
pub(super) struct MemoryLimits {
    limits: SandboxLimits,
    budget: Arc<Budget>,
    /// Bytes in all linear memories of the call.
    memory: u64,
    /// Elements in all its tables.
    elements: u64,
}

impl MemoryLimits {
    pub(super) fn new(limits: SandboxLimits, budget: Arc<Budget>) -> Self {
        Self { limits, budget, memory: 0, elements: 0 }
    }
}

impl ResourceLimiter for MemoryLimits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = grown(self.memory, current, desired);
        if total > self.limits.memory_mib.bytes() {
            return Err(self.budget.reached(Breach::Memory(self.limits.memory_mib.get())).into());
        }
        self.memory = total;
        self.budget.has_memory(total);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = grown(self.elements, current, desired);
        if total > self.limits.table_elements.get().into() {
            return Err(self.budget.reached(Breach::Tables(self.limits.table_elements.get())).into());
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.core_instances.get() as usize
    }
}

fn grown(total: u64, current: usize, desired: usize) -> u64 {
    total.saturating_sub(current as u64).saturating_add(desired as u64)
}
