//! What a guest can try with WASI's own resources.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;
use wasip2::cli::{exit as cli, stderr, stdout};
use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingBody};

use crate::fetch;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Done {
    /// How many.
    count: usize,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Flood {
    /// Where to.
    url: String,
    /// How many, or how many MiB.
    count: usize,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Count {
    /// How many.
    count: usize,
}

pub(crate) fn flood(_cx: &Context, input: Flood) -> Result<Done, CallError> {
    let mut pending = Vec::new();
    for _ in 0..input.count {
        let (request, body) = fetch::request(&Method::Get, &input.url, &BTreeMap::new())?;
        pending.push(outgoing_handler::handle(request, None).map_err(fetch::told)?);
        OutgoingBody::finish(body, None).map_err(fetch::told)?;
    }
    let answered = pending.iter().filter(|pending| fetch::wait(pending).is_ok()).count();
    Ok(Done { count: answered })
}

pub(crate) fn upload(_cx: &Context, input: Flood) -> Result<Done, CallError> {
    let (request, body) = fetch::request(&Method::Post, &input.url, &BTreeMap::new())?;
    let pending = outgoing_handler::handle(request, None).map_err(fetch::told)?;
    let written = fetch::write(&body, &vec![b'x'; input.count << 20]);
    let finished = OutgoingBody::finish(body, None).map_err(fetch::told);
    let status = fetch::wait(&pending)?.status();
    written.and(finished)?;
    Ok(Done { count: status.into() })
}

pub(crate) fn hoard(_cx: &Context, input: Count) -> Result<Done, CallError> {
    let kept: Vec<_> = (0..input.count).map(|_| Fields::new()).collect();
    Ok(Done { count: kept.len() })
}

pub(crate) fn sleep(_cx: &Context, _input: NoInput) -> Result<Done, CallError> {
    monotonic_clock::subscribe_duration(3_600_000_000_000).block();
    Ok(Done { count: 1 })
}

pub(crate) fn spin(_cx: &Context, _input: NoInput) -> Result<Done, CallError> {
    // A loop of calls to the hub, whose answer is always there.
    while monotonic_clock::now() != u64::MAX {}
    Ok(Done { count: 1 })
}

pub(crate) fn exit(_cx: &Context, _input: NoInput) -> Result<Done, CallError> {
    cli::exit(Err(()));
    Ok(Done { count: 1 })
}

pub(crate) fn random(_cx: &Context, input: Count) -> Result<Done, CallError> {
    let bytes = wasip2::random::random::get_random_bytes(input.count as u64);
    Ok(Done { count: bytes.len() })
}

pub(crate) fn print(_cx: &Context, input: Count) -> Result<Done, CallError> {
    let (out, err) = (stdout::get_stdout(), stderr::get_stderr());
    for line in 0..input.count {
        let stream = if line % 2 == 0 { &out } else { &err };
        let text = format!("printed {line}\n");
        stream.blocking_write_and_flush(text.as_bytes()).map_err(|error| CallError::internal(format!("{error:?}")))?;
    }
    // No line break: it must appear all the same when the call ends.
    let _ = out.blocking_write_and_flush(b"the last word");
    Ok(Done { count: input.count })
}
