//! `scan.repo` and `scan.result`.

use std::time::Duration;

use bulkhead_sdk::http::RequestBuilder;
use bulkhead_sdk::prelude::*;

use crate::org::Org;
use crate::refusal::Need;
use crate::report::{self, Finding};

/// How long to wait before each of the first polls, in seconds; the last repeats. Small repositories are done in seconds,
/// large ones take minutes.
const PAUSES: [u64; 6] = [2, 3, 5, 8, 12, 15];
/// A call may send 64 requests, and each poll may take three.
const POLLS_MAX: usize = 20;
/// How many findings scan.repo returns; scan.result gives the rest.
const FIRST_PAGE: u32 = 50;

const LIST: Need = Need::scope("full-scans:list");
const RESULT: Need = Need {
    absent: "there is no such scan. scan.repo and repos.list give the ids",
    smaller: "look at the findings with findings.list, filtered by `repo` and `severity`, which gives them in pages",
    ..LIST
};
const RESCAN: Need =
    Need { absent: "the scan to repeat is gone. Upload the manifests again", ..Need::scope("full-scans:create") };

/// What `scan.repo` takes.
#[derive(Deserialize, JsonSchema)]
pub struct RepoInput {
    /// The repository's slug in Socket, such as "web-app"; repos.list gives them.
    #[schemars(length(min = 1, max = 200))]
    repo: String,
    /// A branch, such as "main", or a full commit hash. The newest scan of any branch if left out.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 250))]
    reference: Option<String>,
}

/// What `scan.result` takes.
#[derive(Deserialize, JsonSchema)]
pub struct ResultInput {
    /// The `scan_id` that scan.repo or repos.list gave.
    #[schemars(length(min = 1, max = 200))]
    scan_id: String,
    /// At most this many findings.
    #[serde(default = "first_page")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    /// The `next_cursor` of the page before; leave it out for the first.
    cursor: Option<String>,
}

fn first_page() -> u32 {
    FIRST_PAGE
}

/// Whether a scan has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Completed,
    Processing,
}

/// What a scan found, or that it still runs.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Identifies the scan; scan.result takes it.
    scan_id: String,
    /// "processing" means that it still runs: call scan.result with the scan_id in a minute.
    status: Status,
    /// The branch that was scanned, where Socket knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    /// The commit that was scanned, where Socket knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// How many findings in all, by severity; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<SeverityCounts>,
    /// How many packages were looked at; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<u32>,
    /// How many further findings are left out because the organization ignores them; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<u32>,
    /// The worst first.
    findings: Vec<Finding>,
    /// Give it to scan.result as `cursor`, with the scan_id, to get the next findings; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Known {
    results: Vec<FullScan>,
}

#[derive(Deserialize)]
struct FullScan {
    id: String,
    branch: Option<String>,
    commit_hash: Option<String>,
}

#[derive(Deserialize)]
struct Started {
    id: String,
}

/// Answers `scan.repo`.
pub fn repo(cx: &Context, input: RepoInput) -> Result<Output, CallError> {
    let org = Org::of(cx)?;
    let newest = newest(&org, &input)?;
    let request = org.post("full-scans", RESCAN).segment(&newest.id).segment("rescan").query("mode", "deep");
    let Started { id } = request.send()?.json()?;

    // From here on the scan runs at Socket, so whatever happens the caller must learn its id.
    let lost = |error: CallError| CallError {
        message: format!("scan {id} was started, call scan.result with it later; but: {}", error.message),
        ..error
    };
    let output = wait(cx, &org, &id).map_err(lost)?;
    Ok(Output { branch: newest.branch, commit: newest.commit_hash, ..output })
}

/// Answers `scan.result`.
pub fn result(cx: &Context, input: ResultInput) -> Result<Output, CallError> {
    let offset = match &input.cursor {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| {
            CallError::invalid_input(
                "`cursor` is not one that scan.repo or scan.result gave: leave it out for the first page",
            )
        })?,
    };
    let answer = fetch(&Org::of(cx)?, &input.scan_id).send()?;
    output(&answer, input.scan_id, offset, input.limit)
}

fn newest(org: &Org<'_>, input: &RepoInput) -> Result<FullScan, CallError> {
    let request = org.get("full-scans", LIST).query("repo", &input.repo);
    let request = match &input.reference {
        Some(commit) if is_commit(commit) => request.query("commit_hash", commit),
        Some(branch) => request.query("branch", branch),
        None => request,
    };
    let request = request.query("sort", "created_at").query("direction", "desc").query("per_page", 1);
    let known: Known = request.send()?.json()?;
    known.results.into_iter().next().ok_or_else(|| nothing_to_repeat(org.slug(), input))
}

/// A whole SHA-1 or SHA-256: a shorter one could as well be a branch.
fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn nothing_to_repeat(org: &str, input: &RepoInput) -> CallError {
    let repo = &input.repo;
    let of = input.reference.as_ref().map_or_else(String::new, |reference| format!(" at `{reference}`"));
    CallError::not_found(format!(
        "Socket has no scan of `{repo}`{of} to repeat: check the name with repos.list, or upload its manifests once (such as \
         package-lock.json or requirements.txt) with `socket scan create --org {org} --repo {repo} --branch BRANCH .` in a \
         checkout, or by installing Socket's GitHub app; then call scan.repo again"
    ))
}

/// Polls until the scan has ended or the call's time is over, which the gate tells by a timeout.
fn wait(cx: &Context, org: &Org<'_>, id: &str) -> Result<Output, CallError> {
    // A poll that hangs must not take the whole call with it, or nobody would learn the id.
    let patience = cx.deadline() / 4;
    for poll in 0..POLLS_MAX {
        let pause = PAUSES[poll.min(PAUSES.len() - 1)];
        match fetch(org, id).delay(Duration::from_secs(pause)).timeout(patience).send() {
            Ok(answer) if answer.status() == 202 => {}
            Ok(answer) => return output(&answer, id.to_owned(), 0, FIRST_PAGE),
            Err(error) if is_passing(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(processing(id.to_owned()))
}

/// The scan goes on although we cannot see it now.
fn is_passing(error: &CallError) -> bool {
    matches!(error.code, ErrorCode::UpstreamTimeout | ErrorCode::UpstreamRateLimited | ErrorCode::UpstreamUnreachable)
}

fn fetch<'a>(org: &Org<'a>, id: &str) -> RequestBuilder<'a> {
    org.get("full-scans", RESULT)
        .segment(id)
        .query("cached", true)
        .query("include_scores", false)
        .query("include_license_details", false)
}

fn output(answer: &Response, scan_id: String, offset: usize, limit: u32) -> Result<Output, CallError> {
    if answer.status() == 202 {
        return Ok(processing(scan_id));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = report::read(answer, offset, limit)?;
    Ok(Output {
        scan_id,
        status: Status::Completed,
        branch: None,
        commit: None,
        counts: Some(found.counts),
        packages: Some(found.packages),
        ignored: Some(found.ignored),
        findings: found.page,
        next_cursor: found.more.then(|| offset.saturating_add(limit).to_string()),
    })
}

fn processing(scan_id: String) -> Output {
    Output {
        scan_id,
        status: Status::Processing,
        branch: None,
        commit: None,
        counts: None,
        packages: None,
        ignored: None,
        findings: Vec::new(),
        next_cursor: None,
    }
}
