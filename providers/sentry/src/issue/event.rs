//! An event of an issue, in as few words as will do.

use std::collections::BTreeMap;

use bulkhead_sdk::prelude::*;
use bulkhead_sdk::serde_json::{self, Value};

use super::frames::{Exception, RawChain};
use crate::excerpt::{cut, cut_some};

/// The longest message, in characters.
const MAX_MESSAGE: usize = 1000;
/// The most tags.
const MAX_TAGS: usize = 40;
/// The longest value of a tag, in characters: Sentry's own bound.
const MAX_TAG: usize = 200;

/// What Sentry answers for an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raw {
    #[serde(rename = "eventID")]
    event_id: String,
    title: String,
    message: Option<String>,
    culprit: Option<String>,
    platform: Option<String>,
    date_created: Option<String>,
    date_received: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    release: Option<Release>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: Option<String>,
}

/// A release, of which only the version matters.
#[derive(Deserialize)]
pub struct Release {
    /// Such as "checkout@2.14.0".
    pub version: Option<String>,
}

/// One of the many parts of an event: exception, message, request, breadcrumbs, threads …
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Request {
    method: Option<String>,
    url: Option<String>,
}

/// One occurrence of an issue.
#[derive(Serialize, JsonSchema)]
pub struct Event {
    /// 32 hex digits.
    #[serde(rename = "event_id")]
    id: String,
    /// What happened.
    title: String,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// What was logged, where it is not the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Where in the code, as Sentry sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    culprit: Option<String>,
    /// The language.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The version that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    /// The HTTP request that failed, such as "POST https://shop.example/orders", without query or headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// The exception that was thrown, then what caused it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exceptions: Vec<Exception>,
    /// The event's tags, such as environment, level and server_name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl Raw {
    /// Keeps what explains the problem.
    pub fn shorten(self, max_frames: usize) -> Result<Event, CallError> {
        let (mut exceptions, mut request) = (Vec::new(), None);
        for entry in self.entries {
            match entry.kind.as_str() {
                "exception" => exceptions = entry.data::<RawChain>()?.shorten(max_frames),
                "request" => request = entry.data::<Request>()?.line(),
                _ => {}
            }
        }
        let tags = self.tags.into_iter().take(MAX_TAGS);
        Ok(Event {
            message: cut_some(self.message.filter(|message| *message != self.title), MAX_MESSAGE),
            id: self.event_id,
            title: self.title,
            time: self.date_created.or(self.date_received),
            culprit: self.culprit.filter(|culprit| !culprit.is_empty()),
            platform: self.platform,
            release: self.release.and_then(|release| release.version),
            request,
            exceptions,
            tags: tags.filter_map(|tag| Some((tag.key, cut(tag.value?, MAX_TAG)))).collect(),
        })
    }
}

impl Entry {
    fn data<T: serde::de::DeserializeOwned>(self) -> Result<T, CallError> {
        serde_json::from_value(self.data).map_err(|why| {
            CallError::upstream_failed(format!(
                "Sentry answered an event whose `{}` is not as documented ({why}): look at the issue's page instead",
                self.kind
            ))
        })
    }
}

impl Request {
    /// A query may hold what should not leave the upstream.
    fn line(self) -> Option<String> {
        let url = self.url?;
        let url = url.split(['?', '#']).next().unwrap_or_default();
        Some(self.method.map_or_else(|| url.to_owned(), |method| format!("{method} {url}")))
    }
}
