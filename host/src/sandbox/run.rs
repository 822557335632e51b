//! One run: a fresh instance, a deadline, an end.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wasmtime::{
    Store, Trap,
    component::{ComponentExportIndex, ComponentNamedList, Lift, Lower, TypedFunc},
};
use wasmtime_wasi::{I32Exit, ResourceTableError};

use super::{
    bindings::{
        CallContext, CallFault, Description, PromptMessage, ProviderHealth, ProviderWorld, ResourceContent, ToolOutput,
    },
    budget::Breach,
    component::{Compiled, Exports, Linked},
    contract::ContractError,
    error::{DescribeError, RunError, first_line},
    gate_set::GateSet,
    guest::{Guest, Permits},
    pace::drive,
    runtime::Sandbox,
    wasi::HANDLES,
    weight::Weigh,
};
use crate::{
    config::SandboxLimits,
    stages::{self, Stage},
    telemetry::metrics,
};

/// How long a call waits for others of its provider to end before it is told that the provider is busy.
const QUEUE_WAIT: Duration = Duration::from_millis(500);
/// How long a provider may take to describe itself.
const DESCRIBE_TIME: Duration = Duration::from_secs(2);
/// How much of a call's time, a tenth at most, is kept for the provider after its last request has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Under whose concurrency limit a run counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A caller: one of its share of the provider's concurrent calls.
    Caller(Uuid),
    /// The hub, which has a limit of its own: what it asks a provider never depends on how busy callers keep it.
    Hub,
}

/// What bounds a run besides the component's own limits.
#[derive(Debug)]
pub struct Run {
    /// The gates, open for this call.
    pub gates: GateSet,
    /// Whose permit it takes.
    pub taker: Taker,
    /// How long it may take.
    pub timeout: Duration,
    /// Cancelled when the caller goes away.
    pub cancelled: CancellationToken,
}

/// A call of a guest, from its first instruction to its last.
type Calling<T> = BoxFuture<'static, wasmtime::Result<T>>;

/// What a call needs to start: nothing of it has run yet.
struct Fresh {
    component: Linked,
    store: Store<Guest>,
}

impl Fresh {
    /// Starts the instance and calls one function, the only one whose types are compared with the contract's for it.
    async fn call<P, R>(mut self, which: impl Fn(&Exports) -> ComponentExportIndex, input: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList,
    {
        let function = self.function::<P, R>(which).await?;
        let (answer,) = function.call_async(&mut self.store, input).await?;
        Ok(answer)
    }

    /// One of the component's functions in a fresh instance.
    async fn function<P, R>(
        &mut self,
        which: impl Fn(&Exports) -> ComponentExportIndex,
    ) -> wasmtime::Result<TypedFunc<P, (R,)>>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList,
    {
        let instance = self.component.pre.instantiate_async(&mut self.store).await?;
        instance.get_typed_func(&mut self.store, which(&self.component.exports))
    }
}

impl Sandbox {
    /// Asks a component what it offers, with every gate closed.
    ///
    /// # Errors
    /// When its functions are not of the contract's types, or when it traps, or exceeds two seconds or its memory.
    pub async fn describe(&self, compiled: &Compiled) -> Result<Description, DescribeError> {
        let deadline = Instant::now() + DESCRIBE_TIME;
        let never = CancellationToken::new();
        let described = self.enter(compiled, (None, Taker::Hub), deadline, DESCRIBE_TIME, &never, |fresh| {
            Box::pin(async move {
                let Fresh { component, mut store } = fresh;
                let instance = component.pre.instantiate_async(&mut store).await?;
                // What types its functions have can be seen only now.
                let world = match ProviderWorld::new(&mut store, &instance) {
                    Ok(world) => world,
                    Err(error) => return Ok(Err(ContractError::Types(first_line(&error)))),
                };
                world.bulkhead_provider_provider().call_describe(&mut store).await.map(Ok)
            })
        });
        Ok(within(compiled.limits, described.await??)?)
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
        tool: String,
        input: String,
    ) -> Result<Result<ToolOutput, CallFault>, RunError> {
        self.run(compiled, run, |fresh| {
            Box::pin(async move {
                let mut fresh = fresh;
                let function = fresh.function(|exports| exports.call_tool).await?;
                stages::ends(Stage::Instantiate);
                let given = (&context, tool.as_str(), input.as_str());
                let (answer,) = function.call_async(&mut fresh.store, given).await?;
                stages::ends(Stage::Run);
                Ok(answer)
            })
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
        uri: String,
    ) -> Result<Result<Vec<ResourceContent>, CallFault>, RunError> {
        self.run(compiled, run, |fresh| {
            Box::pin(async move { fresh.call(|exports| exports.read_resource, (&context, uri.as_str())).await })
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
        prompt: String,
        arguments: Vec<(String, String)>,
    ) -> Result<Result<Vec<PromptMessage>, CallFault>, RunError> {
        self.run(compiled, run, |fresh| {
            Box::pin(async move {
                fresh.call(|exports| exports.get_prompt, (&context, prompt.as_str(), arguments.as_slice())).await
            })
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
        self.run(compiled, run, |fresh| {
            Box::pin(async move { fresh.call(|exports| exports.check_health, (&context,)).await })
        })
        .await
    }

    async fn run<T: Weigh + Send + 'static>(
        &self,
        compiled: &Compiled,
        run: Run,
        call: impl FnOnce(Fresh) -> Calling<T>,
    ) -> Result<T, RunError> {
        let deadline = Instant::now() + run.timeout;
        let opened = (Some(run.gates), run.taker);
        let answer = self.enter(compiled, opened, deadline, run.timeout, &run.cancelled, call).await?;
        within(compiled.limits, answer)
    }

    /// The only function in which a guest runs.
    async fn enter<T: Send + 'static>(
        &self,
        compiled: &Compiled,
        (gates, taker): (Option<GateSet>, Taker),
        deadline: Instant,
        timeout: Duration,
        cancelled: &CancellationToken,
        call: impl FnOnce(Fresh) -> Calling<T>,
    ) -> Result<T, RunError> {
        let permits = self.permits(compiled, taker, timeout, cancelled).await?;
        if Instant::now() >= deadline {
            return Err(RunError::Timeout(timeout));
        }
        // Requests end a little before the call does, so that a provider can still tell what it has: the scan it started,
        // the pages it got.
        let gates_close = deadline - (timeout / 10).min(LAST_WORDS);
        let (provider, since) = (gates.as_ref().map(|gates| gates.provider.clone()), metrics::clock());
        let guest = Guest::new(gates, compiled.limits, gates_close, permits);
        let (budget, pace) = (Arc::clone(&guest.budget), Arc::clone(&guest.pace));
        let calling = call(Fresh { component: compiled.component.clone(), store: store(compiled, guest) });
        let over = async {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => RunError::Timeout(timeout),
                () = budget.breached() => RunError::Cancelled,
                () = cancelled.cancelled() => RunError::Cancelled,
            }
        };
        let ended = drive(calling, pace, over).await;
        if let Some(provider) = provider {
            metrics::ran(provider.as_str(), budget.memory(), since);
        }
        // A guest that has reached a limit may have gone on to say something: the breach is what is told.
        if let Some(breach) = budget.breach() {
            return Err(RunError::Limit(breach));
        }
        ended?.map_err(|error| end_of(&error, compiled.limits))
    }

    /// Permits for a run, for which a bounded number of calls wait a bounded time.
    async fn permits(
        &self,
        compiled: &Compiled,
        taker: Taker,
        timeout: Duration,
        cancelled: &CancellationToken,
    ) -> Result<Permits, RunError> {
        let wait_max = QUEUE_WAIT.min(timeout);
        let until = Instant::now() + wait_max;
        let taking = async {
            match taker {
                Taker::Caller(caller) => {
                    let own = compiled.concurrency.acquire(caller, wait_max).await?;
                    let all = self.calls.acquire(caller, until.saturating_duration_since(Instant::now())).await?;
                    Some(Permits::OfACaller { _own: own, _all: all })
                }
                Taker::Hub => {
                    let permit = timeout_at(until, Arc::clone(&self.own_runs).acquire_owned()).await.ok()?.ok()?;
                    Some(Permits::OfTheHub { _permit: permit })
                }
            }
        };
        // Whose caller has gone already does not begin.
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(RunError::Cancelled),
            permits = taking => permits.ok_or(RunError::Busy(compiled.limits.concurrent_calls.get())),
        }
    }
}

/// A store with every limit on.
fn store(compiled: &Compiled, guest: Guest) -> Store<Guest> {
    let mut store = Store::new(compiled.component.pre.engine(), guest);
    store.limiter(|guest| &mut guest.memory);
    // No more than the guest can hold itself: lists that point to the same bytes again and again stop here.
    store.set_hostcall_fuel(usize::try_from(compiled.limits.memory_mib.bytes()).unwrap_or(usize::MAX));
    store.set_max_component_handles(HANDLES);
    // At every tick a running guest looks whether it has to make room or end.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| Ok(store.data().pace.tick()));
    store
}

/// Refuses an answer that is too large, as text or once it is unpacked.
fn within<T: Weigh>(limits: SandboxLimits, answer: T) -> Result<T, RunError> {
    if answer.bytes() as u64 > limits.output_mib.bytes() {
        return Err(RunError::Limit(Breach::Output(limits.output_mib.get())));
    }
    // A small text may be a great many values: no more than the guest could have held itself.
    if answer.unpacked() as u64 > limits.memory_mib.bytes() {
        return Err(RunError::Limit(Breach::HandOver(limits.memory_mib.get())));
    }
    Ok(answer)
}

/// What ended a run that nothing of ours has ended.
fn end_of(error: &wasmtime::Error, limits: SandboxLimits) -> RunError {
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return RunError::Limit(Breach::Handles(HANDLES));
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return RunError::Trap(format!("it exited with status {status}"));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return RunError::Limit(Breach::Stack(limits.stack_kib.get())),
        Some(trap) => return RunError::Trap(trap.to_string()),
        None => {}
    }
    // wasmtime has no types for these.
    let text = error.root_cause().to_string();
    if text.contains("fuel allocated for hostcalls") {
        RunError::Limit(Breach::HandOver(limits.memory_mib.get()))
    } else if text.contains("instance count too high") {
        RunError::Limit(Breach::CoreInstances(limits.core_instances.get()))
    } else {
        RunError::Trap(text.lines().next().unwrap_or_default().to_owned())
    }
}
