//! A scan's NDJSON, made into findings and counts.

use bulkhead_sdk::prelude::*;

use crate::artifact::{Alert, Artifact, Record, records};

/// How many findings are held beyond those that will be returned, before the rest is dropped. A scan may have tens of
/// thousands, and a provider little memory.
const SLACK: usize = 1000;
/// How many manifest files of a finding are named.
const MANIFESTS_MAX: usize = 3;

/// One finding of a scan.
#[derive(Serialize, JsonSchema)]
pub struct Finding {
    /// Identifies it across scans; findings.annotate takes it as `alert_key`.
    key: String,
    /// How bad it is; "info" where Socket does not say.
    severity: Severity,
    /// Socket's type, such as "criticalCVE", "malware" or "unmaintained".
    #[serde(rename = "type")]
    kind: String,
    /// Such as "vulnerability" or "supplyChainRisk".
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    /// The package as a package URL, such as "pkg:npm/lodash@4.17.20".
    package: String,
    /// The CVE or GHSA identifier, where it is a known vulnerability.
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerability: Option<String>,
    /// How to mend it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// False if another dependency brings it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    direct: Option<bool>,
    /// True if it is used for development only.
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<bool>,
    /// The first files that name the package, such as "package-lock.json".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    manifests: Vec<String>,
}

impl Finding {
    /// The worst first; then in an order that is the same in every call, because pages depend on it.
    fn rank(&self) -> impl Ord + '_ {
        (std::cmp::Reverse(self.severity), &self.package, &self.kind, &self.key)
    }
}

/// What a scan found, or a part of it.
pub struct Findings {
    /// The page that was asked for.
    pub page: Vec<Finding>,
    /// Whether more follow.
    pub more: bool,
    /// How many in all, by severity.
    pub counts: SeverityCounts,
    /// How many more the organization ignores.
    pub ignored: u32,
    /// How many packages were looked at.
    pub packages: u32,
}

/// Reads a scan's answer and keeps the findings from `offset` on, at most `limit`.
pub fn read(response: &Response, offset: usize, limit: usize) -> Result<Findings, CallError> {
    let keep = offset.saturating_add(limit);
    let mut findings = Vec::new();
    let (mut counts, mut ignored, mut packages) = (SeverityCounts::default(), 0, 0);
    for record in records(response) {
        let Record::Artifact(artifact) = record? else { continue };
        packages += 1;
        for alert in &artifact.alerts {
            if alert.is_ignored() {
                ignored += 1;
                continue;
            }
            counts.add(alert.severity());
            findings.push(finding(&artifact, alert));
        }
        if findings.len() > keep.saturating_add(SLACK) {
            shorten(&mut findings, keep);
        }
    }
    shorten(&mut findings, keep);
    let total = usize::try_from(counts.total()).unwrap_or(usize::MAX);
    let page = findings.split_off(offset.min(findings.len()));
    Ok(Findings { page, more: total > keep, counts, ignored, packages })
}

fn shorten(findings: &mut Vec<Finding>, keep: usize) {
    findings.sort_by(|a, b| a.rank().cmp(&b.rank()));
    findings.truncate(keep);
}

fn finding(artifact: &Artifact, alert: &Alert) -> Finding {
    Finding {
        key: alert.key.clone(),
        severity: alert.severity(),
        kind: alert.kind.clone(),
        category: alert.category.clone(),
        package: artifact.package.url().unwrap_or_default(),
        vulnerability: alert.vulnerability(),
        fix: alert.fix.as_ref().and_then(|fix| fix.description.clone()).filter(|fix| !fix.is_empty()),
        direct: artifact.direct,
        dev: artifact.dev,
        manifests: artifact.manifests.iter().take(MANIFESTS_MAX).map(|manifest| manifest.file.clone()).collect(),
    }
}
