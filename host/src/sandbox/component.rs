//! From a file's bytes to a component that is ready to run.

use std::{panic, sync::Arc};

use tokio::sync::Semaphore;
use wasmtime::component::Component;

use super::{
    bindings::ProviderWorldPre,
    compiler::{CompileError, Compiler},
    contract::{self, ContractError},
    engine::{ProviderEngine, Sandbox},
    guest::Guest,
};
use crate::config::SandboxLimits;

/// A component that fulfils the contract, compiled and linked, with its limits.
#[derive(Clone)]
pub struct Compiled {
    pub(super) pre: ProviderWorldPre<Guest>,
    pub(super) limits: SandboxLimits,
    /// One permit per call that may run at once.
    pub(super) slots: Arc<Semaphore>,
    /// One permit per call that may wait for such a place.
    pub(super) queue: Arc<Semaphore>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Compiles a component and checks it against the contract.
    ///
    /// # Errors
    /// When it cannot be compiled, or breaks the contract.
    pub async fn compile(self: &Arc<Self>, bytes: Vec<u8>, limits: SandboxLimits) -> Result<Compiled, CompileError> {
        self.compiler.compile(&self.cache, &bytes).await?;
        let sandbox = Arc::clone(self);
        let linked = tokio::task::spawn_blocking(move || {
            let engine = sandbox.engine(limits.stack_kib)?;
            let hits = engine.cache.cache_hits();
            let component =
                engine.compile(&bytes).map_err(|error| ContractError::not_compiled(&bytes, first_line(&error)))?;
            let linked = engine.link(&component, limits)?;
            if matches!(sandbox.compiler, Compiler::Apart { .. }) && engine.cache.cache_hits() == hits {
                tracing::warn!(folder = %sandbox.cache.display(), "compiled code is not kept: is the disk full?");
            }
            Ok(linked)
        });
        linked.await.unwrap_or_else(|broken| panic::resume_unwind(broken.into_panic()))
    }
}

impl ProviderEngine {
    /// Compiles a component, or finds it in the cache. Blocking.
    pub(super) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Component> {
        Component::from_binary(&self.engine, bytes)
    }

    /// Checks a component against the contract and gives it its imports.
    pub(super) fn link(&self, component: &Component, limits: SandboxLimits) -> Result<Compiled, ContractError> {
        contract::check(&self.engine, component)?;
        let instance =
            self.linker.instantiate_pre(component).map_err(|error| ContractError::Types(first_line(&error)))?;
        let pre = ProviderWorldPre::new(instance).map_err(|error| ContractError::Types(first_line(&error)))?;
        let places = |count: u32| Arc::new(Semaphore::new(count as usize));
        let (slots, queue) = (places(limits.concurrent_calls.get()), places(limits.queued_calls.get()));
        Ok(Compiled { pre, limits, slots, queue })
    }
}

/// What is wrong, in a line.
pub(super) fn first_line(error: &wasmtime::Error) -> String {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    chain.join(": ").lines().next().unwrap_or_default().to_owned()
}
