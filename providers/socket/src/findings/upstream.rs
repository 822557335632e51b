//! An alert as Socket's alerts API gives it.

use bulkhead_sdk::prelude::*;

use super::finding::{Finding, Location};
use crate::purl::Package;

/// How many places of a finding are listed.
const LOCATIONS_MAX: usize = 3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    severity: String,
    category: String,
    status: String,
    title: String,
    created_at: Option<String>,
    dashboard_url: Option<String>,
    fix: Option<Fix>,
    vulnerability: Option<Vulnerability>,
    #[serde(default)]
    locations: Vec<Place>,
}

#[derive(Deserialize)]
struct Fix {
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vulnerability {
    cve_id: Option<String>,
    ghsa_ids: Option<Vec<String>>,
    cvss_score: Option<f64>,
    #[serde(default)]
    is_kev: bool,
}

#[derive(Deserialize)]
struct Place {
    action: Option<String>,
    repository: Option<Repository>,
    branch: Option<Branch>,
    dependency: Option<Dependency>,
    artifact: Option<Package>,
}

#[derive(Deserialize)]
struct Repository {
    slug: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    direct: Option<bool>,
    dev: Option<bool>,
    #[serde(default)]
    manifest_files: Vec<ManifestFile>,
}

#[derive(Deserialize)]
struct ManifestFile {
    file: String,
}

impl Alert {
    pub(super) fn finding(self) -> Finding {
        let further = self.locations.len().saturating_sub(LOCATIONS_MAX);
        let vulnerability = self.vulnerability.as_ref();
        Finding {
            severity: Severity::of_word(&self.severity).unwrap_or(Severity::Info),
            vulnerability: vulnerability.and_then(Vulnerability::id),
            cvss_score: vulnerability.and_then(|vulnerability| vulnerability.cvss_score),
            known_exploited: vulnerability.is_some_and(|vulnerability| vulnerability.is_kev),
            fix: self.fix.and_then(|fix| fix.description).filter(|fix| !fix.is_empty()),
            locations: self.locations.into_iter().take(LOCATIONS_MAX).map(Place::location).collect(),
            more_locations: (further > 0).then_some(further),
            key: self.key,
            title: self.title,
            kind: self.kind,
            category: self.category,
            status: self.status,
            created_at: self.created_at,
            url: self.dashboard_url,
        }
    }
}

impl Vulnerability {
    /// The CVE, or else the first GitHub advisory.
    fn id(&self) -> Option<String> {
        let advisory = || self.ghsa_ids.as_ref()?.first().cloned();
        self.cve_id.clone().filter(|id| !id.is_empty()).or_else(advisory)
    }
}

impl Place {
    fn location(self) -> Location {
        let (direct, dev, manifests) =
            self.dependency.map_or((None, None, Vec::new()), |found| (found.direct, found.dev, found.manifest_files));
        Location {
            package: self.artifact.and_then(|package| package.url()),
            repo: self.repository.and_then(|repository| repository.slug),
            branch: self.branch.and_then(|branch| branch.name),
            manifest: manifests.into_iter().next().map(|manifest| manifest.file),
            direct,
            dev,
            action: self.action,
        }
    }
}
