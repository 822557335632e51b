//! wasmtime's engines, their pools of instances and their clocks.

use std::{thread, time::Duration};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{HasSelf, Linker},
};

use super::{bindings::ProviderWorld, guest::Guest, wasi};
use crate::config::StackKib;

/// How often running guests look whether they have to make room or end, and so how late a deadline can be noticed.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Component instances that can exist at once.
const INSTANCES: u32 = 256;
/// Core instances of one component, at most: wit-component makes up to three of Rust, Python comes with about 40.
const CORE_INSTANCES: u32 = 64;
/// The same of a table's slot.
const TABLE_KEEP_RESIDENT: usize = 64 * 1024;
/// The largest linear memory that any provider can be granted, in bytes.
const MEMORY_MAX: usize = 256 * 1024 * 1024;
/// The most elements that any table can have.
const TABLE_ELEMENTS_MAX: usize = 50_000;
/// Memory of a slot that stays mapped between calls. With pagemap scanning only what a call has touched is reset, which
/// makes a fresh instance about three times cheaper.
const KEEP_RESIDENT: usize = 2 * 1024 * 1024;

/// Why the sandbox cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime refuses the settings on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The ticking thread did not start.
    #[error("the sandbox's clock cannot start: {0}")]
    Clock(#[from] std::io::Error),
}

/// A wasmtime engine, whose stacks are of one size, with the imports that it links.
pub(super) struct ProviderEngine {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Guest>,
}

impl ProviderEngine {
    /// One that runs components with stacks of this size. It has no compiler where components are compiled apart: then
    /// nothing that goes wrong elsewhere can make the hub compile.
    pub(super) fn start(stack: StackKib, is_compiler: bool) -> Result<Self, SandboxError> {
        let mut config = compiling();
        if !is_compiler {
            config.enable_compiler(false);
        }
        running(&mut config, stack);
        let started = Self::new(&config)?;
        start_clock(&started.engine)?;
        Ok(started)
    }

    /// One that compiles components and runs none.
    pub(super) fn idle() -> Result<Self, SandboxError> {
        Self::new(&compiling())
    }

    fn new(config: &Config) -> Result<Self, SandboxError> {
        let engine = Engine::new(config).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        ProviderWorld::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest).map_err(refused)?;
        wasi::add_to_linker(&mut linker).map_err(refused)?;
        Ok(Self { engine, linker })
    }
}

/// All that compiled code depends on: an engine loads what another one with the same has compiled.
fn compiling() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_component_model(true)
        // Nothing in the contract is asynchronous on the guest's side; allowing it makes every fresh instance slower.
        .concurrency_support(false);
    config
}

/// What code depends on while it runs.
fn running(config: &mut Config, stack: StackKib) {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES / 2)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * 4)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(8)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(MEMORY_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    config.max_wasm_stack(stack.bytes()).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
}

/// Advances the epoch for as long as the engine lives.
fn start_clock(engine: &Engine) -> Result<(), SandboxError> {
    let engine = engine.weak();
    thread::Builder::new().name("epoch".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn refused(error: wasmtime::Error) -> SandboxError {
    SandboxError::Engine(format!("{error:#}"))
}
