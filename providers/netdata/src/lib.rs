//! Metrics and alerts from a Netdata Agent (API v3, or v1 on older ones) or from Netdata Cloud.
//!
//! `settings` chooses the source: `{ agent_url: 'http://127.0.0.1:19999' }`, or `{ cloud: { space: …, room: … } }` with
//! the secret `netdata_token`. An Agent needs the secret only where bearer protection is on.

#![forbid(unsafe_code)]

mod agent;
mod alerts;
mod cloud;
mod contexts;
mod health;
mod metrics;
mod names;
mod nodes;
mod pages;
mod series;
mod settings;
mod source;

use bulkhead_sdk::prelude::*;

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    Provider::new(
        "Reads metrics and alerts of servers from a Netdata Agent or Netdata Cloud.",
        env!("CARGO_PKG_VERSION"),
    )
    .tool(
        Tool::read("metrics.query", "1.0", metrics::query)
            .title("Query metrics")
            .description(
                "Returns one metric over time: CPU, memory, disk, network or anything else that Netdata collects. Give exactly \
                 one of `context` (a kind of metric, such as system.cpu) and `chart` (one instance of it). If you do not know \
                 the name, call contexts.list first. For a current value ask for a short window and few points; for a trend ask \
                 for a long window and let `group` condense it.",
            )
            .open_world(),
    )
    .tool(
        Tool::read("alerts.list", "1.0", alerts::list)
            .title("List alerts")
            .description(
                "Returns the alerts of the monitored servers with status, value and the time of the last change; critical ones \
                 first. Without input: those that are raised now. Start here when asked what is wrong.",
            )
            .open_world(),
    )
    .tool(
        Tool::read("contexts.list", "1.0", contexts::list)
            .title("List metric contexts")
            .description(
                "Returns the names of the metrics that can be queried (contexts, such as system.cpu or disk.io), with title and \
                 unit where known. Use it to find the `context` for metrics.query.",
            )
            .open_world(),
    )
    .tool(
        Tool::read("nodes.list", "1.0", nodes::list)
            .title("List nodes")
            .description(
                "Returns the monitored servers (nodes) with state, Netdata version and operating system where known. Use it to \
                 see which servers there are and which no longer report; alerts.list says what is wrong with them.",
            )
            .open_world(),
    )
    .health(health::check)
}

bulkhead_sdk::export!(provider);
