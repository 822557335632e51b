//! Following an upstream's pages, as far as a call wants and its deadline allows.
//!
//! An upstream that takes a page size is asked for what is still wanted:
//!
//! ```
//! # use bulkhead_sdk::paging::{self, Bounds, Page};
//! # use bulkhead_sdk::prelude::*;
//! # #[derive(Deserialize)] struct Answer { items: Vec<u8>, next: Option<String> }
//! # fn list(cx: &Context, cursor: Option<String>, limit: usize) -> Result<(), CallError> {
//! let pages = paging::collect(cursor, Bounds::items(limit), |cursor, wanted| {
//!     let request = cx.get("https://api.example/items").query("limit", wanted.min(100));
//!     let request = if let Some(cursor) = cursor { request.query("cursor", cursor) } else { request };
//!     let answer: Answer = request.send()?.json()?;
//!     Ok(Page { items: answer.items, next: answer.next })
//! })?;
//! # Ok(()) }
//! ```
//!
//! One whose pages have a size of their own needs [`fixed_size`], which cuts them. Pages that are counted have the number
//! of the next page as their cursor: `next: answer.more.then(|| (page + 1).to_string())`.

use std::collections::HashSet;

use crate::contract::ErrorCode;
use crate::error::CallError;

/// One page as the upstream gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; may be nothing although more follows.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last. Cursors are opaque, and an empty one (`Some("")`) is none.
    pub next: Option<String>,
}

/// What a call collected from one page or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages<T> {
    /// In the upstream's order.
    pub items: Vec<T>,
    /// Where the next call goes on; `None` when there is no more.
    pub next_cursor: Option<String>,
}

/// How far a call follows the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Stop when there are so many items. A page is never cut here: `fetch` asks the upstream for no more than it is told,
    /// or is a [`fixed_size`] one.
    pub items: usize,
    /// Stop after so many requests, however many items they brought.
    pub requests: usize,
}

impl Bounds {
    /// So many items in at most eight requests, which leaves a call some of its requests for other things.
    #[must_use]
    pub fn items(items: usize) -> Self {
        Self { items, requests: 8 }
    }
}

/// Collects pages from `start` (`None` and `Some("")` are the first page) until there are enough, no more, or no time.
///
/// `fetch` gets the cursor and how many items are still wanted. When it fails after the first page because the upstream
/// is slow, busy or out of reach, what has been collected is the answer and `next_cursor` says where to go on.
///
/// # Errors
/// What `fetch` answers otherwise; [`upstream_failed`](CallError::upstream_failed) if a cursor comes again, because such
/// pages have no end.
pub fn collect<T>(
    start: Option<String>,
    bounds: Bounds,
    mut fetch: impl FnMut(Option<&str>, usize) -> Result<Page<T>, CallError>,
) -> Result<Pages<T>, CallError> {
    let mut cursor = start.filter(|start| !start.is_empty());
    let mut seen: HashSet<String> = cursor.clone().into_iter().collect();
    let mut items = Vec::new();
    for request in 0..bounds.requests.max(1) {
        let wanted = bounds.items.saturating_sub(items.len()).max(1);
        let page = match fetch(cursor.as_deref(), wanted) {
            Ok(page) => page,
            Err(error) if request > 0 && is_passing(&error) => break,
            Err(error) => return Err(error),
        };
        items.extend(page.items);
        cursor = page.next.filter(|next| !next.is_empty());
        let Some(next) = &cursor else { break };
        if !seen.insert(next.clone()) {
            return Err(CallError::upstream_failed(
                "the upstream's pages have no end: it gave a cursor that it had given before. Ask for less with a \
                 narrower filter or a smaller `limit`",
            ));
        }
        if items.len() >= bounds.items {
            break;
        }
    }
    Ok(Pages { items, next_cursor: cursor })
}

/// For [`collect`], where pages have a size that the caller's limit knows nothing of: `fetch` gets an upstream's cursor
/// (`None` is the first page) and gives the whole page. What the limit leaves over is not lost: the cursor that the tool
/// gives out says how many items of which page have been given out, such as `20@abc`, and the next call goes on there.
///
/// The place is a count, so it shifts when the upstream's page changes between two calls. Where entries come and go, write
/// a cursor of your own that names the last item.
///
/// ```
/// # use bulkhead_sdk::paging::{self, Bounds, Page};
/// # use bulkhead_sdk::prelude::*;
/// # #[derive(Deserialize)] struct Answer { items: Vec<u8>, next_page: Option<u32> }
/// # fn list(cx: &Context, cursor: Option<String>, limit: usize) -> Result<(), CallError> {
/// let pages = paging::collect(cursor, Bounds::items(limit), paging::fixed_size(|page| {
///     let answer: Answer = cx.get("https://api.example/items").query("page", page.unwrap_or("1")).send()?.json()?;
///     Ok(Page { items: answer.items, next: answer.next_page.map(|next| next.to_string()) })
/// }))?;
/// # Ok(()) }
/// ```
pub fn fixed_size<T>(
    mut fetch: impl FnMut(Option<&str>) -> Result<Page<T>, CallError>,
) -> impl FnMut(Option<&str>, usize) -> Result<Page<T>, CallError> {
    move |cursor, wanted| {
        let (given, page) = cursor.map_or(Ok((0, None)), place)?;
        let Page { mut items, next } = fetch(page)?;
        items.drain(..given.min(items.len()));
        let next = if items.len() > wanted {
            items.truncate(wanted);
            Some(format!("{}@{}", given + wanted, page.unwrap_or_default()))
        } else {
            next.filter(|next| !next.is_empty()).map(|next| format!("0@{next}"))
        };
        Ok(Page { items, next })
    }
}

/// How many items of which page have been given out.
fn place(cursor: &str) -> Result<(usize, Option<&str>), CallError> {
    let place = cursor.split_once('@').and_then(|(given, page)| Some((given.parse().ok()?, page)));
    let (given, page): (usize, _) = place.ok_or_else(|| {
        CallError::invalid_input("the cursor is not one that this tool gave: leave it out for the first page")
    })?;
    Ok((given, Some(page).filter(|page| !page.is_empty())))
}

/// Whether the same request may well succeed later.
fn is_passing(error: &CallError) -> bool {
    matches!(error.code, ErrorCode::UpstreamTimeout | ErrorCode::UpstreamRateLimited | ErrorCode::UpstreamUnreachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An upstream with pages `0`, `1`, … of the sizes given.
    fn fetch(sizes: &'static [usize]) -> impl FnMut(Option<&str>, usize) -> Result<Page<usize>, CallError> {
        move |cursor, _| {
            let page: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let next = (page + 1 < sizes.len()).then(|| (page + 1).to_string());
            Ok(Page { items: vec![page; sizes[page]], next })
        }
    }

    #[test]
    fn empty_pages_are_not_the_end() {
        let pages = collect(None, Bounds::items(10), fetch(&[1, 0, 0, 2])).unwrap();
        assert_eq!(pages, Pages { items: vec![0, 3, 3], next_cursor: None });
    }

    #[test]
    fn enough_is_enough_and_the_next_call_goes_on() {
        let mut wanted = Vec::new();
        let mut upstream = fetch(&[2, 2, 2]);
        let pages = collect(None, Bounds::items(3), |cursor, want| {
            wanted.push(want);
            upstream(cursor, want)
        });
        assert_eq!(pages.unwrap(), Pages { items: vec![0, 0, 1, 1], next_cursor: Some("2".to_owned()) });
        assert_eq!(wanted, [3, 1]);
        let rest = collect(Some("2".to_owned()), Bounds::items(3), fetch(&[2, 2, 2])).unwrap();
        assert_eq!(rest, Pages { items: vec![2, 2], next_cursor: None });
    }

    #[test]
    fn pages_without_end_stop() {
        let mut page = 0;
        let endless = collect(None, Bounds { items: 10, requests: 4 }, |_, _| {
            page += 1;
            Ok(Page { items: Vec::<u8>::new(), next: Some(page.to_string()) })
        });
        assert_eq!(endless.unwrap(), Pages { items: vec![], next_cursor: Some("4".to_owned()) });

        let again = |_: Option<&str>, _| Ok(Page { items: vec![1], next: Some("a".to_owned()) });
        let error = collect(None, Bounds::items(100), again).unwrap_err();
        assert_eq!(error.code, ErrorCode::UpstreamFailed);
        let empty = collect(None, Bounds::items(9), |_, _| Ok(Page { items: vec![1], next: Some(String::new()) }));
        assert_eq!(empty.unwrap().next_cursor, None);
    }

    #[test]
    fn an_empty_cursor_is_the_first_page() {
        let first = collect(Some(String::new()), Bounds::items(9), |cursor, _| {
            assert_eq!(cursor, None);
            Ok(Page { items: vec![1], next: None })
        });
        assert_eq!(first.unwrap().items, [1]);
    }

    /// Pages of three: 0 to 2, 3 to 5, and 6.
    #[expect(clippy::unnecessary_wraps, reason = "as a fetch is")]
    fn threes(page: Option<&str>) -> Result<Page<usize>, CallError> {
        let page: usize = page.map_or(0, |page| page.parse().unwrap());
        Ok(Page { items: (page * 3..7.min(page * 3 + 3)).collect(), next: (page < 2).then(|| (page + 1).to_string()) })
    }

    #[test]
    fn pages_of_a_fixed_size_are_cut_and_nothing_is_lost() {
        for limit in 1..9 {
            let (mut cursor, mut all) = (None, Vec::new());
            loop {
                let pages = collect(cursor, Bounds::items(limit), fixed_size(threes)).unwrap();
                assert!(pages.items.len() == limit || pages.next_cursor.is_none(), "{pages:?}");
                all.extend(pages.items);
                cursor = pages.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(all, [0, 1, 2, 3, 4, 5, 6], "by {limit}");
        }
        let cut = collect(None, Bounds::items(5), fixed_size(threes)).unwrap();
        assert_eq!(cut.next_cursor.as_deref(), Some("2@1"));
        assert_eq!(collect(None, Bounds::items(2), fixed_size(threes)).unwrap().next_cursor.as_deref(), Some("2@"));
    }

    #[test]
    fn a_cursor_beyond_its_page_goes_on_and_a_strange_one_is_refused() {
        let shrunk = collect(Some("9@1".to_owned()), Bounds::items(5), fixed_size(threes)).unwrap();
        assert_eq!(shrunk, Pages { items: vec![6], next_cursor: None });
        for strange in ["x", "1", "-1@2", "@2"] {
            let error = collect(Some(strange.to_owned()), Bounds::items(5), fixed_size(threes)).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidInput, "{strange}");
        }
    }

    #[test]
    fn what_was_collected_survives_a_passing_failure() {
        let mut upstream = fetch(&[2, 2]);
        let mut failing = |error: CallError| {
            collect(None, Bounds::items(9), |cursor, want| match cursor {
                None => upstream(cursor, want),
                Some(_) => Err(error.clone()),
            })
        };
        let pages = failing(CallError::upstream_timeout("slow")).unwrap();
        assert_eq!(pages, Pages { items: vec![0, 0], next_cursor: Some("1".to_owned()) });
        assert_eq!(failing(CallError::upstream_auth("no")).unwrap_err().code, ErrorCode::UpstreamAuth);
        let first = collect(None, Bounds::items(9), |_, _| Err::<Page<u8>, _>(CallError::upstream_timeout("slow")));
        assert_eq!(first.unwrap_err().code, ErrorCode::UpstreamTimeout);
    }
}
