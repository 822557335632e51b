//! `bulkhead audit replay`: a failed call is issued again by a running hub, as whoever runs this.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{
    filters::ReplayOptions,
    remote::{RemoteHub, refusal},
    table,
};
use crate::registry::MASK;

pub(super) fn replay(asked: &ReplayOptions) -> anyhow::Result<ExitCode> {
    let hub = RemoteHub::of(&asked.hub)?.context("a call is issued by a running hub: give --hub URL")?;
    let shown = hub.get(&format!("/audit/events/{}", asked.id), &[])?;
    let event = &shown["event"];
    let of = |name: &str| event[name].as_str();
    let (Some("call_tool"), Some(provider), Some(tool)) = (of("operation"), of("provider"), of("tool")) else {
        bail!("{} is no call of a tool: only those are issued again", asked.id);
    };
    if of("outcome") == Some("ok") {
        bail!("the call {} has succeeded: there is nothing to issue again", asked.id);
    }
    let payload = whole(&event["payload"]).with_context(|| {
        format!("the input of {} was not kept whole, so nobody knows what to send: make the call yourself", asked.id)
    })?;
    if !shown["intent"].is_null() && !asked.again {
        bail!(
            "{provider}.{tool} acts, and this call may have taken effect all the same: look there, and then say --again"
        );
    }
    let replays = format!("{}{}", asked.id, if asked.again { "; again" } else { "" });
    let reply = hub.post(&format!("/providers/{provider}/{tool}"), &[("x-replays", &replays)], payload)?;
    let call = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-call-id"));
    if let Some((_, id)) = call.filter(|(_, id)| id.parse::<uuid::Uuid>().is_ok()) {
        eprintln!("{provider}.{tool} was called again: {id}");
    }
    if reply.status != 200 {
        return Err(refusal(reply.status, &reply.document));
    }
    table::json(&mut std::io::stdout().lock(), reply.document)?;
    Ok(ExitCode::SUCCESS)
}

/// An input that is all there: neither cut nor masked, as far as that can be seen.
fn whole(payload: &Value) -> Option<&Value> {
    let is_cut = payload["truncated"] == true && payload["sha256"].is_string() && payload["preview"].is_string();
    (payload.is_object() && !is_cut && !holds_mask(payload)).then_some(payload)
}

fn holds_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(items) => items.iter().any(holds_mask),
        Value::Object(members) => members.values().any(holds_mask),
        _ => false,
    }
}
