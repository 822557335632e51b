//! From a file's bytes to a component that is ready to run.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Component;

use super::{
    bindings::ProviderWorldPre,
    contract::{self, ContractError},
    engine::Sandbox,
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
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Compiles a component and checks it against the contract. Blocking: seconds for a large component.
    ///
    /// # Errors
    /// When it is not a component or breaks the contract.
    pub fn compile(&self, bytes: &[u8], limits: SandboxLimits) -> Result<Compiled, ContractError> {
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| ContractError::NotAComponent(first_line(&error)))?;
        contract::check(&self.engine, &component)?;
        let instance =
            self.linker.instantiate_pre(&component).map_err(|error| ContractError::Types(first_line(&error)))?;
        let pre = ProviderWorldPre::new(instance).map_err(|error| ContractError::Types(first_line(&error)))?;
        let slots = limits.concurrent_calls.get() as usize;
        Ok(Compiled { pre, limits, slots: Arc::new(Semaphore::new(slots)) })
    }
}

fn first_line(error: &wasmtime::Error) -> String {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    chain.join(": ").lines().next().unwrap_or_default().to_owned()
}
