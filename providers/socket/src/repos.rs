//! `repos.list`.

use bulkhead_sdk::prelude::*;

use crate::org::Org;
use crate::refusal::Need;

/// What `repos.list` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// At most this many; the pages after the first keep it.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
    /// The `next_cursor` of the page before; leave it out for the first.
    cursor: Option<String>,
}

fn fifty() -> u32 {
    50
}

/// What `repos.list` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// The newest first.
    repos: Vec<Repo>,
    /// Give it as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One repository.
#[derive(Serialize, JsonSchema)]
struct Repo {
    /// The name to give to scan.repo and findings.list as `repo`.
    slug: String,
    /// Its name for people, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The branch that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_branch: Option<String>,
    /// The latest scan of the default branch, to give to scan.result; absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_id: Option<String>,
    /// When it last changed at Socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    /// Its page in Socket's dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    results: Vec<Listed>,
    next_page: Option<u32>,
}

#[derive(Deserialize)]
struct Listed {
    slug: String,
    name: Option<String>,
    default_branch: Option<String>,
    head_full_scan_id: Option<String>,
    updated_at: Option<String>,
    html_url: Option<String>,
}

/// Answers `repos.list`.
pub fn list(cx: &Context, input: Input) -> Result<Output, CallError> {
    let (page, size) = match &input.cursor {
        None => (1, input.limit),
        Some(cursor) => position(cursor).ok_or_else(|| {
            CallError::invalid_input("`cursor` is not one that repos.list gave: leave it out for the first page")
        })?,
    };
    let request = Org::of(cx)?.get("repos", Need::scope("repo:list"));
    let answer: Answer = request.query("per_page", size).query("page", page).send()?.json()?;
    // Socket ends with null; a page that does not lead forward would be listed for ever.
    let next_cursor = answer.next_page.filter(|next| *next > page).map(|next| format!("{next}x{size}"));
    Ok(Output { repos: answer.results.into_iter().map(Repo::from).collect(), next_cursor })
}

/// Page and size, such as `2x50`: Socket counts pages, so a page means the same only with the size that it had before.
fn position(cursor: &str) -> Option<(u32, u32)> {
    let (page, size) = cursor.split_once('x')?;
    let (page, size) = (page.parse().ok()?, size.parse().ok()?);
    (page >= 1 && (1..=100).contains(&size)).then_some((page, size))
}

impl From<Listed> for Repo {
    fn from(listed: Listed) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self {
            name: listed.name.filter(|name| !name.is_empty() && *name != listed.slug),
            default_branch: given(listed.default_branch),
            scan_id: given(listed.head_full_scan_id),
            updated_at: given(listed.updated_at),
            url: given(listed.html_url),
            slug: listed.slug,
        }
    }
}
