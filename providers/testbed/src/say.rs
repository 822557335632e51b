//! The events gate, and a write.

use bulkhead_sdk::{prelude::*, serde_json::Value};

use crate::{DONE, Done};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Emit {
    /// The event's type, such as "org.example.happened".
    event_type: String,
    /// How often.
    #[serde(default = "once")]
    times: u32,
    /// Its data, each time; that which time it is unless given.
    data: Option<Value>,
}

fn once() -> u32 {
    1
}

pub(crate) fn emit(cx: &Context, input: Emit) -> Result<Done, CallError> {
    let Emit { event_type, times, data } = input;
    (0..times).try_for_each(|time| match &data {
        Some(data) => cx.emit(&event_type, data),
        None => cx.emit(&event_type, &json!({ "time": time })),
    })?;
    Ok(DONE)
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Lines {
    /// How many.
    lines: u32,
}

pub(crate) fn flood(cx: &Context, input: Lines) -> Result<Done, CallError> {
    (0..input.lines).for_each(|line| cx.info(format!("flood {line}")));
    Ok(DONE)
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Note {
    /// What to note.
    text: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Noted {
    /// How long it is, in bytes.
    bytes: usize,
}

pub(crate) fn note(_cx: &Context, input: Note) -> Result<Noted, CallError> {
    Ok(Noted { bytes: input.text.len() })
}
