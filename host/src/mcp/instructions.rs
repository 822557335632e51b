//! What a client is told of the hub when it connects, for its model to read.

use super::wording::Wording;
use crate::{call::Offers, names::WireForm, text::one_line};

const OF_THE_HUB: &str = "Ops tools behind one gateway. Every call is authorized by your role, rate limited and recorded. \
    A tool that is missing from the list needs a higher role, or its provider is down. Errors say what to do next, and when.";
/// How much of what a provider says of itself is passed on, in characters.
const SUMMARY_MAX: usize = 200;
/// The most providers that are named.
const PROVIDERS_MAX: usize = 32;

/// The hub's own words, and one line for each provider of which the caller may use something.
pub(super) fn of(offers: &Offers, form: WireForm) -> String {
    let lines: Vec<_> = offers
        .providers()
        .iter()
        .filter(|revision| offers.has_anything_of(revision))
        .map(|revision| {
            let summary = revision.offer.summary.split_whitespace().collect::<Vec<_>>().join(" ");
            let summary = one_line(&Wording::of(revision, form).text(&summary), SUMMARY_MAX);
            format!("\n- {}: {summary}", revision.name)
        })
        .collect();
    let mut told = OF_THE_HUB.to_owned();
    if lines.is_empty() {
        return told;
    }
    told.push_str("\n\nThe providers behind it, in their own words:");
    told.extend(lines.iter().take(PROVIDERS_MAX).map(String::as_str));
    if let Some(more) = lines.len().checked_sub(PROVIDERS_MAX).filter(|more| *more > 0) {
        told.push_str("\n- and ");
        told.push_str(&more.to_string());
        told.push_str(" more");
    }
    told
}

/// What is told before it is known who asks.
pub(super) fn of_the_hub() -> &'static str {
    OF_THE_HUB
}
