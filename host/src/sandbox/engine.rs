//! The one wasmtime engine, its pool of instances and its clock.

use std::{path::Path, thread, time::Duration};

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{HasSelf, Linker},
};

use super::{bindings::ProviderWorld, guest::Guest};

/// How often running guests yield, and so how late a deadline can be noticed.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Instances that can exist at once. A component made by wit-component has up to three core instances.
const INSTANCES: u32 = 256;
/// Calls that run at once over all providers, below the pool's size so that the pool itself is never exhausted.
pub(super) const CALLS: usize = 192;
/// The largest linear memory that any provider can be granted, in bytes.
const MEMORY_MAX: usize = 256 * 1024 * 1024;
/// Memory of a slot that stays mapped between calls. With pagemap scanning only what a call has touched is reset, which
/// makes a fresh instance about three times cheaper.
const KEEP_RESIDENT: usize = 2 * 1024 * 1024;
/// Wasm stack of one call, in bytes.
const STACK: usize = 512 * 1024;

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

/// Compiles and runs components.
pub struct Sandbox {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Guest>,
    pub(super) calls: tokio::sync::Semaphore,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sandbox")
    }
}

impl Sandbox {
    /// Starts the engine. Compiled code is kept in `cache`, keyed by the component's content and the engine's settings.
    ///
    /// # Errors
    /// When the machine cannot run it.
    pub fn new(cache: &Path) -> Result<Self, SandboxError> {
        let engine = Engine::new(&config(cache)?).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        ProviderWorld::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest).map_err(refused)?;
        start_clock(&engine)?;
        Ok(Self { engine, linker, calls: tokio::sync::Semaphore::new(CALLS) })
    }
}

fn config(cache: &Path) -> Result<Config, SandboxError> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * 4)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * 4)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(16)
        .max_memories_per_component(1)
        .max_tables_per_component(8)
        .max_memory_size(MEMORY_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        .wasm_component_model(true)
        // Nothing in the contract is asynchronous on the guest's side; allowing it makes every fresh instance slower.
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let mut settings = CacheConfig::new();
    settings.with_directory(cache);
    let cache = Cache::new(settings).map_err(refused)?;
    config.cache(Some(cache));
    Ok(config)
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
