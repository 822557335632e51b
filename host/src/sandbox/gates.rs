//! The three gates as the guest sees them. A closed gate refuses; it never traps.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};

use super::{
    bindings::{events, outbound_http, secrets},
    guest::{EVENT_BYTES_MAX, FAN_OUT, Guest},
    traces::Emitted,
    way_out::{Stopped, WayOut},
};
use crate::{
    outbound::{Method, OutboundError, OutboundRequest, OutboundResponse},
    vault::SecretError,
};

const CLOSED: &str = "the gates are closed while a provider describes itself";

impl outbound_http::Host for Guest {
    async fn send(
        &mut self,
        request: outbound_http::Request,
    ) -> wasmtime::Result<Result<outbound_http::Response, outbound_http::Error>> {
        let Some(way_out) = &self.way_out else { return Ok(Err(outbound_http::Error::DeniedHost(CLOSED.to_owned()))) };
        way_out.budget.requests(1)?;
        pass(way_out, request).await
    }

    async fn send_all(
        &mut self,
        requests: Vec<outbound_http::Request>,
    ) -> wasmtime::Result<Vec<Result<outbound_http::Response, outbound_http::Error>>> {
        let Some(way_out) = &self.way_out else {
            let refuse = |_| Err(outbound_http::Error::DeniedHost(CLOSED.to_owned()));
            return Ok(requests.into_iter().map(refuse).collect());
        };
        way_out.budget.requests(requests.len())?;
        let sends = requests.into_iter().map(|request| pass(way_out, request));
        futures::stream::iter(sends).buffered(FAN_OUT).try_collect().await
    }
}

/// One request; the outer error ends the call.
async fn pass(
    way_out: &WayOut,
    request: outbound_http::Request,
) -> wasmtime::Result<Result<outbound_http::Response, outbound_http::Error>> {
    let delay = Duration::from_millis(request.delay_ms.unwrap_or(0).into());
    way_out.budget.request_bytes(request.body.as_ref().map_or(0, Vec::len) as u64)?;
    match way_out.send(outbound_request(request), delay).await {
        Ok(response) => Ok(Ok(response.into())),
        Err(Stopped::Refused(error)) => Ok(Err(told(error))),
        // The contract has no word of its own for it.
        Err(Stopped::Open(open)) => Ok(Err(outbound_http::Error::Connection(open.to_string()))),
        Err(Stopped::Breached(breach)) => Err(breach.into()),
    }
}

fn outbound_request(request: outbound_http::Request) -> OutboundRequest {
    OutboundRequest {
        method: match request.method {
            outbound_http::Method::Get => Method::Get,
            outbound_http::Method::Head => Method::Head,
            outbound_http::Method::Post => Method::Post,
            outbound_http::Method::Put => Method::Put,
            outbound_http::Method::Patch => Method::Patch,
            outbound_http::Method::Delete => Method::Delete,
        },
        url: request.url,
        headers: request.headers,
        body: request.body,
        timeout: request.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms))),
    }
}

impl From<OutboundResponse> for outbound_http::Response {
    fn from(response: OutboundResponse) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body }
    }
}

fn told(error: OutboundError) -> outbound_http::Error {
    match error {
        // The contract has no word of its own for it.
        OutboundError::InvalidRequest(text) | OutboundError::DeniedMethod(text) => {
            outbound_http::Error::InvalidRequest(text)
        }
        OutboundError::DeniedHost(text) => outbound_http::Error::DeniedHost(text),
        OutboundError::DeniedAddress(text) => outbound_http::Error::DeniedAddress(text),
        OutboundError::Dns(text) => outbound_http::Error::Dns(text),
        // The contract has no word of its own for an answer that is of no use.
        OutboundError::NoConnection(text) | OutboundError::Connection(text) | OutboundError::Unsearchable(text) => {
            outbound_http::Error::Connection(text)
        }
        OutboundError::Crowded { .. } => outbound_http::Error::Connection(error.to_string()),
        OutboundError::Tls(text) => outbound_http::Error::Tls(text),
        OutboundError::Timeout => outbound_http::Error::Timeout,
        OutboundError::TooLarge { limit } => outbound_http::Error::TooLarge(limit),
        OutboundError::BudgetExhausted => outbound_http::Error::BudgetExhausted(error.to_string()),
    }
}

impl secrets::Host for Guest {
    async fn reference(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::Error>> {
        Ok(match &self.way_out {
            Some(way_out) => way_out.gates.secrets.reference(&name).await.map_err(Into::into),
            None => Err(secrets::Error::NotGranted(CLOSED.to_owned())),
        })
    }

    async fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::Error>> {
        Ok(match &self.way_out {
            Some(way_out) => way_out.gates.secrets.reveal(&name).await.map_err(Into::into),
            None => Err(secrets::Error::NotGranted(CLOSED.to_owned())),
        })
    }
}

impl From<SecretError> for secrets::Error {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::NotGranted(text) => Self::NotGranted(text),
            SecretError::NotSet(text) => Self::NotSet(text),
            SecretError::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

/// Whether only the hub itself may say this, in whatever spelling. Two types are said to the hub.
fn is_of_the_hub(event_type: &str) -> bool {
    let word = event_type.split('.').next().unwrap_or_default();
    word.eq_ignore_ascii_case("bulkhead") && !["bulkhead.quota", "bulkhead.cost"].contains(&event_type)
}

impl events::Host for Guest {
    async fn emit(&mut self, event_type: String, mut data: String) -> wasmtime::Result<Result<(), events::Error>> {
        let Some(way_out) = &self.way_out else { return Ok(Err(events::Error::Invalid(CLOSED.to_owned()))) };
        // Whatever becomes of it: looking at one costs as much as keeping it.
        way_out.budget.event()?;
        let named = !event_type.is_empty()
            && event_type.len() <= 128
            && event_type.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !named {
            let why = "the type is 1 to 128 of letters, digits, `.`, `-` and `_`";
            return Ok(Err(events::Error::Invalid(why.to_owned())));
        }
        if is_of_the_hub(&event_type) {
            let why = "types that begin with `bulkhead.` are the hub's, but for `bulkhead.quota` and `bulkhead.cost`";
            return Ok(Err(events::Error::Invalid(why.to_owned())));
        }
        if data.len() > EVENT_BYTES_MAX || serde_json::from_str::<serde::de::IgnoredAny>(&data).is_err() {
            return Ok(Err(events::Error::Invalid(format!("the data is JSON of at most {EVENT_BYTES_MAX} bytes"))));
        }
        let secrets = &way_out.gates.secrets;
        let mut shown = event_type.clone();
        secrets.scrub(&mut shown);
        if shown != event_type {
            return Ok(Err(events::Error::Invalid("the type holds a secret".to_owned())));
        }
        secrets.scrub(&mut data);
        way_out.gates.traces.emitted(Emitted { event_type, data });
        Ok(Ok(()))
    }

    async fn log(&mut self, level: events::Level, message: String) -> wasmtime::Result<()> {
        match &self.way_out {
            Some(way_out) => Ok(way_out.log(level, message)?),
            None => Ok(()),
        }
    }
}
