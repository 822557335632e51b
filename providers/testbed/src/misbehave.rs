//! What a provider can do wrong by itself.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bulkhead_sdk::prelude::*;

use crate::{DONE, Done};

#[derive(Serialize, JsonSchema)]
pub(crate) struct Count {
    /// How many calls this instance has seen.
    count: u32,
}

pub(crate) fn count(_cx: &Context, _input: NoInput) -> Result<Count, CallError> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    Ok(Count { count: CALLS.fetch_add(1, Ordering::Relaxed) + 1 })
}

pub(crate) fn forever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

pub(crate) fn spin(_cx: &Context, _input: NoInput) -> Result<Done, CallError> {
    forever()
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Depth {
    /// How often it calls itself.
    depth: u64,
}

pub(crate) fn recurse(_cx: &Context, input: Depth) -> Result<Done, CallError> {
    black_box(deeper(input.depth));
    Ok(DONE)
}

fn deeper(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { deeper(depth - 1) + black_box(1) }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Rounds {
    /// To what it counts.
    rounds: u64,
}

pub(crate) fn busy(_cx: &Context, input: Rounds) -> Result<Done, CallError> {
    (0..input.rounds).for_each(|round| {
        black_box(round);
    });
    Ok(DONE)
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Size {
    /// How much, in MiB.
    mib: usize,
}

pub(crate) fn grow(_cx: &Context, input: Size) -> Result<Done, CallError> {
    black_box(vec![1_u8; input.mib << 20]);
    Ok(DONE)
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Kib {
    /// How much, in KiB.
    kib: usize,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Grown {
    /// Pages that its memory has now and did not have before.
    pages: usize,
}

pub(crate) fn take(_cx: &Context, input: Kib) -> Result<Grown, CallError> {
    let before = pages();
    black_box(vec![1_u8; input.kib << 10]);
    Ok(Grown { pages: pages() - before })
}

#[cfg(target_family = "wasm")]
fn pages() -> usize {
    std::arch::wasm32::memory_size::<0>()
}

/// So that the crate compiles for the machine that checks it.
#[cfg(not(target_family = "wasm"))]
fn pages() -> usize {
    0
}

pub(crate) fn panic(_cx: &Context, _input: NoInput) -> Result<Done, CallError> {
    panic!("asked to")
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Wrong {
    /// Promised to be a number.
    #[schemars(with = "u32")]
    number: String,
}

pub(crate) fn wrong(_cx: &Context, _input: NoInput) -> Result<Wrong, CallError> {
    Ok(Wrong { number: "not a number".to_owned() })
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Large {
    /// As many letters as asked for.
    letters: String,
}

pub(crate) fn large(_cx: &Context, input: Size) -> Result<Large, CallError> {
    Ok(Large { letters: "x".repeat(input.mib << 20) })
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Failing {
    /// The contract's name of the error, such as "not-found".
    code: String,
    /// Its message.
    message: String,
    /// When to try again, in milliseconds.
    retry_after_ms: Option<u64>,
}

pub(crate) fn fail(_cx: &Context, input: Failing) -> Result<Done, CallError> {
    let make = match input.code.as_str() {
        "invalid-input" => CallError::invalid_input,
        "not-found" => CallError::not_found,
        "conflict" => CallError::conflict,
        "upstream-auth" => CallError::upstream_auth,
        "upstream-rate-limited" => CallError::upstream_rate_limited,
        "upstream-failed" => CallError::upstream_failed,
        "upstream-unreachable" => CallError::upstream_unreachable,
        "upstream-timeout" => CallError::upstream_timeout,
        "misconfigured" => CallError::misconfigured,
        _ => CallError::internal,
    };
    let error: CallError = make(input.message);
    Err(match input.retry_after_ms {
        Some(wait) => error.retry_after(Duration::from_millis(wait)),
        None => error,
    })
}
