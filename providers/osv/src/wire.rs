//! What OSV.dev answers, as far as the tools need it: the OSV format and the lists around it.
//!
//! Databases fill the format in differently, so whatever may be missing is optional, and free-form objects are read for
//! the few fields that matter.

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::Value;
use serde::Deserializer;

/// The answer to `POST /v1/query`; `{}` when nothing is known.
#[derive(Deserialize)]
pub struct Found {
    #[serde(default)]
    pub vulns: Vec<Vulnerability>,
    pub next_page_token: Option<String>,
}

/// The answer to `POST /v1/querybatch`: one result per query, in the same order.
#[derive(Deserialize)]
pub struct Batch {
    #[serde(default)]
    pub results: Vec<BatchResult>,
}

/// What is known of one query of a batch; `{}` when nothing is.
#[derive(Deserialize)]
pub struct BatchResult {
    #[serde(default)]
    pub vulns: Vec<BatchVulnerability>,
    pub next_page_token: Option<String>,
}

/// An advisory as a batch names it.
#[derive(Deserialize)]
pub struct BatchVulnerability {
    pub id: String,
    pub modified: Option<String>,
}

/// One advisory.
#[derive(Deserialize)]
pub struct Vulnerability {
    pub id: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub summary: Option<String>,
    pub details: Option<String>,
    pub published: Option<String>,
    pub modified: Option<String>,
    pub withdrawn: Option<String>,
    #[serde(default)]
    pub severity: Vec<Rating>,
    #[serde(default)]
    pub affected: Vec<Affected>,
    #[serde(default)]
    pub references: Vec<Reference>,
    #[serde(default)]
    pub database_specific: Specific,
}

/// A severity: a CVSS vector, or a score or word of the database's own. Its `type` came as a number at times, and the
/// text tells as much.
#[derive(Deserialize)]
pub struct Rating {
    #[serde(default)]
    pub score: String,
}

/// What is affected: versions of a package, commits of a repository, or both.
#[derive(Deserialize)]
pub struct Affected {
    pub package: Option<Package>,
    #[serde(default)]
    pub severity: Vec<Rating>,
    #[serde(default)]
    pub ranges: Vec<Range>,
    #[serde(default)]
    pub versions: Vec<String>,
    #[serde(default)]
    pub ecosystem_specific: Specific,
    #[serde(default)]
    pub database_specific: Specific,
}

/// A package, named in its ecosystem's way and perhaps by a purl.
#[derive(Deserialize)]
pub struct Package {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub ecosystem: String,
    pub purl: Option<String>,
}

/// A range of versions or, with the type `GIT`, of commits.
#[derive(Deserialize)]
pub struct Range {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub repo: Option<String>,
    #[serde(default)]
    pub events: Vec<Event>,
}

/// Where a range begins or ends; one of the fields is there.
#[derive(Deserialize)]
pub struct Event {
    pub introduced: Option<String>,
    pub fixed: Option<String>,
    pub last_affected: Option<String>,
    pub limit: Option<String>,
}

/// A link and what it leads to.
#[derive(Deserialize)]
pub struct Reference {
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub url: String,
}

/// The fields of free-form objects that matter, where they are there and are text.
#[derive(Deserialize, Default)]
pub struct Specific {
    #[serde(default, deserialize_with = "text")]
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub last_known_affected_version_range: Option<String>,
}

/// Text, or nothing if it is something else.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}
