//! Known vulnerabilities of packages and commits, from [OSV.dev](https://osv.dev).

#![forbid(unsafe_code)]

mod advisory;
mod api;
mod cursor;
mod ranges;
mod rating;
mod subject;
mod vuln_get;
mod vulns_batch;
mod vulns_query;
mod wire;

use bulkhead_sdk::prelude::*;

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    Provider::new("Known vulnerabilities of open-source packages and commits, from OSV.dev.", env!("CARGO_PKG_VERSION"))
        .tool(
            Tool::read("vulns.query", "1.0", vulns_query::run)
                .title("Vulnerabilities of a package or commit")
                .description(
                    "Returns the known vulnerabilities of one package version or one commit, the worst first: severity, \
                     affected and fixed versions, links. Use it to judge a dependency and to find the version to upgrade \
                     to. For several packages call vulns.batch first; for one advisory's details call vuln.get.",
                )
                .open_world(),
        )
        .tool(
            Tool::read("vulns.batch", "1.0", vulns_batch::run)
                .title("Vulnerabilities of many packages")
                .description(
                    "Returns which advisories concern each of up to 100 packages or commits, as ids, in the order of the \
                     queries. Use it to check a lockfile; then call vulns.query for the packages that have any, or \
                     vuln.get for an id.",
                )
                .open_world(),
        )
        .tool(
            Tool::read("vuln.get", "1.0", vuln_get::run)
                .title("Advisory")
                .description(
                    "Returns one advisory by its id: what it is, severity and CVSS vector, every affected package with \
                     fixed versions, links and the details. Ids come from vulns.query and vulns.batch.",
                )
                .open_world(),
        )
        .health(health)
}

/// OSV.dev answers for an advisory that has been there since 2020.
fn health(cx: &Context) -> Result<(), CallError> {
    let _: wire::BatchVulnerability = api::Api::of(cx)?.vulnerability("OSV-2020-111")?;
    Ok(())
}

bulkhead_sdk::export!(provider);
