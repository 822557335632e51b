//! An advisory as the tools return it: short enough for a model to read many, complete enough to act on.

use bulkhead_sdk::prelude::*;

use crate::ranges::extent;
use crate::rating;
use crate::wire;

/// Versions that stand one by one, at most so many per package.
const MAX_VERSIONS: usize = 20;
/// Characters of a summary that is taken from the details.
const MAX_SUMMARY: usize = 200;
/// Characters of the details.
const MAX_DETAILS: usize = 4000;

/// One advisory.
#[derive(Serialize, JsonSchema)]
pub struct Advisory {
    /// OSV's id, such as "GHSA-35jh-r3h4-6jhm"; vuln.get takes it.
    pub id: String,
    /// The same vulnerability's ids elsewhere, such as "CVE-2021-23337".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it is, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// How bad it is; not there if nobody rated it. Malicious packages count as critical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The newest CVSS vector, from vuln.get only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvss: Option<String>,
    /// When it was published, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// When it last changed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// When it was withdrawn, RFC 3339: since then it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// What is affected. vulns.query gives the package that was asked for, where the advisory names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<Affected>,
    /// How many more packages are affected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_affected: Option<usize>,
    /// Where to read on, the most useful first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The whole story in Markdown, from vuln.get only; cut where it is very long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// One affected package or repository.
#[derive(Serialize, JsonSchema, PartialEq)]
pub struct Affected {
    /// The package's name, such as "lodash".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Its ecosystem, such as "npm".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// The vulnerable versions: ranges such as ">=4.0.0 <4.17.21", or single versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vulnerable: Vec<String>,
    /// The versions that fix it, such as "4.17.21"; upgrade to the next above yours. None means that no fix is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// The repository that `fixed_commits` are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The commits that fix it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed_commits: Vec<String>,
}

/// A link.
#[derive(Serialize, JsonSchema)]
pub struct Reference {
    /// What it leads to, such as "fix", "advisory", "report" or "web".
    pub kind: String,
    /// The address.
    pub url: String,
}

/// How much of an advisory to return.
pub struct Scope<'a> {
    /// Which packages to keep; all if none fits.
    pub wanted: &'a dyn Fn(&wire::Package) -> bool,
    /// At most so many affected packages.
    pub affected: usize,
    /// At most so many links.
    pub references: usize,
    /// Whether the details and the CVSS vector belong to it.
    pub details: bool,
}

impl Advisory {
    /// Condenses an advisory of OSV's.
    pub fn new(from: wire::Vulnerability, scope: &Scope) -> Self {
        let mut affected = affected(&from.affected, scope.wanted);
        let more = affected.len().saturating_sub(scope.affected);
        affected.truncate(scope.affected);
        let severity = rating::severity(&from);
        let cvss = rating::vector(&from).filter(|_| scope.details).map(str::to_owned);
        let details = from.details.filter(|text| !text.trim().is_empty());
        let summary = from.summary.filter(|text| !text.trim().is_empty());
        Self {
            summary: summary.or_else(|| details.as_deref().and_then(first_line).map(|line| cut(line, MAX_SUMMARY))),
            details: details.filter(|_| scope.details).map(|text| cut(&text, MAX_DETAILS)),
            references: references(from.references, scope.references),
            more_affected: (more > 0).then_some(more),
            id: from.id,
            aliases: from.aliases,
            published: from.published,
            modified: from.modified,
            withdrawn: from.withdrawn,
            severity,
            cvss,
            affected,
        }
    }
}

fn affected(all: &[wire::Affected], wanted: &dyn Fn(&wire::Package) -> bool) -> Vec<Affected> {
    let fits = |one: &&wire::Affected| one.package.as_ref().is_some_and(wanted);
    let mut kept: Vec<&wire::Affected> = all.iter().filter(fits).collect();
    if kept.is_empty() {
        kept = all.iter().collect();
    }
    let mut merged: Vec<Affected> = Vec::new();
    for one in kept.into_iter().map(condense) {
        // Databases write one entry per range; a reader wants one per package.
        let same = |other: &&mut Affected| {
            (&other.package, &other.ecosystem, &other.repo) == (&one.package, &one.ecosystem, &one.repo)
        };
        match merged.iter_mut().find(same) {
            Some(other) => {
                add(&mut other.vulnerable, one.vulnerable);
                add(&mut other.fixed, one.fixed);
                add(&mut other.fixed_commits, one.fixed_commits);
            }
            None => merged.push(one),
        }
    }
    merged
}

fn condense(from: &wire::Affected) -> Affected {
    let name = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut affected = Affected {
        package: from.package.as_ref().and_then(|package| name(&package.name)),
        ecosystem: from.package.as_ref().and_then(|package| name(&package.ecosystem)),
        vulnerable: Vec::new(),
        fixed: Vec::new(),
        repo: None,
        fixed_commits: Vec::new(),
    };
    for range in &from.ranges {
        let extent = extent(range, from.database_specific.last_known_affected_version_range.as_deref());
        if range.kind == "GIT" {
            affected.repo = affected.repo.or_else(|| range.repo.clone());
            add(&mut affected.fixed_commits, extent.fixed);
        } else {
            add(&mut affected.vulnerable, extent.vulnerable);
            add(&mut affected.fixed, extent.fixed);
        }
    }
    if affected.vulnerable.is_empty() {
        affected.vulnerable = from.versions.iter().take(MAX_VERSIONS).cloned().collect();
        if from.versions.len() > MAX_VERSIONS {
            affected.vulnerable.push(format!("and {} more", from.versions.len() - MAX_VERSIONS));
        }
    }
    affected
}

fn add(to: &mut Vec<String>, more: Vec<String>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}

fn references(all: Vec<wire::Reference>, at_most: usize) -> Vec<Reference> {
    let mut kept: Vec<Reference> = all
        .into_iter()
        .filter(|one| one.kind != "PACKAGE" && !one.url.is_empty())
        .map(|one| Reference { kind: one.kind.to_lowercase(), url: one.url })
        .collect();
    kept.sort_by_key(|one| match one.kind.as_str() {
        "fix" => 0,
        "advisory" => 1,
        "report" => 2,
        "evidence" => 3,
        "article" => 4,
        "discussion" | "introduced" | "detection" | "git" => 5,
        _ => 6,
    });
    kept.truncate(at_most);
    kept
}

/// The first line that is no heading.
fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

fn cut(text: &str, at_most: usize) -> String {
    match text.char_indices().nth(at_most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}
