//! The one way from a guest to the network. Both doors, the contract's `outbound-http` and `wasi:http`, end here.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    budget::{Breach, Budget},
    gate_set::GateSet,
};
use crate::{
    health::CircuitOpen,
    outbound::{OutboundError, OutboundRequest, OutboundResponse, Target},
    telemetry::metrics,
};

/// The largest answer that is searched for secrets where it arrives, in bytes.
const SEARCHED_AT_ONCE: u64 = 64 * 1024;

/// A call's gates, what is left of its budget, and when requests end.
#[derive(Debug, Clone)]
pub(super) struct WayOut {
    pub(super) gates: Arc<GateSet>,
    pub(super) budget: Arc<Budget>,
    pub(super) deadline: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The gate refused or the exchange failed: the guest is told.
    Refused(OutboundError),
    /// The upstream keeps failing, so nothing was sent: the guest is told.
    Open(CircuitOpen),
    /// The call has used up its budget and ends.
    Breached(Breach),
}

impl From<Breach> for Stopped {
    fn from(breach: Breach) -> Self {
        Self::Breached(breach)
    }
}

impl From<OutboundError> for Stopped {
    fn from(error: OutboundError) -> Self {
        Self::Refused(error)
    }
}

impl WayOut {
    /// One request, whose count and body each door has already taken from the budget: decide, wait if asked to, put secrets
    /// in, send, take secrets out.
    pub(super) async fn send(&self, request: OutboundRequest, delay: Duration) -> Result<OutboundResponse, Stopped> {
        let mut permitted = self.gates.outbound.permit(request, self.gates.acting)?;
        let body_bytes = permitted.body().map_or(0, <[u8]>::len) as u64;
        // Without the values of secrets, whose length is nobody's business.
        let bytes = permitted.request_bytes();
        self.budget.request_bytes(bytes - body_bytes)?;
        permitted.meter(self.budget.response_bytes());
        if !delay.is_zero() {
            if Instant::now() + delay >= self.deadline {
                return Err(OutboundError::Timeout.into());
            }
            tokio::time::sleep(delay).await;
        }
        let mut called = permitted.target().authority();
        // A provider that may read a value may also ask for a host of that name.
        self.gates.secrets.scrub(&mut called);
        let attempt = self.gates.breakers.admit(permitted.target(), &called, self.gates.sender).map_err(|open| {
            self.gates.traces.refused(open.clone());
            self.count(permitted.target(), "circuit_open", None);
            Stopped::Open(open)
        })?;
        self.gates.secrets.expect_from(permitted.target()).await?;
        self.gates.secrets.fill(&mut permitted)?;
        self.gates.traces.called(called, bytes, self.budget.response_bytes());
        let (target, since) = (permitted.target().clone(), metrics::clock());
        let answer = self.gates.outbound.send(permitted, self.deadline).await;
        if let Some(turned) = attempt.ended(&answer) {
            self.gates.traces.turned(turned);
        }
        self.count(&target, ended_as(&answer), since);
        match answer {
            Ok(response) => Ok(self.scrubbed(response).await),
            Err(OutboundError::BudgetExhausted) => Err(self.budget.response_bytes_reached().into()),
            Err(error) => Err(error.into()),
        }
    }

    fn count(&self, target: &Target, status: &'static str, since: Option<std::time::Instant>) {
        // Only whoever counts pays for the text.
        if metrics::is_counted()
            && let Some(rule) = self.gates.outbound.allowlist().rule_for(target)
        {
            metrics::sent(self.gates.provider.as_str(), &rule.to_string(), status, since);
        }
    }

    /// The answer without secrets. A large one is searched off the async workers: a hostile one may take a second.
    async fn scrubbed(&self, mut response: OutboundResponse) -> OutboundResponse {
        if response.bytes() <= SEARCHED_AT_ONCE {
            self.gates.secrets.scrub_response(&mut response);
            return response;
        }
        let gates = Arc::clone(&self.gates);
        let searched = tokio::task::spawn_blocking(move || {
            gates.secrets.scrub_response(&mut response);
            response
        });
        searched.await.unwrap_or_else(|broken| std::panic::resume_unwind(broken.into_panic()))
    }
}

/// How a request ended, in a few words: an upstream could send any number for a status.
fn ended_as(answer: &Result<OutboundResponse, OutboundError>) -> &'static str {
    match answer {
        Ok(response) => match response.status {
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500..600 => "5xx",
            _ => "other",
        },
        Err(OutboundError::InvalidRequest(_) | OutboundError::DeniedMethod(_)) => "refused",
        Err(OutboundError::DeniedHost(_) | OutboundError::DeniedAddress(_)) => "denied",
        Err(OutboundError::Dns(_)) => "dns",
        Err(OutboundError::NoConnection(_)) => "no_connection",
        Err(OutboundError::Connection(_)) => "broken",
        Err(OutboundError::Tls(_)) => "tls",
        Err(OutboundError::Unsearchable(_)) => "unsearchable",
        Err(OutboundError::Crowded { .. }) => "crowded",
        Err(OutboundError::Timeout) => "timeout",
        Err(OutboundError::TooLarge { .. } | OutboundError::BudgetExhausted) => "too_large",
    }
}
