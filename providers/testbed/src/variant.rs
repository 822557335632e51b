//! One component, several behaviours: a test changes the mark in a copy of the component's bytes, and has another
//! component without building one.

use std::hint::black_box;

use bulkhead_sdk::prelude::*;

/// What a test overwrites, in a copy, with a text of the same length. `trap` does that when it is to describe itself;
/// `gates` tries every gate while it describes itself; anything else is just another component.
static MARK: [u8; 24] = *b"testbed-variant=plain   ";

pub(crate) fn name() -> String {
    let mark = String::from_utf8_lossy(black_box(&MARK)).into_owned();
    mark.trim_end().trim_start_matches("testbed-variant=").to_owned()
}

/// A sentence about itself; runs first whenever anything of the provider does.
pub(crate) fn describe() -> String {
    match name().as_str() {
        "trap" => panic!("told to"),
        "gates" => gates(),
        variant => format!("For tests only: the variant {variant}."),
    }
}

/// What each gate says to somebody who is still describing itself.
#[cfg(target_family = "wasm")]
fn gates() -> String {
    use bulkhead_sdk::bindings::bulkhead::provider::{events, outbound_http, secrets};
    let request = outbound_http::Request {
        method: outbound_http::Method::Get,
        url: "http://127.0.0.1:1/".to_owned(),
        headers: Vec::new(),
        body: None,
        timeout_ms: None,
        delay_ms: None,
    };
    events::log(events::Level::Error, "logged while describing");
    format!(
        "send: {:?}; send-all: {:?}; reference: {:?}; reveal: {:?}; emit: {:?}",
        outbound_http::send(&request),
        outbound_http::send_all(std::slice::from_ref(&request)),
        secrets::reference("token"),
        secrets::reveal("token"),
        events::emit("org.example.described", "{}")
    )
}

#[cfg(not(target_family = "wasm"))]
fn gates() -> String {
    "there are no gates here".to_owned()
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Variant {
    /// The variant's name.
    variant: String,
}

pub(crate) fn tell(_cx: &Context, _input: NoInput) -> Result<Variant, CallError> {
    Ok(Variant { variant: name() })
}
