//! Requests of any method, from wherever one can be sent.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;

use crate::Settings;
use crate::fetch::{Answer, told};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Send {
    /// The method, such as "DELETE".
    method: String,
    /// Where to.
    url: String,
    /// Headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body.
    body: Option<String>,
}

pub(crate) fn send(cx: &Context, input: Send) -> Result<Answer, CallError> {
    let method = match input.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => return Err(CallError::invalid_input(format!("the contract has no method {other}"))),
    };
    let mut request = cx.request(method, input.url).accept(|_| true).explain(told);
    for (name, value) in input.headers {
        request = request.header(&name, value);
    }
    if let Some(body) = input.body {
        request = request.body("text/plain", body);
    }
    Ok(request.send()?.into())
}

/// Sends what the settings say.
pub(crate) fn of_settings(cx: &Context) -> Result<String, CallError> {
    match cx.settings::<Settings>()?.send {
        Some(input) => send(cx, input).map(|_| "sent".to_owned()),
        None => Err(CallError::misconfigured("the settings do not say what to send")),
    }
}
