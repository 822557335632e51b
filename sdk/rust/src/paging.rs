//! Following an upstream's pages, as far as a call wants and its deadline allows.

use std::collections::HashSet;

use crate::contract::ErrorCode;
use crate::error::CallError;

/// One page as the upstream gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; may be nothing although more follows.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last. Cursors are opaque, and an empty one is none.
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
    /// Stop when there are so many items. A page is never cut, because its rest could not be asked for: `fetch` asks the
    /// upstream for no more than it is told.
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

/// Collects pages from `start` (`None` is the first page) until there are enough, no more, or no time.
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
    let mut seen: HashSet<String> = start.clone().into_iter().collect();
    let mut cursor = start;
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
