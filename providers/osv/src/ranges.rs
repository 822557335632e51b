//! Ranges of versions: OSV's events in, readable ranges and the versions that fix it out.

use crate::wire;

/// What the events of one range say.
#[derive(Default)]
pub struct Extent {
    /// Such as `>=4.0.0 <4.17.21`.
    pub vulnerable: Vec<String>,
    /// The versions or commits that fix it.
    pub fixed: Vec<String>,
}

/// Reads a range's events. `last_known` is how GitHub says where a range ends that has no fix, such as `<= 2.3.1`.
pub fn extent(range: &wire::Range, last_known: Option<&str>) -> Extent {
    let mut extent = Extent::default();
    let mut open: Option<&str> = None;
    for event in in_order(&range.events) {
        if let Some(introduced) = event.introduced.as_deref()
            && let Some(before) = open.replace(introduced)
        {
            extent.vulnerable.push(between(before, None));
        }
        let end = if let Some(fixed) = &event.fixed {
            extent.fixed.push(fixed.clone());
            format!("<{fixed}")
        } else if let Some(last) = &event.last_affected {
            format!("<={last}")
        } else if let Some(limit) = event.limit.as_deref().filter(|limit| *limit != "*") {
            format!("<{limit}")
        } else {
            continue;
        };
        if let Some(introduced) = open.take() {
            extent.vulnerable.push(between(introduced, Some(&end)));
        }
    }
    if let Some(introduced) = open {
        let end = last_known.map(|end| end.replace(' ', ""));
        extent.vulnerable.push(between(introduced, end.as_deref()));
    }
    extent
}

/// The events as they stand, but where there is one beginning, it comes first: databases do not always sort them.
fn in_order(events: &[wire::Event]) -> Vec<&wire::Event> {
    let mut ordered: Vec<&wire::Event> = events.iter().collect();
    if ordered.iter().filter(|event| event.introduced.is_some()).count() == 1 {
        ordered.sort_by_key(|event| event.introduced.is_none());
    }
    ordered
}

/// A range in words. "0" is before every version, and so is RustSec's "0.0.0-0".
fn between(introduced: &str, end: Option<&str>) -> String {
    match (introduced, end) {
        ("0" | "0.0.0-0", None) => "all versions".to_owned(),
        ("0" | "0.0.0-0", Some(end)) => end.to_owned(),
        (introduced, None) => format!(">={introduced}"),
        (introduced, Some(end)) => format!(">={introduced} {end}"),
    }
}
