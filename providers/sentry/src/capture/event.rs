//! The event and the envelope that carries it.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json;
use bulkhead_sdk::time::rfc3339;

use super::input::Input;

/// How we name ourselves to Sentry.
pub const CLIENT: &str = concat!("bulkhead-sentry/", env!("CARGO_PKG_VERSION"));

/// Sentry drops event items that are larger.
const MAX_BYTES: usize = 1_000_000;

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "event_id")]
    id: &'a str,
    timestamp: &'a str,
    logger: &'static str,
    sdk: Sdk,
    #[serde(flatten)]
    said: &'a Input,
}

#[derive(Serialize)]
struct Sdk {
    name: &'static str,
    version: &'static str,
}

/// The event as Sentry's envelope endpoint takes it: header, item header and payload, a line each.
pub fn envelope(event_id: &str, now_ms: u64, input: &Input) -> Result<Vec<u8>, CallError> {
    let now = rfc3339(now_ms);
    let event = Event {
        id: event_id,
        timestamp: &now,
        logger: "bulkhead",
        sdk: Sdk { name: "bulkhead.sentry", version: env!("CARGO_PKG_VERSION") },
        said: input,
    };
    let payload = line(&event)?;
    if payload.len() > MAX_BYTES {
        return Err(CallError::invalid_input(format!(
            "the event has {} bytes and Sentry takes {MAX_BYTES}: shorten `extra` or the frames of `exception`",
            payload.len()
        )));
    }
    let header = line(&json!({ "event_id": event_id, "sent_at": now }))?;
    let item = line(&json!({ "type": "event", "content_type": "application/json", "length": payload.len() }))?;
    Ok([header, item, payload, String::new()].join("\n").into_bytes())
}

fn line(value: &impl Serialize) -> Result<String, CallError> {
    serde_json::to_string(value)
        .map_err(|why| CallError::internal(format!("the event cannot be written as JSON: {why}")))
}

/// The id of the event of a call: the call's own if that is a UUID, so that the audit trail and Sentry can be matched
/// and a repeated delivery is the same event.
pub fn id_of(call_id: &str) -> String {
    let bare = call_id.replace('-', "").to_ascii_lowercase();
    if bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return bare;
    }
    // FNV-1a, 128 bits: any other id still gives a stable one.
    let hash = call_id.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_the_event() {
        assert_eq!(id_of("0193C5A2-7B1D-7e3f-8a4b-5c6d7e8f9a0b"), "0193c5a27b1d7e3f8a4b5c6d7e8f9a0b");
        assert_eq!(id_of("call-1"), id_of("call-1"));
        assert_ne!(id_of("call-1"), id_of("call-2"));
        assert_eq!(id_of("").len(), 32);
    }
}
