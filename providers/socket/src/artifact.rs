//! A line of Socket's NDJSON answers: a package with its alerts, or a remark.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;

use crate::purl::Package;

/// What a line may hold. One struct, since a line that is no package differs by its `_type` only.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "_type")]
    remark: Option<String>,
    value: Option<Value>,
    #[serde(rename = "type")]
    ecosystem: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    version: Option<String>,
    input_purl: Option<String>,
    direct: Option<bool>,
    dev: Option<bool>,
    #[serde(default)]
    manifest_files: Vec<ManifestFile>,
    #[serde(default)]
    alerts: Vec<Alert>,
    score: Option<Score>,
    license: Option<String>,
}

/// A package that was scanned or asked for.
pub struct Artifact {
    /// Its name.
    pub package: Package,
    /// The package URL that was asked for.
    pub asked: Option<String>,
    /// Whether the repository names it itself.
    pub direct: Option<bool>,
    /// Whether it is used for development only.
    pub dev: Option<bool>,
    /// Where it is named.
    pub manifests: Vec<ManifestFile>,
    /// What is wrong with it.
    pub alerts: Vec<Alert>,
    /// How good it is.
    pub score: Option<Score>,
    /// An SPDX expression.
    pub license: Option<String>,
}

/// A file that names a package.
#[derive(Deserialize)]
pub struct ManifestFile {
    /// Its path in the repository.
    pub file: String,
}

/// One thing that is wrong with a package.
#[derive(Deserialize)]
pub struct Alert {
    /// Identifies it across scans.
    pub key: String,
    /// Such as `criticalCVE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Says `middle` where the alerts API says `medium`.
    severity: Option<String>,
    /// Such as `vulnerability`.
    pub category: Option<String>,
    /// What the organization's policy makes of it.
    pub action: Option<String>,
    /// How to mend it.
    pub fix: Option<Fix>,
    /// What depends on the type.
    pub props: Option<Value>,
}

/// How to mend something.
#[derive(Deserialize)]
pub struct Fix {
    /// In words.
    pub description: Option<String>,
}

/// From 0 (bad) to 1 (good).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// All together.
    pub overall: f64,
    /// Whether it may be trusted.
    pub supply_chain: f64,
    /// Whether it is known to be vulnerable.
    pub vulnerability: f64,
    /// Whether it is well made.
    pub quality: f64,
    /// Whether somebody cares for it.
    pub maintenance: f64,
    /// Whether it may be used.
    pub license: f64,
}

impl Alert {
    /// On the common scale; a missing or unknown word is `info`, so that nothing is left out.
    pub fn severity(&self) -> Severity {
        self.severity.as_deref().and_then(Severity::of_word).unwrap_or(Severity::Info)
    }

    /// Whether the organization has decided not to hear of it.
    pub fn is_ignored(&self) -> bool {
        self.action.as_deref() == Some("ignore")
    }

    /// The CVE, or else the GitHub advisory.
    pub fn vulnerability(&self) -> Option<String> {
        let props = self.props.as_ref()?;
        let text = |name: &str| props.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
        text("cveId").or_else(|| text("ghsaId")).map(str::to_owned)
    }
}

/// A package, or a package URL that could not be looked up.
pub enum Record {
    /// A package.
    Artifact(Box<Artifact>),
    /// The package URL and what is wrong with it.
    Unknown(String, String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PurlError {
    error: String,
    input_purl: String,
}

/// Reads the answer line by line. Remarks that are of no interest here, such as `summary`, are left out.
pub fn records(response: &Response) -> impl Iterator<Item = Result<Record, CallError>> {
    response.ndjson::<Line>().filter_map(|line| line.and_then(record).transpose())
}

fn record(line: Line) -> Result<Option<Record>, CallError> {
    let nonsense = |what: &str| CallError::upstream_failed(format!("Socket answered {what}: try again later"));
    match (line.remark.as_deref(), &line.ecosystem) {
        (Some("purlError"), _) => {
            let PurlError { error, input_purl } = bulkhead_sdk::serde_json::from_value(line.value.unwrap_or_default())
                .map_err(|why| nonsense(&format!("a `purlError` that is none ({why})")))?;
            Ok(Some(Record::Unknown(input_purl, error)))
        }
        (Some(_), _) => Ok(None),
        (None, None) => Err(nonsense("a line that is neither a package nor a remark")),
        (None, Some(_)) => Ok(Some(Record::Artifact(Box::new(Artifact {
            package: Package::new(line.ecosystem, line.namespace, line.name, line.version),
            asked: line.input_purl,
            direct: line.direct,
            dev: line.dev,
            manifests: line.manifest_files,
            alerts: line.alerts,
            score: line.score,
            license: line.license,
        })))),
    }
}
