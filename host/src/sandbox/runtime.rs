//! What compiles and runs components, and how many of them run at once.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::{
    compiler::Compiler,
    engine::{ProviderEngine, SandboxError},
    fair_semaphore::{FairSemaphore, Load},
    precompiled::Shelf,
};
use crate::config::StackKib;

/// Callers' runs at once over all providers. With the hub's own below the pool's size, so that the pool itself is never
/// exhausted.
const CALLS: u32 = 192;
/// Callers' runs that may wait for that. Each of them holds a permit of its provider already.
const CALLS_WAITING: u32 = 1024;
/// The hub's own runs at once, over all providers: health checks and descriptions. They never wait for callers' calls.
const OWN_RUNS: usize = 32;
/// Compiles and runs components.
pub struct Sandbox {
    pub(super) compiler: Compiler,
    pub(super) shelf: Shelf,
    /// One for each size of stack that a provider has asked for, so four at most.
    engines: Mutex<BTreeMap<StackKib, Arc<ProviderEngine>>>,
    /// Callers' runs of all providers.
    pub(super) calls: FairSemaphore,
    /// The hub's own.
    pub(super) own_runs: Arc<Semaphore>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sandbox")
    }
}

impl Sandbox {
    /// Starts the engine that most providers use. Compiled code is kept in the folder `kept`, by the component's content.
    ///
    /// # Errors
    /// When the machine cannot run it.
    pub fn new(kept: &Path, compiler: Compiler) -> Result<Self, SandboxError> {
        let (calls, own_runs) = (FairSemaphore::new(CALLS, CALLS_WAITING), Arc::new(Semaphore::new(OWN_RUNS)));
        let sandbox = Self { compiler, shelf: Shelf::new(kept), engines: Mutex::default(), calls, own_runs };
        sandbox.engine(StackKib::default())?;
        Ok(sandbox)
    }

    /// How many callers' runs there are, of all providers.
    #[must_use]
    pub fn load(&self) -> Load {
        self.calls.load()
    }

    /// The engine for a size of stack. Starting one takes some milliseconds.
    ///
    /// # Errors
    /// When the machine cannot run it.
    pub(super) fn engine(&self, stack: StackKib) -> Result<Arc<ProviderEngine>, SandboxError> {
        // Nothing that can panic leaves the map half changed.
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&stack) {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(ProviderEngine::start(stack, matches!(self.compiler, Compiler::Here))?);
        engines.insert(stack, Arc::clone(&engine));
        Ok(engine)
    }
}
