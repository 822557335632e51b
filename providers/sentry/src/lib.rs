//! Sentry: captures errors by DSN; lists, reads and triages issues, and opens tickets, by the web API.
//!
//! `settings` names the organization: `{ org: acme, base_url: 'https://de.sentry.io' }`. The secret `sentry_dsn`, revealed, is for
//! `capture.error`; `sentry_auth_token`, by reference, for everything else. Either works without the other.

#![forbid(unsafe_code)]

mod capture;
mod refusal;
mod scope;
mod settings;

use bulkhead_sdk::prelude::*;

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    Provider::new(
        "Captures errors in Sentry, and reads, triages and tickets the issues that arise from them.",
        env!("CARGO_PKG_VERSION"),
    )
    .tool(
        Tool::scan("capture.error", "1.0", capture::error)
            .title("Capture an error")
            .description(
                "Sends one error event to the Sentry project of the hub's DSN and returns the event's id. Use it to put on record \
                 what went wrong during your own work or in a system that has no Sentry SDK. Sentry groups equal events into an \
                 issue and may notify people, so send each problem once. The issue shows up in issues.list some seconds later.",
            )
            .open_world(),
    )
}

bulkhead_sdk::export!(provider);
