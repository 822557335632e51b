//! Sentry: captures errors by DSN; lists, reads and triages issues, and opens tickets, by the web API.
//!
//! `settings` names the organization: `{ org: acme, base_url: 'https://de.sentry.io' }`. The secret `sentry_dsn`, revealed, is for
//! `capture.error`; `sentry_auth_token`, by reference, for everything else. Either works without the other.

#![forbid(unsafe_code)]

mod about;
mod api;
mod capture;
mod excerpt;
mod health;
mod issue;
mod projects;
mod refusal;
mod scope;
mod settings;

use bulkhead_sdk::prelude::*;
use issue::{get, list, ticket, update};

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
    .tool(
        Tool::read("issues.list", "1.0", list::list)
            .title("List issues")
            .description(
                "Returns the issues of the Sentry organization, a page at a time: title, where, status, how many events and users, \
                 when first and last. Without input: the unresolved ones that were seen last. Narrow it with `query` in Sentry's \
                 search syntax, `project`, `environment` and `period`. Start here when asked what fails; then call issue.get.",
            )
            .open_world(),
    )
    .tool(
        Tool::read("issue.get", "1.0", get::get)
            .title("Get an issue")
            .description(
                "Returns one Sentry issue with its latest event: exceptions with the application's own innermost frames and their \
                 code, message, release, request and tags. Use it to find the cause of an error. Takes the id from issues.list or \
                 the short id that people write, such as CHECKOUT-3F.",
            )
            .open_world(),
    )
    .tool(
        Tool::write("issue.update", "1.0", update::update)
            .title("Update an issue")
            .description(
                "Resolves, ignores or reopens one Sentry issue, assigns it, or both. Everybody in the organization sees the change, \
                 and resolving or ignoring silences alerts, hence a write; it can be undone by another update and removes no event. \
                 Do it only when asked to, or when you know that the cause is gone. Returns the status before and after.",
            )
            .idempotent(true)
            .open_world(),
    )
    .tool(
        Tool::write("issues.create", "1.0", ticket::create)
            .title("Create a ticket for an issue")
            .description(
                "Creates a ticket in a tracker that is connected to Sentry (Jira, GitHub, GitLab …) and links it to a Sentry issue. \
                 Sentry's own issues arise from events: to make one, use capture.error. People outside the organization may see the \
                 ticket and it cannot be taken back from here, hence a write. Look at `links` of issue.get first: every call makes \
                 another ticket.",
            )
            .destructive(false)
            .open_world(),
    )
    .tool(
        Tool::read("projects.list", "1.0", projects::list)
            .title("List projects")
            .description(
                "Returns the projects of the Sentry organization with slug, name, platform, teams and environments. Use it to find \
                 the `project` or `environment` for issues.list.",
            )
            .open_world(),
    )
    .health(health::check)
}

bulkhead_sdk::export!(provider);
