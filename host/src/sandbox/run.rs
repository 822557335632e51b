//! One run: a fresh instance, a deadline, an end.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::{
    bindings::{
        CallContext, CallFault, Description, PromptMessage, ProviderHealth, ProviderWorld, ResourceContent, ToolOutput,
    },
    component::Compiled,
    engine::Sandbox,
    error::RunError,
    guest::{GateSet, Guest},
    weight::Weigh,
};

/// How long a call waits for others of its provider to end before it is told that the provider is busy.
const QUEUE_WAIT: Duration = Duration::from_millis(500);
/// How long a provider may take to describe itself.
const DESCRIBE_TIME: Duration = Duration::from_secs(2);
/// How much of a call's time, a tenth at most, is kept for the provider after its last request has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The largest output of a call, in bytes.
const OUTPUT_MAX: usize = 10 * 1024 * 1024;

/// What bounds a run besides the component's own limits.
#[derive(Debug)]
pub struct Run {
    /// The gates, open for this call.
    pub gates: GateSet,
    /// How long it may take.
    pub timeout: Duration,
    /// Cancelled when the caller goes away.
    pub cancelled: CancellationToken,
}

impl Sandbox {
    /// Asks a component what it offers, with every gate closed.
    ///
    /// # Errors
    /// When it traps, or exceeds two seconds or its memory.
    pub async fn describe(&self, compiled: &Compiled) -> Result<Description, RunError> {
        let deadline = Instant::now() + DESCRIBE_TIME;
        self.enter(compiled, None, deadline, DESCRIBE_TIME, &CancellationToken::new(), async |world, store| {
            world.bulkhead_provider_provider().call_describe(store).await
        })
        .await
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// Every way a run can end early. The inner result is the provider's own answer.
    pub async fn call_tool(
        &self,
        compiled: &Compiled,
        run: Run,
        context: CallContext,
        tool: &str,
        input: &str,
    ) -> Result<Result<ToolOutput, CallFault>, RunError> {
        self.run(compiled, run, async |world, store| {
            world.bulkhead_provider_provider().call_call_tool(store, &context, tool, input).await
        })
        .await
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// As [`Self::call_tool`].
    pub async fn read_resource(
        &self,
        compiled: &Compiled,
        run: Run,
        context: CallContext,
        uri: &str,
    ) -> Result<Result<Vec<ResourceContent>, CallFault>, RunError> {
        self.run(compiled, run, async |world, store| {
            world.bulkhead_provider_provider().call_read_resource(store, &context, uri).await
        })
        .await
    }

    /// Renders a prompt.
    ///
    /// # Errors
    /// As [`Self::call_tool`].
    pub async fn get_prompt(
        &self,
        compiled: &Compiled,
        run: Run,
        context: CallContext,
        prompt: &str,
        arguments: &[(String, String)],
    ) -> Result<Result<Vec<PromptMessage>, CallFault>, RunError> {
        self.run(compiled, run, async |world, store| {
            world.bulkhead_provider_provider().call_get_prompt(store, &context, prompt, arguments).await
        })
        .await
    }

    /// Asks a provider for its health.
    ///
    /// # Errors
    /// As [`Self::call_tool`].
    pub async fn check_health(
        &self,
        compiled: &Compiled,
        run: Run,
        context: CallContext,
    ) -> Result<ProviderHealth, RunError> {
        self.run(compiled, run, async |world, store| {
            world.bulkhead_provider_provider().call_check_health(store, &context).await
        })
        .await
    }

    async fn run<T: Weigh>(
        &self,
        compiled: &Compiled,
        run: Run,
        call: impl AsyncFnOnce(&ProviderWorld, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, RunError> {
        let deadline = Instant::now() + run.timeout;
        let answer = self.enter(compiled, Some(run.gates), deadline, run.timeout, &run.cancelled, call).await?;
        if answer.bytes() > OUTPUT_MAX { Err(RunError::OutputTooLarge(OUTPUT_MAX)) } else { Ok(answer) }
    }

    /// The only place where a guest runs.
    async fn enter<T>(
        &self,
        compiled: &Compiled,
        gates: Option<GateSet>,
        deadline: Instant,
        timeout: Duration,
        cancelled: &CancellationToken,
        call: impl AsyncFnOnce(&ProviderWorld, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, RunError> {
        let busy = || RunError::Busy(compiled.limits.concurrent_calls.get());
        let wait = QUEUE_WAIT.min(timeout);
        let slot = tokio::time::timeout(wait, async { (compiled.slots.acquire().await, self.calls.acquire().await) });
        let _slot = tokio::select! {
            slot = slot => slot.map_err(|_| busy())?,
            () = cancelled.cancelled() => return Err(RunError::Cancelled),
        };

        let memory = compiled.limits.memory_mib.get() as usize * 1024 * 1024;
        // Requests end a little before the call does, so that a provider can still tell what it has: the scan it started,
        // the pages it got.
        let gates_close = deadline - (timeout / 10).min(LAST_WORDS);
        let mut store = Store::new(&self.engine, Guest::new(gates, memory, gates_close));
        store.limiter(|guest| &mut guest.memory);
        // Every tick a running guest yields to the runtime, so that the deadline below can take effect. With tokio's own
        // yield the runtime looks at timers and sockets before it resumes the guest; a plain wake would let loops on every
        // core keep it from that for hundreds of milliseconds.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))));
        let running = async {
            let world = compiled.pre.instantiate_async(&mut store).await?;
            call(&world, &mut store).await
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout_at(deadline, running) => ended.map_err(|_| RunError::Timeout(timeout))?,
            () = cancelled.cancelled() => return Err(RunError::Cancelled),
        };
        ended.map_err(|error| match store.data().memory.reached_mib() {
            Some(limit) => RunError::Memory(limit),
            None => RunError::Trap(trap_text(&error)),
        })
    }
}

/// What trapped, without the backtrace and its addresses.
fn trap_text(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string().lines().next().unwrap_or_default().to_owned(),
    }
}
