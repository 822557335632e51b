//! "Did you mean": names that somebody may have meant, among those that the caller may use.

use super::{Hub, Offers};
use crate::{
    identity::Caller,
    names::{ItemKind, ProviderName},
    registry::Revision,
};

/// Longer names are nobody's slip, in bytes: the longest there is has 129, and clients put some in front.
const ASKED_MAX: usize = 200;
/// How many names are compared letter by letter: about a millisecond.
const COMPARED_MAX: usize = 256;
/// How many names are told.
const TOLD_MAX: usize = 3;

impl Hub {
    /// Tools or prompts whose names are near `asked`, a name in any form: of what there is for the caller.
    #[must_use]
    pub fn near(&self, caller: &Caller, kind: ItemKind, asked: &str) -> Vec<(ProviderName, String)> {
        if asked.len() > ASKED_MAX {
            return Vec::new();
        }
        let offers = self.offers(caller);
        let mut search = Search::of(asked);
        for revision in offers.providers() {
            for item in usable(&offers, revision, kind) {
                search.look(&format!("{}.{item}", revision.name), Some(item), || {
                    (revision.name.clone(), item.to_owned())
                });
            }
        }
        search.found
    }

    /// Providers whose names are near `asked`.
    #[must_use]
    pub fn near_provider(&self, caller: &Caller, asked: &str) -> Vec<ProviderName> {
        if caller.tool_role().is_none() || asked.len() > ASKED_MAX {
            return Vec::new();
        }
        let snapshot = self.registry().snapshot();
        let mut search = Search::of(asked);
        for revision in snapshot.ready() {
            search.look(revision.name.as_str(), None, || revision.name.clone());
        }
        search.found
    }
}

fn usable<'a>(offers: &Offers, revision: &'a Revision, kind: ItemKind) -> Box<dyn Iterator<Item = &'a str> + 'a> {
    match kind {
        ItemKind::Tool => Box::new(offers.callable(revision).map(|tool| tool.name.as_str())),
        // Nobody writes URIs by hand.
        ItemKind::Resource => Box::new(std::iter::empty()),
        ItemKind::Prompt => Box::new(revision.offer.prompts.iter().map(|prompt| prompt.name.as_str())),
    }
}

/// "`a`", "`a` or `b`": the end of a sentence, or nothing.
#[must_use]
pub fn did_you_mean(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(": did you mean {}?", names.join(" or ")) }
}

/// The nearest names so far, all equally near.
struct Search<T> {
    asked: String,
    asked_words: Vec<String>,
    compared: usize,
    nearest: usize,
    found: Vec<T>,
}

impl<T> Search<T> {
    fn of(asked: &str) -> Self {
        let asked = plain(asked);
        // A slip is small, measured by the name: one letter in five, four at most.
        let slip = (asked.chars().count() / 5).clamp(1, 4);
        Self { asked_words: words(&asked), asked, compared: 0, nearest: slip, found: Vec::new() }
    }

    fn look(&mut self, name: &str, item: Option<&str>, found: impl FnOnce() -> T) {
        let Some(distance) = self.distance(&plain(name), item.map(plain).as_deref()) else { return };
        if distance < self.nearest {
            self.nearest = distance;
            self.found.clear();
        }
        if distance == self.nearest && self.found.len() < TOLD_MAX {
            self.found.push(found());
        }
    }

    /// How far a name is from what was asked for, if it is near.
    fn distance(&mut self, name: &str, item: Option<&str>) -> Option<usize> {
        let ends_with =
            |end: &str| self.asked.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        // The whole name, perhaps behind what a client has put in front of it; the item without its provider.
        if ends_with(name) || item.is_some_and(|item| self.asked == item) {
            return Some(0);
        }
        // Another provider's, or the right words in another order.
        if item.is_some_and(ends_with) || words(name) == self.asked_words {
            return Some(1);
        }
        let letters = |candidate: &str, compared: &mut usize| {
            let apart = candidate.len().abs_diff(self.asked.len());
            (apart <= self.nearest && *compared < COMPARED_MAX).then(|| {
                *compared += 1;
                strsim::osa_distance(candidate, &self.asked)
            })
        };
        let mut compared = self.compared;
        let whole = letters(name, &mut compared);
        let alone = item.and_then(|item| letters(item, &mut compared));
        self.compared = compared;
        whole.into_iter().chain(alone).min().filter(|distance| *distance <= self.nearest)
    }
}

/// A name in lower case, with one dot wherever some form of it has separators.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(".").to_lowercase()
}

fn words(plain: &str) -> Vec<String> {
    let mut words: Vec<_> = plain.split('.').map(str::to_owned).collect();
    words.sort();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [(&str, &str); 5] = [
        ("hello-rs", "echo.v1"),
        ("hello-rs", "sum.v1"),
        ("netdata", "contexts.list"),
        ("netdata", "alerts.list"),
        ("sentry", "issues.list"),
    ];

    fn near(asked: &str) -> Vec<String> {
        let mut search = Search::of(asked);
        for (provider, item) in NAMES {
            let name = format!("{provider}.{item}");
            search.look(&name, Some(item), || name.clone());
        }
        search.found
    }

    #[test]
    fn slips_other_forms_and_missing_parts_are_understood() {
        for (asked, meant) in [
            ("hello-rs.ehco.v1", "hello-rs.echo.v1"),
            ("hello_rs_echo_v1", "hello-rs.echo.v1"),
            ("mcp__bulkhead__hello-rs__echo_v1", "hello-rs.echo.v1"),
            ("echo.v1", "hello-rs.echo.v1"),
            ("ECHO.V1", "hello-rs.echo.v1"),
            ("hello-rs.sum.v2", "hello-rs.sum.v1"),
            ("netdata.context.list", "netdata.contexts.list"),
            ("netdata.list_contexts", "netdata.contexts.list"),
            ("netdta.contexts.list", "netdata.contexts.list"),
            ("other.contexts.list", "netdata.contexts.list"),
            ("sentry.isues.lst", "sentry.issues.list"),
        ] {
            assert_eq!(near(asked), [meant], "{asked}");
        }
    }

    #[test]
    fn what_is_far_from_everything_has_no_suggestion() {
        for asked in ["", ".", "hello-rs.", "nobody", "nobody.at.all", "delete.everything", "äöü", "hello-rs.none"] {
            assert_eq!(near(asked), Vec::<String>::new(), "{asked}");
        }
    }

    #[test]
    fn equally_near_names_are_told_together_and_few() {
        let mut search = Search::of("lists");
        for number in 0..1000 {
            search.look(&format!("p{number}.list"), Some("list"), || number);
        }
        assert_eq!(search.found, [0, 1, 2]);
        assert!(search.compared <= COMPARED_MAX + 1);
        assert_eq!(did_you_mean(&["a".into(), "b".into()]), ": did you mean `a` or `b`?");
        assert_eq!(did_you_mean(&[]), "");
    }
}
