//! What a query is about: a package by its purl, a package by its name, or a commit.

use bulkhead_sdk::http::percent_decode;
use bulkhead_sdk::prelude::*;

use crate::wire;

/// One query, in exactly one of three forms.
#[derive(Deserialize, JsonSchema)]
pub struct Query {
    /// A package URL with its version, such as "pkg:npm/lodash@4.17.20" or "pkg:pypi/jinja2@2.4.1". Without "@version" it
    /// asks for what concerns any version. Stands alone.
    purl: Option<String>,
    /// A package's name as its ecosystem writes it, such as "lodash", "@angular/core" or
    /// "org.apache.logging.log4j:log4j-core". Needs `ecosystem` and `version`.
    package: Option<String>,
    /// The ecosystem of `package` in OSV's spelling, such as "npm", "PyPI", "crates.io", "Go", "Maven", "NuGet",
    /// "RubyGems", "Packagist" or "Debian:12".
    ecosystem: Option<String>,
    /// The version of `package`, such as "4.17.20".
    version: Option<String>,
    /// A full commit hash of 40 hexadecimal digits, such as "6879efc2c1596d11a6a6ad296f80063b558d5e0f". Stands alone.
    commit: Option<String>,
    /// The `next_cursor` of the same query's last answer, unchanged. Leave it out to begin.
    pub cursor: Option<String>,
}

/// What a query is about.
pub enum Subject {
    Purl(String),
    Package { name: String, ecosystem: String, version: String },
    Commit(String),
}

/// A query as OSV.dev takes it.
#[derive(Serialize)]
pub struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<QuestionPackage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<&'a str>,
}

/// A package by its purl or by its name and ecosystem; OSV refuses both together.
#[derive(Serialize)]
#[serde(untagged)]
enum QuestionPackage<'a> {
    Purl { purl: &'a str },
    Named { name: &'a str, ecosystem: &'a str },
}

impl Query {
    /// What the query is about.
    ///
    /// # Errors
    ///
    /// `invalid-input` unless it has exactly one form.
    pub fn subject(&self) -> Result<Subject, CallError> {
        let forms = "give exactly one of `purl`; `package` with `ecosystem` and `version`; or `commit`";
        match [&self.purl, &self.package, &self.ecosystem, &self.version, &self.commit]
            .map(|field| given(field.as_deref()))
        {
            [Some(purl), None, None, None, None] => purl_subject(purl),
            [Some(purl), None, None, Some(version), None] => Err(CallError::invalid_input(format!(
                "`version` does not go with `purl`: write it into the purl, such as {}@{version}",
                without_version(purl)
            ))),
            [None, Some(name), Some(ecosystem), Some(version), None] => Ok(Subject::Package {
                name: name.to_owned(),
                ecosystem: ecosystem.to_owned(),
                version: version.to_owned(),
            }),
            [None, Some(name), ecosystem, version, None] => {
                let missing = match (ecosystem, version) {
                    (None, None) => "`ecosystem` and `version` are missing",
                    (None, Some(_)) => "`ecosystem` is missing",
                    _ => "`version` is missing; to ask for every version, give a `purl` without one",
                };
                Err(CallError::invalid_input(format!("`package` \"{name}\" alone is not enough: {missing}")))
            }
            [None, None, None, None, Some(commit)] => commit_subject(commit),
            [None, None, None, None, None] => {
                Err(CallError::invalid_input(format!("there is nothing to ask for: {forms}")))
            }
            _ => Err(CallError::invalid_input(format!("these fields do not go together: {forms}"))),
        }
    }
}

/// A field that was filled in; models leave out what they do not need, or leave it empty.
fn given(field: Option<&str>) -> Option<&str> {
    field.map(str::trim).filter(|text| !text.is_empty())
}

fn purl_subject(purl: &str) -> Result<Subject, CallError> {
    if !purl.starts_with("pkg:") {
        return Err(CallError::invalid_input(format!(
            "`purl` \"{purl}\" is not a package URL: it begins with `pkg:`, such as pkg:npm/lodash@4.17.20"
        )));
    }
    Ok(Subject::Purl(purl.to_owned()))
}

fn commit_subject(commit: &str) -> Result<Subject, CallError> {
    if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(CallError::invalid_input(format!(
            "`commit` \"{commit}\" is not a full hash of 40 hexadecimal digits: `git rev-parse` gives it"
        )));
    }
    Ok(Subject::Commit(commit.to_ascii_lowercase()))
}

/// A purl without version, qualifiers and subpath.
fn without_version(purl: &str) -> &str {
    let purl = purl.split(['?', '#']).next().unwrap_or(purl);
    let name = purl.rfind('/').map_or(0, |slash| slash + 1);
    // An `@` that begins the last part is an npm scope without a name, not a version.
    purl.get(name..).and_then(|last| last.rfind('@')).filter(|&at| at > 0).map_or(purl, |at| &purl[..name + at])
}

impl Subject {
    /// The question to OSV.dev, for a page.
    pub fn question<'a>(&'a self, page_token: Option<&'a str>) -> Question<'a> {
        let nothing = Question { package: None, version: None, commit: None, page_token };
        match self {
            Self::Purl(purl) => Question { package: Some(QuestionPackage::Purl { purl }), ..nothing },
            Self::Package { name, ecosystem, version } => Question {
                package: Some(QuestionPackage::Named { name, ecosystem }),
                version: Some(version),
                ..nothing
            },
            Self::Commit(commit) => Question { commit: Some(commit), ..nothing },
        }
    }

    /// The subject in one line, such as `npm lodash 4.17.20`.
    pub fn label(&self) -> String {
        match self {
            Self::Purl(text) | Self::Commit(text) => text.clone(),
            Self::Package { name, ecosystem, version } => format!("{ecosystem} {name} {version}"),
        }
    }

    /// Whether an affected package is the one that was asked for.
    pub fn is(&self, package: &wire::Package) -> bool {
        match self {
            Self::Purl(asked) => package.purl.as_deref().is_some_and(|purl| same_package(asked, purl)),
            Self::Package { name, ecosystem, .. } => {
                package.name == *name
                    && package
                        .ecosystem
                        .strip_prefix(ecosystem.as_str())
                        .is_some_and(|release| release.is_empty() || release.starts_with(':'))
            }
            Self::Commit(_) => false,
        }
    }
}

/// Whether two purls name the same package, whatever their versions and however they escape it.
fn same_package(one: &str, other: &str) -> bool {
    let plain = |purl| percent_decode(without_version(purl));
    plain(one).is_some_and(|one| plain(other) == Some(one))
}
