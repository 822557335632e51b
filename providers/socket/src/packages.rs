//! `package.score`.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_sdk::prelude::*;

use crate::artifact::{Artifact, Record, Score, records};
use crate::org::Org;
use crate::refusal::Need;

/// How many alerts of a package are listed.
const ALERTS_MAX: usize = 10;

/// What `package.score` takes.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// Package URLs, such as ["pkg:npm/express@4.19.2", "pkg:pypi/django@5.0.6", "pkg:maven/log4j/log4j@1.2.17"].
    #[schemars(length(min = 1, max = 100), inner(length(max = 500), pattern(r"^pkg:[A-Za-z][A-Za-z0-9.+-]*/.+")))]
    purls: Vec<String>,
}

/// What `package.score` returns.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// In alphabetical order.
    packages: Vec<Package>,
    /// Package URLs that could not be rated, and why; absent if none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

/// One package. Where Socket knows several files of it, the worst of each score.
#[derive(Serialize, JsonSchema)]
struct Package {
    /// The package URL that was asked for.
    purl: String,
    /// From 0 (avoid) to 1 (good); absent while Socket has not looked at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Scores>,
    /// The license as an SPDX expression, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<String>,
    /// How many alerts, by severity.
    counts: SeverityCounts,
    /// The worst first.
    alerts: Vec<PackageAlert>,
    /// True if Socket is still looking at it: ask again in a minute; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pending: bool,
}

/// From 0 (bad) to 1 (good).
#[derive(Clone, Serialize, JsonSchema)]
struct Scores {
    /// All together.
    overall: f64,
    /// Whether it may be trusted.
    supply_chain: f64,
    /// Whether it is known to be vulnerable.
    vulnerability: f64,
    /// Whether it is well made.
    quality: f64,
    /// Whether somebody cares for it.
    maintenance: f64,
    /// Whether its license permits much.
    license: f64,
}

/// One thing that is wrong with a package.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
struct PackageAlert {
    /// How bad it is; "info" where Socket does not say.
    severity: Severity,
    /// Socket's type, such as "criticalCVE", "malware" or "unmaintained".
    #[serde(rename = "type")]
    kind: String,
    /// Such as "vulnerability" or "supplyChainRisk".
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    /// The CVE or GHSA identifier, where it is a known vulnerability.
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerability: Option<String>,
}

/// A package URL without a rating.
#[derive(Serialize, JsonSchema)]
struct Failed {
    /// The package URL that was asked for.
    purl: String,
    /// Why.
    error: String,
}

/// What is known of one package URL so far.
#[derive(Default)]
struct Known {
    scores: Option<Scores>,
    license: Option<String>,
    alerts: BTreeSet<PackageAlert>,
    pending: bool,
}

/// Answers `package.score`.
pub fn score(cx: &Context, input: Input) -> Result<Output, CallError> {
    let components: Vec<_> = input.purls.iter().map(|purl| json!({ "purl": purl })).collect();
    let answer = Org::of(cx)?
        .post("purl", Need { smaller: "ask for fewer packages at once", ..Need::scope("packages:list") })
        .query("alerts", true)
        .query("purlErrors", true)
        .query("poll", false)
        .json(&json!({ "components": components }))
        .retry() // a question, although it is a POST
        .send()?;

    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut failed = Vec::new();
    for record in records(&answer) {
        match record? {
            Record::Artifact(artifact) => {
                let name = artifact.asked.clone().or_else(|| artifact.package.url()).unwrap_or_default();
                known.entry(name).or_default().learn(*artifact);
            }
            Record::Unknown(purl, error) => failed.push(Failed { purl, error }),
        }
    }
    // Silence must not pass for a clean bill.
    let silent: BTreeSet<_> = input.purls.into_iter().filter(|purl| !known.contains_key(purl)).collect();
    let told: BTreeSet<_> = failed.iter().map(|failed| failed.purl.clone()).collect();
    let silence = |purl: &String| Failed { purl: purl.clone(), error: "Socket said nothing about it".to_owned() };
    failed.extend(silent.difference(&told).map(silence));
    Ok(Output { packages: known.into_iter().map(|(purl, known)| known.package(purl)).collect(), failed })
}

impl Known {
    fn learn(&mut self, artifact: Artifact) {
        self.license = self.license.take().or(artifact.license).filter(|license| !license.is_empty());
        if let Some(score) = artifact.score {
            let score = Scores::from(score);
            self.scores = Some(self.scores.take().map_or(score.clone(), |known| known.worst(&score)));
        }
        for alert in artifact.alerts {
            if alert.kind == "pendingScan" {
                self.pending = true;
                continue;
            }
            let vulnerability = alert.vulnerability();
            let severity = alert.severity();
            self.alerts.insert(PackageAlert { severity, kind: alert.kind, category: alert.category, vulnerability });
        }
    }

    fn package(self, purl: String) -> Package {
        let counts = self.alerts.iter().map(|alert| alert.severity).collect();
        let alerts = self.alerts.into_iter().rev().take(ALERTS_MAX).collect(); // the worst is the greatest
        Package { purl, scores: self.scores, license: self.license, counts, alerts, pending: self.pending }
    }
}

impl Scores {
    fn worst(&self, other: &Self) -> Self {
        Self {
            overall: self.overall.min(other.overall),
            supply_chain: self.supply_chain.min(other.supply_chain),
            vulnerability: self.vulnerability.min(other.vulnerability),
            quality: self.quality.min(other.quality),
            maintenance: self.maintenance.min(other.maintenance),
            license: self.license.min(other.license),
        }
    }
}

impl From<Score> for Scores {
    fn from(score: Score) -> Self {
        Self {
            overall: score.overall,
            supply_chain: score.supply_chain,
            vulnerability: score.vulnerability,
            quality: score.quality,
            maintenance: score.maintenance,
            license: score.license,
        }
    }
}
