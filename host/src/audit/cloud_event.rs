//! What is told to others as it happens: CloudEvents 1.0 in their JSON format, written with the row that they belong to.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::{names::ProviderName, text::plain};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sayer<'a> {
    /// A provider.
    Provider(&'a ProviderName),
    /// The hub itself.
    Hub,
}

impl fmt::Display for Sayer<'_> {
    /// The attribute `source`: a URI reference, which is the hub's to set.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(name) => write!(formatter, "/providers/{name}"),
            Self::Hub => formatter.write_str("/hub"),
        }
    }
}

/// What is said, with the operation that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The row that it is written with.
    pub row: Uuid,
    /// Which of the row's events it is, from 0.
    pub ordinal: usize,
    /// Who says it.
    pub sayer: Sayer<'a>,
    /// The attribute `type`: letters, digits, `.`, `-` and `_`.
    pub event_type: &'a str,
    /// What it is about: a tool, a provider.
    pub subject: Option<&'a str>,
    /// When it was said.
    pub time: DateTime<Utc>,
    /// Ties it to log lines, rows and answers.
    pub correlation_id: &'a str,
}

/// A CloudEvent 1.0. Of who called it says nothing: the row does, for those who may see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloudEvent {
    /// The version of the specification.
    pub specversion: String,
    /// The row's id and a number: the same however often it is delivered. Unique, not only within its source.
    pub id: String,
    /// Who says it: `/providers/NAME` or `/hub`.
    pub source: String,
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was said: RFC 3339, UTC.
    pub time: String,
    /// Always JSON.
    pub datacontenttype: String,
    /// Ties it to log lines, rows and answers.
    pub correlationid: String,
    /// Which hub process wrote it; set when it is delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hubid: Option<String>,
    /// Its place among those of that process, ascending as text; set when it is delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// What is said.
    pub data: Box<RawValue>,
}

impl CloudEvent {
    /// What is said, with JSON as `data`; what is not JSON is told as a text.
    fn of(said: Said<'_>, data: &str) -> Self {
        let raw = serde_json::from_str::<Box<RawValue>>(data).or_else(|_| to_raw_value(data));
        Self {
            specversion: "1.0".to_owned(),
            id: format!("{}-{}", said.row, said.ordinal),
            source: said.sayer.to_string(),
            event_type: said.event_type.to_owned(),
            subject: said.subject.filter(|subject| !subject.is_empty()).map(plain::name),
            time: said.time.to_rfc3339_opts(SecondsFormat::Millis, true),
            datacontenttype: "application/json".to_owned(),
            correlationid: plain::name(said.correlation_id),
            hubid: None,
            sequence: None,
            // A text can always be written.
            data: raw.unwrap_or_else(|_| RawValue::NULL.to_owned()),
        }
    }
}

/// A CloudEvent as the outbox keeps it: written, and not looked into any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing(Box<str>);

impl Outgoing {
    /// What is said, with JSON as `data`.
    #[must_use]
    pub fn new(said: Said<'_>, data: &str) -> Self {
        // Texts and raw JSON can always be written.
        Self(serde_json::to_string(&CloudEvent::of(said, data)).unwrap_or_default().into())
    }

    /// The JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a row does to the outbox, in its transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForOutbox {
    /// What is put into it.
    pub events: Vec<Outgoing>,
    /// How many of the oldest that nobody has got leave it, because it is full.
    pub drops: u32,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(data: &str, subject: Option<&str>) -> Value {
        let provider: ProviderName = "p".parse().expect("a name");
        let said = Said {
            row: Uuid::nil(),
            ordinal: 3,
            sayer: Sayer::Provider(&provider),
            event_type: "a.b",
            subject,
            time: DateTime::UNIX_EPOCH,
            correlation_id: "c\n",
        };
        serde_json::from_str(Outgoing::new(said, data).as_str()).expect("JSON")
    }

    #[test]
    fn an_event_has_the_attributes_that_cloudevents_asks_for() {
        assert_eq!(
            written(" {\"n\": 1.10} ", Some("t")),
            json!({
                "specversion": "1.0",
                "id": "00000000-0000-0000-0000-000000000000-3",
                "source": "/providers/p",
                "type": "a.b",
                "subject": "t",
                "time": "1970-01-01T00:00:00.000Z",
                "datacontenttype": "application/json",
                "correlationid": "c\\n",
                "data": { "n": 1.10 },
            })
        );
        let names = serde_json::from_value::<serde_json::Map<String, Value>>(written("1", None)).expect("members");
        // §3: names are of lower-case letters and digits, optional attributes are not empty.
        assert!(names.keys().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
        assert!(written("1", Some("")).get("subject").is_none());
    }

    #[test]
    fn data_is_kept_digit_by_digit_and_what_is_no_json_is_a_text() {
        let provider: ProviderName = "p".parse().expect("a name");
        let said = Said {
            row: Uuid::nil(),
            ordinal: 0,
            sayer: Sayer::Provider(&provider),
            event_type: "a",
            subject: None,
            time: DateTime::UNIX_EPOCH,
            correlation_id: "c",
        };
        for data in ["1.000000000000000000000000001", "\"\\u0000\"", "[1e400]"] {
            assert!(Outgoing::new(said, data).as_str().ends_with(&format!("\"data\":{data}}}")), "{data}");
        }
        assert_eq!(written("{", None)["data"], "{");
    }
}
