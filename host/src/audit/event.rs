//! An event as it is recorded.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::{body::Body, cloud_event::ForOutbox, usage::Usage};
use crate::{
    names::{Code, OperationKind, Role, Severity, Surface, words},
    text::plain,
};

/// The longest error text kept, in characters.
const ERROR_MAX: usize = 4096;
/// The same for what never ran, of which nothing larger is kept.
const REFUSAL_MAX: usize = 1024;
/// The longest list of hosts kept, in characters.
const HOSTS_MAX: usize = 4096;
/// Times are kept to the millisecond: digits of a second's fraction.
pub(super) const MILLIS: u16 = 3;

words! {
    /// How an operation ended.
    #[derive(PartialOrd, Ord)]
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

/// Whether an event shares a row with others like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// It has a row of its own.
    Own,
    /// Nothing ran for it: beyond the first few of a second it shares the row of that second, and waits for it.
    Second,
    /// It changes nothing and is asked all the time: the first of an hour has a row, and one more counts the others.
    Hour,
}

/// One operation that has ended.
#[derive(Debug, Clone, PartialEq)]
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
    /// The input, if it is kept.
    pub payload: Option<Body>,
    /// The output, likewise.
    pub result: Option<Body>,
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
    /// The failed call that this one issued again.
    pub replays: Option<Uuid>,
    /// How many operations the row stands for: see [`Sharing`].
    pub times: u32,
    /// What it used of its upstream.
    pub used: Usage,
    /// The worst of the findings in its output.
    pub severity: Option<Severity>,
    /// Whether it has a row of its own.
    pub sharing: Sharing,
    /// What the call learnt of its upstream's quotas.
    pub quotas: Vec<UpstreamQuota>,
    /// What it tells others.
    pub outbox: ForOutbox,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The input.
    pub payload: Option<Body>,
    /// Where it came in.
    pub surface: Surface,
    /// Ties log lines, events and answers together.
    pub correlation_id: String,
    /// The failed call that this one issues again.
    pub replays: Option<Uuid>,
}

/// The longest duration that is kept, in milliseconds: stores have 31 bits for it.
pub(super) const DURATION_MAX: u32 = i32::MAX.cast_unsigned();

const INTERRUPTED: &str = "the hub ended while this operation ran: check at the upstream whether it took effect";

impl Event {
    /// The event of an operation that was announced, and that nobody will end any more.
    #[must_use]
    pub(super) fn interrupted(intent: Intent) -> Self {
        Self {
            id: intent.id,
            created_at: intent.created_at,
            provider: Some(intent.provider),
            tool: Some(intent.tool),
            caller_id: intent.caller_id,
            caller_role: intent.caller_role,
            team: intent.team,
            payload: intent.payload,
            result: None,
            outcome: Outcome::Interrupted,
            error_code: Some(Code::Interrupted),
            error: Some(INTERRUPTED.to_owned()),
            duration_ms: 0,
            hostname: None,
            operation: OperationKind::CallTool,
            surface: intent.surface,
            correlation_id: intent.correlation_id,
            revision: None,
            replays: intent.replays,
            times: 1,
            used: Usage::default(),
            severity: None,
            sharing: Sharing::Own,
            quotas: Vec::new(),
            outbox: ForOutbox::default(),
        }
    }

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
            plain::in_place(error, if self.sharing == Sharing::Second { REFUSAL_MAX } else { ERROR_MAX });
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
        self.created_at = self.created_at.trunc_subsecs(MILLIS);
        self.duration_ms = self.duration_ms.min(DURATION_MAX);
        self.used = self.used.into_kept();
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
        self.created_at = self.created_at.trunc_subsecs(MILLIS);
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
            payload: Body::of("{}".to_owned(), crate::names::Kept::Full),
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
            replays: None,
            times: 1,
            used: Usage::default(),
            severity: None,
            sharing: if outcome == Outcome::Denied { Sharing::Second } else { Sharing::Own },
            quotas: Vec::new(),
            outbox: ForOutbox::default(),
        }
    }

    /// The intent that went before, for tests.
    pub(super) fn announced(&self) -> Intent {
        Intent {
            id: self.id,
            created_at: self.created_at,
            provider: "p".to_owned(),
            tool: "t".to_owned(),
            caller_id: self.caller_id,
            caller_role: self.caller_role,
            team: self.team.clone(),
            payload: self.payload.clone(),
            surface: self.surface,
            correlation_id: self.correlation_id.clone(),
            replays: self.replays,
        }
    }
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
        assert!(!hidden(&kept.hostname.expect("hosts")) && !hidden(&kept.quotas[0].name));
    }
}
