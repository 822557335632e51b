//! How bad an advisory is, on the one scale, whichever of OSV's ways its database says it in.

use bulkhead_sdk::prelude::*;

use crate::wire::{Rating, Vulnerability};

/// The severity: the database's own word, or else the newest CVSS vector that can be rated, or else what is said of the
/// affected packages, the worst of them. Malicious packages carry none and are critical.
pub fn severity(vulnerability: &Vulnerability) -> Option<Severity> {
    let word = |text: &Option<String>| text.as_deref().and_then(Severity::of_word);
    word(&vulnerability.database_specific.severity)
        .or_else(|| newest(&vulnerability.severity))
        .or_else(|| {
            let of_package = vulnerability.affected.iter().filter_map(|affected| {
                newest(&affected.severity)
                    .or_else(|| word(&affected.ecosystem_specific.severity))
                    .or_else(|| word(&affected.database_specific.severity))
            });
            of_package.max()
        })
        .or_else(|| vulnerability.id.starts_with("MAL-").then_some(Severity::Critical))
}

/// The newest CVSS vector, such as `CVSS:3.1/AV:N/AC:L/…`.
pub fn vector(vulnerability: &Vulnerability) -> Option<&str> {
    let of_packages = vulnerability.affected.iter().flat_map(|affected| &affected.severity);
    let all = vulnerability.severity.iter().chain(of_packages);
    all.map(|rating| rating.score.as_str()).filter(|score| score.contains("AV:")).max_by_key(|score| version(score))
}

/// The newest of what can be rated: databases write vectors, scores and words.
fn newest(ratings: &[Rating]) -> Option<Severity> {
    let rated = ratings.iter().filter_map(|rating| Some((version(&rating.score), Severity::of(&rating.score)?)));
    rated.max_by_key(|(version, _)| *version).map(|(_, severity)| severity)
}

/// `3.1` of `CVSS:3.1/…`; vectors of CVSS 2, scores and words have none and sort below.
fn version(score: &str) -> Option<&str> {
    score.strip_prefix("CVSS:")?.split('/').next()
}
