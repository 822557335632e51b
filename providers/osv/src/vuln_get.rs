//! `vuln.get`: one advisory by its id.

use bulkhead_sdk::prelude::*;

use crate::advisory::{Advisory, Scope};
use crate::api::Api;

/// What the tool takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The advisory's id as OSV writes it, such as "GHSA-35jh-r3h4-6jhm", "RUSTSEC-2021-0078" or "CVE-2021-44228".
    id: String,
}

/// Returns one advisory, with its details.
pub fn run(cx: &Context, input: Input) -> Result<Advisory, CallError> {
    let scope = Scope { wanted: &|_| true, affected: 50, references: 10, details: true };
    Ok(Advisory::new(Api::of(cx)?.vulnerability(input.id.trim())?, &scope))
}
