//! `findings.annotate`.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;

use crate::org::Org;
use crate::refusal::Need;

/// What `findings.annotate` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The `key` of the finding, from findings.list or a scan.
    #[schemars(length(min = 1, max = 500))]
    alert_key: String,
    /// Why it may be ignored, for the people who will read it: "false positive: the function is never called".
    #[schemars(length(min = 1, max = 2000))]
    note: String,
}

/// What `findings.annotate` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The finding that is ignored from now on.
    alert_key: String,
    /// What Socket makes of it now: always "ignore".
    state: String,
    /// The note that was kept.
    note: String,
}

/// Answers `findings.annotate`. Socket has no record of false positives; to ignore with a note is its way to say so.
pub fn annotate(cx: &Context, input: Input) -> Result<Output, CallError> {
    let state = "ignore";
    let triage = json!({ "alertKey": input.alert_key, "state": state, "note": input.note });
    let body = json!({ "alertTriage": [triage] });
    let request = Org::of(cx)?.post("triage", Need::scope("triage:alerts-update")).segment("alerts").json(&body);
    request.send()?.json::<Value>()?; // its `result` says no more than the status, but nonsense is no confirmation
    Ok(Output { alert_key: input.alert_key, state: state.to_owned(), note: input.note })
}
