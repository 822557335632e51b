//! Supply-chain scans and findings from Socket (socket.dev, API v0).
//!
//! `settings: { org: 'my-org' }` names the organization; without it the API key must see exactly one. The secret
//! `socket_api_key` holds an API token of that organization.

#![forbid(unsafe_code)]

mod annotate;
mod api;
mod artifact;
mod findings;
mod health;
mod org;
mod orgs;
mod packages;
mod purl;
mod refusal;
mod report;
mod repos;
mod scan;
mod settings;

use bulkhead_sdk::prelude::*;

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    let provider = Provider::new(
        "Scans the dependencies of repositories with Socket and lists, rates and annotates what it finds.",
        env!("CARGO_PKG_VERSION"),
    );
    lists(scans(provider)).health(health::check)
}

fn scans(provider: Provider) -> Provider {
    provider
        .tool(
            Tool::scan("scan.repo", "1.0", scan::repo)
                .title("Scan a repository")
                .description(
                    "Scans the dependencies of a repository anew and returns the findings with counts by severity, the worst first. It \
                     takes the newest scan that Socket has of the repository (and of `ref`), resolves the dependencies again and waits \
                     for the result. A scan that takes longer than this call may last returns status \"processing\" and a scan_id to \
                     give to scan.result later. To only look at what is known already, use findings.list.",
                )
                .open_world(),
        )
        .tool(
            Tool::read("scan.result", "1.0", scan::result)
                .title("Get a scan's result")
                .description(
                    "Returns the findings of one scan with counts by severity, the worst first, or status \"processing\" while it runs. \
                     Takes the scan_id that scan.repo or repos.list gave; use it to wait for a scan and to get its further pages.",
                )
                .open_world(),
        )
        .tool(
            Tool::scan("findings.annotate", "1.0", annotate::annotate)
                .title("Mark a finding as a false positive")
                .description(
                    "Tells Socket to ignore one finding from now on, with a note that says why, such as that it is a false positive. It \
                     holds for the whole organization and can be undone in Socket's dashboard. Takes the `key` of a finding from \
                     findings.list or a scan.",
                )
                .open_world(),
        )
}

fn lists(provider: Provider) -> Provider {
    provider
        .tool(
            Tool::read("findings.list", "1.0", findings::list)
                .title("List findings")
                .description(
                    "Returns the findings (alerts) that Socket knows now across the organization: vulnerabilities, malware and other \
                     supply-chain risks, maintenance, quality and license problems of the packages in use, with where each package is \
                     used. Filter by severity, category, repository, branch or package. Start here when asked what is wrong; it \
                     scans nothing.",
                )
                .open_world(),
        )
        .tool(
            Tool::read("package.score", "1.0", packages::score)
                .title("Score packages")
                .description(
                    "Rates packages of npm, PyPI, Maven, Go and other ecosystems by their package URLs, from 0 (avoid) to 1 (good): \
                     overall, supply chain, vulnerability, quality, maintenance and license, with the alerts behind it. Use it before \
                     adding or upgrading a dependency. Ask for all packages at once: every call costs as much quota as a hundred others.",
                )
                .open_world(),
        )
        .tool(
            Tool::read("repos.list", "1.0", repos::list)
                .title("List repositories")
                .description(
                    "Returns the repositories that Socket watches, newest first, with the slug that scan.repo and findings.list take as \
                     `repo` and the scan_id of the latest scan of the default branch.",
                )
                .open_world(),
        )
        .tool(
            Tool::read("orgs.list", "1.0", orgs::list)
                .title("List organizations")
                .description(
                    "Returns the Socket organizations that the hub's API key can see, and which of them the other tools use.",
                )
                .open_world(),
        )
}

bulkhead_sdk::export!(provider);
