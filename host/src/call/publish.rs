//! What a provider has emitted: some of it is for the hub itself, the rest is told to others.

use chrono::Utc;

use super::{Hub, record::Draft};
use crate::{
    audit::{Costs, Outgoing, ReportedCost, Said, Sayer, UpstreamQuota},
    events::HubEvent,
    health::Turned,
    json,
    names::{CorrelationId, ProviderName},
    sandbox::{Emitted, Traces},
};

/// What a provider calls the event that tells what is left of its upstream's quota.
const QUOTA_EVENT: &str = "bulkhead.quota";

/// ... and the one that tells what the call cost.
const COST_EVENT: &str = "bulkhead.cost";

/// Why a circuit breaker opens.
const KEEPS_FAILING: &str = "requests keep failing: no connection, no answer in time, or a status of 500 and above";

/// What a call's events come to.
#[derive(Default)]
pub(super) struct Published {
    pub(super) quotas: Vec<UpstreamQuota>,
    pub(super) costs: Costs,
    /// What is delivered to others, in the order in which it was emitted.
    pub(super) events: Vec<Outgoing>,
}

impl Hub {
    /// Tells what a call's requests have made of circuit breakers.
    pub(super) fn tell_of_breakers(&self, traces: &Traces) {
        for Turned { provider, host, open_for } in traces.take_turned() {
            let host = Some(host);
            self.parts.events.of_hub(match open_for {
                Some(retry_after) => {
                    HubEvent::BreakerOpened { provider, host, reason: KEEPS_FAILING.to_owned(), retry_after }
                }
                None => HubEvent::BreakerClosed { provider, host },
            });
        }
    }

    /// Sends the call's events on their way: into the outbox, with the call's row, or to the log where there is nobody to
    /// deliver them to. Quotas and costs are kept instead.
    pub(super) fn publish(&self, emitted: Vec<Emitted>, draft: &Draft, correlation_id: &CorrelationId) -> Published {
        let mut published = Published::default();
        if emitted.is_empty() {
            return published;
        }
        // A provider that has run has a name.
        let provider = draft.provider().filter(|_| self.parts.events.are_delivered());
        for event in emitted {
            let kept = match event.event_type.as_str() {
                QUOTA_EVENT => {
                    serde_json::from_str(&event.data).map(|json::Object(quota)| published.quotas.push(quota)).is_ok()
                }
                COST_EVENT => is_kept(&mut published.costs, &event.data, correlation_id),
                _ => false,
            };
            match &provider {
                _ if kept => {}
                Some(provider) => {
                    let ordinal = published.events.len();
                    published.events.push(outgoing(&event, provider, ordinal, draft, correlation_id));
                }
                None => {
                    let (event_type, data) = (event.event_type, event.data);
                    tracing::info!(target: "event", event_type, data, %correlation_id, "event");
                }
            }
        }
        published
    }
}

fn outgoing(
    event: &Emitted,
    provider: &ProviderName,
    ordinal: usize,
    draft: &Draft,
    correlation_id: &CorrelationId,
) -> Outgoing {
    let said = Said {
        row: draft.id,
        ordinal,
        sayer: Sayer::Provider(provider),
        event_type: &event.event_type,
        subject: draft.tool(),
        time: Utc::now(),
        correlation_id: correlation_id.as_str(),
    };
    Outgoing::new(said, &event.data)
}

/// Adds a cost that a provider reports; says whether it could be read.
fn is_kept(costs: &mut Costs, data: &str, correlation_id: &CorrelationId) -> bool {
    let reported = serde_json::from_str::<json::Object<ReportedCost>>(data).map_err(|error| error.to_string());
    let kept = reported.and_then(|json::Object(cost)| costs.report(&cost).map_err(|error| error.to_string()));
    kept.inspect_err(|why| tracing::warn!(%correlation_id, why, "what a provider says that a call cost is not kept"))
        .is_ok()
}
