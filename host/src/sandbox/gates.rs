//! The three gates as the guest sees them. A closed gate refuses; it never traps.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    bindings::{events, outbound_http, secrets},
    guest::{EVENT_BYTES_MAX, EVENTS_MAX, Emitted, FAN_OUT, GateSet, Guest, LOG_LINE_MAX, REQUESTS_MAX},
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
        let Some(gates) = &self.gates else { return Ok(Err(outbound_http::Error::DeniedHost(CLOSED.to_owned()))) };
        if self.requests_left == 0 {
            return Ok(Err(exhausted()));
        }
        self.requests_left -= 1;
        Ok(pass(gates, request, self.deadline).await)
    }

    async fn send_all(
        &mut self,
        requests: Vec<outbound_http::Request>,
    ) -> wasmtime::Result<Vec<Result<outbound_http::Response, outbound_http::Error>>> {
        use futures::StreamExt as _;
        let Some(gates) = &self.gates else {
            let refuse = |_| Err(outbound_http::Error::DeniedHost(CLOSED.to_owned()));
            return Ok(requests.into_iter().map(refuse).collect());
        };
        let deadline = self.deadline;
        let mut left = self.requests_left;
        let sends: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let granted = left > 0;
                left = left.saturating_sub(1);
                async move { if granted { pass(gates, request, deadline).await } else { Err(exhausted()) } }
            })
            .collect();
        let answers = futures::stream::iter(sends).buffered(FAN_OUT).collect().await;
        self.requests_left = left;
        Ok(answers)
    }
}

/// One request through the outbound gate: decide, put secrets in, send, take secrets out.
async fn pass(
    gates: &GateSet,
    request: outbound_http::Request,
    deadline: Instant,
) -> Result<outbound_http::Response, outbound_http::Error> {
    let delay = Duration::from_millis(request.delay_ms.unwrap_or(0).into());
    let mut permitted = gates.outbound.permit(outbound_request(request)).map_err(told)?;
    if !delay.is_zero() {
        if Instant::now() + delay >= deadline {
            return Err(outbound_http::Error::Timeout);
        }
        tokio::time::sleep(delay).await;
    }
    gates.secrets.fill(&mut permitted).map_err(told)?;
    gates.traces.called(permitted.target().authority());
    let mut response = gates.outbound.send(permitted, deadline).await.map_err(told)?;
    gates.secrets.scrub_response(&mut response);
    Ok(response.into())
}

fn exhausted() -> outbound_http::Error {
    outbound_http::Error::BudgetExhausted(format!("a call may send {REQUESTS_MAX} requests"))
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
        OutboundError::InvalidRequest(text) => outbound_http::Error::InvalidRequest(text),
        OutboundError::DeniedHost(text) => outbound_http::Error::DeniedHost(text),
        OutboundError::DeniedAddress(text) => outbound_http::Error::DeniedAddress(text),
        OutboundError::Dns(text) => outbound_http::Error::Dns(text),
        OutboundError::Connection(text) => outbound_http::Error::Connection(text),
        OutboundError::Tls(text) => outbound_http::Error::Tls(text),
        OutboundError::Timeout => outbound_http::Error::Timeout,
        OutboundError::TooLarge { limit } => outbound_http::Error::TooLarge(limit),
        OutboundError::BudgetExhausted(text) => outbound_http::Error::BudgetExhausted(text),
    }
}

impl secrets::Host for Guest {
    async fn reference(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::Error>> {
        Ok(match &self.gates {
            Some(gates) => gates.secrets.reference(&name).await.map_err(Into::into),
            None => Err(secrets::Error::NotGranted(CLOSED.to_owned())),
        })
    }

    async fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::Error>> {
        Ok(match &self.gates {
            Some(gates) => gates.secrets.reveal(&name).await.map_err(Into::into),
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

impl events::Host for Guest {
    async fn emit(&mut self, event_type: String, mut data: String) -> wasmtime::Result<Result<(), events::Error>> {
        let Some(gates) = &self.gates else { return Ok(Err(events::Error::Invalid(CLOSED.to_owned()))) };
        let named = !event_type.is_empty()
            && event_type.len() <= 128
            && event_type.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if !named {
            let why = "the type is 1 to 128 of letters, digits, `.`, `-` and `_`";
            return Ok(Err(events::Error::Invalid(why.to_owned())));
        }
        if data.len() > EVENT_BYTES_MAX || serde_json::from_str::<serde::de::IgnoredAny>(&data).is_err() {
            return Ok(Err(events::Error::Invalid(format!("the data is JSON of at most {EVENT_BYTES_MAX} bytes"))));
        }
        gates.secrets.scrub(&mut data);
        if gates.traces.emitted(Emitted { event_type, data }) {
            Ok(Ok(()))
        } else {
            Ok(Err(events::Error::BudgetExhausted(format!("a call may emit {EVENTS_MAX} events"))))
        }
    }

    async fn log(&mut self, level: events::Level, message: String) -> wasmtime::Result<()> {
        let Some(gates) = &self.gates else { return Ok(()) };
        if self.log_lines_left == 0 {
            return Ok(());
        }
        self.log_lines_left -= 1;
        // Control characters could forge lines or drive a terminal.
        let mut message: String =
            message.chars().take(LOG_LINE_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        gates.secrets.scrub(&mut message);
        if self.log_lines_left == 0 {
            message.push_str(" (further lines of this call are dropped)");
        }
        let (provider, correlation_id) = (gates.provider.as_str(), gates.correlation_id.as_str());
        match level {
            events::Level::Debug => tracing::debug!(target: "provider", provider, correlation_id, "{message}"),
            events::Level::Info => tracing::info!(target: "provider", provider, correlation_id, "{message}"),
            events::Level::Warn => tracing::warn!(target: "provider", provider, correlation_id, "{message}"),
            events::Level::Error => tracing::error!(target: "provider", provider, correlation_id, "{message}"),
        }
        Ok(())
    }
}
