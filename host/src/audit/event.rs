//! An event as it is recorded.

use std::borrow::Cow;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    names::{Code, OperationKind, Role, Surface, words},
    text::plain,
};

/// Payloads and results longer than this, in bytes of JSON, are recorded as a digest and a preview.
const DOCUMENT_MAX: usize = 64 * 1024;
/// How much of a long document the preview shows, in characters.
const PREVIEW: usize = 2048;
/// The longest error text kept, in characters.
const ERROR_MAX: usize = 4096;
/// The same for what never ran, of which nothing larger is kept.
const REFUSAL_MAX: usize = 1024;
/// The longest list of hosts kept, in characters.
const HOSTS_MAX: usize = 4096;

words! {
    /// How an operation ended.
    pub enum Outcome: "outcome" {
        /// It succeeded.
        Ok = "ok",
        /// Refused: identity, role, limit or policy.
        Denied = "denied",
        /// The caller's request was wrong.
        Invalid = "invalid",
        /// The provider, its upstream or the sandbox failed.
        Failed = "failed",
        /// It did not finish in its time.
        Timeout = "timeout",
        /// The caller went away.
        Cancelled = "cancelled",
        /// The hub ended in the middle of it.
        Interrupted = "interrupted",
    }
}

/// One operation that has ended.
#[derive(Debug, Clone)]
pub struct Event {
    /// The call's id, UUIDv7.
    pub id: Uuid,
    /// When the call began.
    pub created_at: DateTime<Utc>,
    /// The provider asked for, if one was.
    pub provider: Option<String>,
    /// Tool, resource URI or prompt.
    pub tool: Option<String>,
    /// The authenticated user.
    pub caller_id: Option<Uuid>,
    /// The user's role.
    pub caller_role: Option<Role>,
    /// The user's team.
    pub team: Option<String>,
    /// The input, as JSON text within the cap; see [`excerpt`].
    pub payload: Option<String>,
    /// The output, likewise.
    pub result: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The stable code of the error.
    pub error_code: Option<Code>,
    /// The error for people.
    pub error: Option<String>,
    /// From arrival to the end of the run, in milliseconds.
    pub duration_ms: u32,
    /// Upstream hosts that were called, comma-separated.
    pub hostname: Option<String>,
    /// What was asked.
    pub operation: OperationKind,
    /// Where it came in.
    pub surface: Surface,
    /// Ties log lines, events and answers together.
    pub correlation_id: String,
    /// The revision that ran: SHA-256, hex, over its component and its config.
    pub revision: Option<String>,
    /// How many operations the row stands for: what one caller is refused for one reason within one second shares one.
    pub times: u32,
    /// Whether it may share a row with others like it: nothing ran for it.
    pub shares: bool,
    /// What the call learnt of its upstream's quotas.
    pub quotas: Vec<UpstreamQuota>,
}

/// What an upstream said is left of one of its quotas. Written with the event of the call that learnt it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UpstreamQuota {
    /// Which of the upstream's quotas.
    #[serde(default = "only_one", alias = "window")]
    pub name: String,
    /// How much there is in all, if it says.
    pub limit: Option<u32>,
    /// How much is left.
    pub remaining: u32,
    /// When it is whole again: RFC 3339, if it says.
    pub resets_at: Option<String>,
}

fn only_one() -> String {
    "default".to_owned()
}

/// A scan or write that is about to run.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The call's id, that of the event to come.
    pub id: Uuid,
    /// When the call began.
    pub created_at: DateTime<Utc>,
    /// The provider.
    pub provider: String,
    /// The tool.
    pub tool: String,
    /// The user.
    pub caller_id: Option<Uuid>,
    /// The user's role.
    pub caller_role: Option<Role>,
    /// The user's team.
    pub team: Option<String>,
    /// The input; see [`excerpt`].
    pub payload: Option<String>,
    /// Where it came in.
    pub surface: Surface,
    /// Ties log lines, events and answers together.
    pub correlation_id: String,
}

impl Event {
    /// An error text of the writer's own, as it is kept.
    #[must_use]
    pub(super) fn error_text(text: &str) -> String {
        plain::text(text, ERROR_MAX)
    }

    /// The event as it is kept: bounded, and without a character that could forge a line wherever rows are shown. Everything
    /// that is recorded comes through here.
    #[must_use]
    pub(super) fn into_kept(mut self) -> Self {
        for name in [&mut self.provider, &mut self.tool, &mut self.team].into_iter().flatten() {
            plain::in_place(name, plain::NAME_MAX);
        }
        plain::in_place(&mut self.correlation_id, plain::NAME_MAX);
        if let Some(error) = &mut self.error {
            plain::in_place(error, if self.shares { REFUSAL_MAX } else { ERROR_MAX });
        }
        if let Some(hosts) = &mut self.hostname {
            plain::in_place(hosts, HOSTS_MAX);
        }
        for quota in &mut self.quotas {
            plain::in_place(&mut quota.name, plain::NAME_MAX);
            if let Some(at) = &mut quota.resets_at {
                plain::in_place(at, plain::NAME_MAX);
            }
        }
        self.payload = self.payload.map(plain::json);
        self.result = self.result.map(plain::json);
        self
    }
}

impl Intent {
    /// The intent as it is kept: see [`Event::into_kept`].
    #[must_use]
    pub(super) fn into_kept(mut self) -> Self {
        for name in [&mut self.provider, &mut self.tool, &mut self.correlation_id] {
            plain::in_place(name, plain::NAME_MAX);
        }
        if let Some(team) = &mut self.team {
            plain::in_place(team, plain::NAME_MAX);
        }
        self.payload = self.payload.map(plain::json);
        self
    }
}

#[cfg(test)]
impl Event {
    /// An event for tests to change.
    pub(super) fn sample(outcome: Outcome) -> Self {
        Self {
            id: Uuid::now_v7(),
            created_at: Utc::now(),
            provider: Some("p".to_owned()),
            tool: Some("t".to_owned()),
            caller_id: Some(Uuid::nil()),
            caller_role: Some(Role::OpsViewer),
            team: None,
            payload: Some("{}".to_owned()),
            result: None,
            outcome,
            error_code: None,
            error: None,
            duration_ms: 1,
            hostname: None,
            operation: OperationKind::CallTool,
            surface: Surface::Rest,
            correlation_id: "c".to_owned(),
            revision: Some("r".to_owned()),
            times: 1,
            shares: outcome == Outcome::Denied,
            quotas: Vec::new(),
        }
    }
}

/// A document for the record: itself if short, otherwise `{"truncated","bytes","sha256","preview"}`.
#[must_use]
pub fn excerpt<'a>(document: impl Into<Cow<'a, str>>) -> String {
    let document = document.into();
    if document.len() <= DOCUMENT_MAX {
        return document.into_owned();
    }
    let digest = digest::digest(&digest::SHA256, document.as_bytes());
    let short: Value = json!({
        "truncated": true,
        "bytes": document.len(),
        "sha256": HEXLOWER.encode(digest.as_ref()),
        "preview": document.chars().take(PREVIEW).collect::<String>(),
    });
    short.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_holds_a_control_character_or_more_than_its_bound() {
        let evil = |length: usize| Some("a\n\u{1b}\u{202e}\u{85}".repeat(length));
        let event = Event {
            provider: evil(100),
            tool: evil(1_000_000),
            team: evil(100),
            payload: Some("\"\u{7f}\u{2028}\"".to_owned()),
            error: evil(10_000),
            hostname: evil(2000),
            correlation_id: "a\nb".to_owned(),
            quotas: vec![UpstreamQuota { name: "q\n".repeat(500), limit: None, remaining: 1, resets_at: None }],
            ..Event::sample(Outcome::Denied)
        };
        let kept = event.into_kept();
        let hidden = |text: &str| text.contains(plain::is_hidden);
        for (text, max) in [(&kept.provider, 128), (&kept.tool, 128), (&kept.team, 128), (&kept.error, REFUSAL_MAX)] {
            let text = text.as_deref().expect("a text");
            assert!(!hidden(text) && text.chars().count() <= max, "{text}");
        }
        assert_eq!(kept.correlation_id, r"a\nb");
        assert_eq!(kept.payload.as_deref(), Some(r#""\u007f\u2028""#), "the same JSON");
        assert!(!hidden(&kept.hostname.expect("hosts")) && !hidden(&kept.quotas[0].name));
    }

    #[test]
    fn long_documents_keep_a_digest_and_a_preview() {
        assert_eq!(excerpt("{}".to_owned()), "{}");
        let long = format!("\"{}\"", "x".repeat(DOCUMENT_MAX));
        let short: Value = serde_json::from_str(&excerpt(long.clone())).expect("JSON");
        assert_eq!(short["bytes"], long.len());
        assert_eq!(short["preview"].as_str().map(str::len), Some(PREVIEW));
        assert_eq!(short["sha256"].as_str().map(str::len), Some(64));
    }
}
