//! A finding as the tool gives it.

use bulkhead_sdk::prelude::*;

/// One finding.
#[derive(Serialize, JsonSchema)]
pub(super) struct Finding {
    /// Identifies it; findings.annotate takes it as `alert_key`.
    pub(super) key: String,
    /// How bad it is.
    pub(super) severity: Severity,
    /// In words.
    pub(super) title: String,
    /// Socket's type, such as "criticalCVE", "malware" or "unmaintained".
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Such as "vulnerability" or "supplyChainRisk".
    pub(super) category: String,
    /// "open" or "cleared".
    pub(super) status: String,
    /// The CVE or GHSA identifier, where it is a known vulnerability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vulnerability: Option<String>,
    /// From 0 to 10, where it is a known vulnerability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cvss_score: Option<f64>,
    /// True if it is known to be exploited (CISA KEV); absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) known_exploited: bool,
    /// How to mend it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
    /// The first places where the package is used.
    pub(super) locations: Vec<Location>,
    /// How many further places there are; absent if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) more_locations: Option<usize>,
    /// When Socket first saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<String>,
    /// Its page in Socket's dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
}

/// Where a package is used.
#[derive(Serialize, JsonSchema)]
pub(super) struct Location {
    /// The package as a package URL, such as "pkg:npm/lodash@4.17.20"; package.score takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<String>,
    /// The repository's slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repo: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) branch: Option<String>,
    /// The first file that names the package, such as "package-lock.json".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manifest: Option<String>,
    /// False if another dependency brings it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) direct: Option<bool>,
    /// True if it is used for development only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dev: Option<bool>,
    /// What the organization's policy makes of it: "error", "warn", "monitor" or "ignore".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<String>,
}
