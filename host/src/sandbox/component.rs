//! From a file's bytes to a component that is ready to run.

use std::{panic, sync::Arc};

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::{
    bindings::ProviderWorldPre,
    compiler::{CompileError, Compiler},
    contract::{self, ContractError},
    engine::ProviderEngine,
    error::first_line,
    fair_semaphore::{FairSemaphore, Load},
    guest::Guest,
    precompiled::{Code, ComponentId},
    runtime::Sandbox,
};
use crate::config::SandboxLimits;

/// What a provider exports, as wasmtime looks it up: any other 1.x is found too.
const INTERFACE: &str = "bulkhead:provider/provider@1.0.0";

/// A component that fulfils the contract, compiled and linked, with its limits.
#[derive(Clone)]
pub struct Compiled {
    pub(super) component: Linked,
    pub(super) limits: SandboxLimits,
    /// Callers' runs of it.
    pub(super) concurrency: FairSemaphore,
    imports: Arc<[String]>,
}

impl Compiled {
    /// The names of what it imports, as the component has them.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }
}

impl Compiled {
    /// How many callers' runs of it there are.
    #[must_use]
    pub fn load(&self) -> Load {
        self.concurrency.load()
    }
}

/// A component with its imports, and where its functions are.
#[derive(Clone)]
pub(super) struct Linked {
    pub(super) pre: InstancePre<Guest>,
    pub(super) exports: Exports,
}

/// The contract's functions that calls use, found once: a call needs one of them.
#[derive(Clone, Copy)]
pub(super) struct Exports {
    pub(super) call_tool: ComponentExportIndex,
    pub(super) read_resource: ComponentExportIndex,
    pub(super) get_prompt: ComponentExportIndex,
    pub(super) check_health: ComponentExportIndex,
}

impl Exports {
    fn of(component: &Component) -> Option<Self> {
        let interface = component.get_export_index(None, INTERFACE)?;
        let function = |name| component.get_export_index(Some(&interface), name);
        Some(Self {
            call_tool: function("call-tool")?,
            read_resource: function("read-resource")?,
            get_prompt: function("get-prompt")?,
            check_health: function("check-health")?,
        })
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Checks a component against the contract and makes it ready to run. Its code is what is kept of it, or what a process
    /// of its own compiles now.
    ///
    /// # Errors
    /// When it cannot be compiled, or breaks the contract.
    pub async fn compile(self: &Arc<Self>, bytes: Vec<u8>, limits: SandboxLimits) -> Result<Compiled, CompileError> {
        // Before anything that takes long: who has to wait for a word about an import would rather have it now.
        let named = tokio::task::spawn_blocking(move || contract::check_imports(&bytes).map(|()| bytes));
        let bytes = named.await.unwrap_or_else(|broken| panic::resume_unwind(broken.into_panic()))?;
        let id = ComponentId::of(&bytes);
        if matches!(self.compiler, Compiler::Apart { .. })
            && let Some(compiled) = self.blocking(move |sandbox| sandbox.kept(&id, limits)).await?
        {
            return Ok(compiled);
        }
        match self.compiler.compile(&bytes).await? {
            Some(code) => self.blocking(move |sandbox| sandbox.fresh(&id, &code, limits)).await,
            None => self.blocking(move |sandbox| sandbox.here(&bytes, limits)).await,
        }
    }

    /// What is kept of a component, if that can be used.
    fn kept(&self, id: &ComponentId, limits: SandboxLimits) -> Result<Option<Compiled>, CompileError> {
        let Some(code) = self.shelf.find(id) else { return Ok(None) };
        let engine = self.engine(limits.stack_kib)?;
        match code.load(&engine.engine) {
            Ok(component) => Ok(Some(engine.link(&component, limits)?)),
            Err(error) => {
                // Of another version of the hub, or for another processor.
                tracing::debug!(error = first_line(&error), "compiled code that was kept is not for this hub");
                Ok(None)
            }
        }
    }

    /// What was compiled just now. It is kept, and used even if that fails.
    fn fresh(&self, id: &ComponentId, code: &Code, limits: SandboxLimits) -> Result<Compiled, CompileError> {
        let engine = self.engine(limits.stack_kib)?;
        let component = code.load(&engine.engine).map_err(|error| CompileError::Unusable(first_line(&error)))?;
        if let Err(error) = self.shelf.keep(id, code) {
            tracing::warn!(folder = %self.shelf, %error, "compiled code is not kept, so it is compiled at each start");
        }
        Ok(engine.link(&component, limits)?)
    }

    /// What this process compiles itself, because it was told to.
    fn here(&self, bytes: &[u8], limits: SandboxLimits) -> Result<Compiled, CompileError> {
        let engine = self.engine(limits.stack_kib)?;
        let component =
            engine.compile(bytes).map_err(|error| ContractError::not_compiled(bytes, first_line(&error)))?;
        Ok(engine.link(&component, limits)?)
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, CompileError> + Send + 'static,
    ) -> Result<T, CompileError> {
        let sandbox = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&sandbox)).await;
        done.unwrap_or_else(|broken| panic::resume_unwind(broken.into_panic()))
    }
}

impl ProviderEngine {
    /// Compiles a component. Blocking, and an error where the engine has no compiler.
    pub(super) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Component> {
        Component::from_binary(&self.engine, bytes)
    }

    /// Checks a component against the contract and gives it its imports.
    pub(super) fn link(&self, component: &Component, limits: SandboxLimits) -> Result<Compiled, ContractError> {
        contract::check(&self.engine, component)?;
        let types = |error| ContractError::Types(first_line(&error));
        let pre = self.linker.instantiate_pre(component).map_err(types)?;
        ProviderWorldPre::new(pre.clone()).map_err(types)?;
        let exports = Exports::of(component)
            .ok_or_else(|| ContractError::Types(format!("{INTERFACE} does not export what it should")))?;
        let concurrency = FairSemaphore::new(limits.concurrent_calls.get(), limits.queued_calls.get());
        let imports = component.component_type().imports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        Ok(Compiled { component: Linked { pre, exports }, limits, concurrency, imports })
    }
}
