//! What a chain consists of, and the members that each kind is sealed over.

use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    body::Body,
    encoding::{Encoding, Member, Sink},
    event::{Event, Intent},
    statement::Statement,
};
use crate::names::{Code, Kept, Role, Severity};

/// Something to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// An operation has ended.
    Event(Box<Event>),
    /// A scan or write is about to run.
    Intent(Box<Intent>),
    /// What the hub says of the trail itself.
    Statement(Box<Statement>),
}

/// Where in the trail an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) writer: Uuid,
    /// Its number in the writer's chain, from 1.
    pub(super) seq: i64,
    /// When its batch was committed, by the writer's clock; never earlier than the entry before.
    pub(super) recorded_at: DateTime<Utc>,
}

/// An entry in its place: what is stored, and what is read back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sealed<E> {
    pub(super) place: Place,
    pub(super) entry: E,
}

impl Entry {
    /// The call's id; that of a statement is nobody's.
    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Event(event) => event.id,
            Self::Intent(intent) => intent.id,
            Self::Statement(_) => Uuid::nil(),
        }
    }

    /// The bytes that it is sealed over.
    pub(super) fn encoding(&self, place: &Place) -> Encoding {
        let fresh = Encoding::new();
        match self {
            Self::Event(event) => of_event(event, place, fresh),
            Self::Intent(intent) => of_intent(intent, place, fresh),
            Self::Statement(statement) => of_statement(statement, place, fresh),
        }
    }
}

/// The members of an event by their names.
pub(super) fn event_members(event: &Event, place: &Place) -> Map<String, Value> {
    of_event(event, place, Map::new())
}

/// Those of an intent.
pub(super) fn intent_members(intent: &Intent, place: &Place) -> Map<String, Value> {
    of_intent(intent, place, Map::new())
}

/// Those of a statement.
pub(super) fn statement_members(statement: &Statement, place: &Place) -> Map<String, Value> {
    of_statement(statement, place, Map::new())
}

/// A time as it is sealed and shown.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What is absent is left out.
struct Members<S>(S);

impl<S: Sink> Members<S> {
    fn text(&mut self, name: &str, text: impl AsRef<str>) {
        self.0.add(name, Member::Text(text.as_ref()));
    }

    fn optional(&mut self, name: &str, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn number(&mut self, name: &str, number: impl Into<i64>) {
        self.0.add(name, Member::Number(number.into()));
    }

    /// A number, unless it is zero.
    fn some(&mut self, name: &str, number: impl Into<u64>) {
        // It is bounded far below.
        let number = i64::try_from(number.into()).unwrap_or(i64::MAX);
        if number != 0 {
            self.number(name, number);
        }
    }

    fn time(&mut self, name: &str, at: DateTime<Utc>) {
        self.text(name, timestamp(at));
    }

    fn id(&mut self, name: &str, id: Option<Uuid>) {
        if let Some(id) = id {
            self.text(name, id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        }
    }

    fn body(&mut self, digest: &str, kept: &str, body: Option<&Body>) {
        self.optional(digest, body.map(|body| HEXLOWER.encode(body.digest())));
        self.optional(kept, body.and_then(Body::kept).map(Kept::as_str));
    }
}

// Each list is in ascending order of the names: `Encoding` insists while testing.

fn of_event<S: Sink>(event: &Event, place: &Place, sink: S) -> S {
    let mut members = Members(sink);
    members.id("caller_id", event.caller_id);
    members.optional("caller_role", event.caller_role.map(Role::as_str));
    members.text("correlation_id", &event.correlation_id);
    members.optional("cost", event.used.costs.written());
    members.time("created_at", event.created_at);
    members.number("duration_ms", event.duration_ms);
    members.optional("error", event.error.as_ref());
    members.optional("error_code", event.error_code.map(Code::as_str));
    members.optional("hostname", event.hostname.as_ref());
    members.id("id", Some(event.id));
    members.text("kind", "event");
    members.text("operation", event.operation.as_str());
    members.text("outcome", event.outcome.as_str());
    members.body("payload_digest", "payload_kept", event.payload.as_ref());
    members.optional("provider", event.provider.as_ref());
    members.time("recorded_at", place.recorded_at);
    members.id("replays", event.replays);
    members.body("result_digest", "result_kept", event.result.as_ref());
    members.optional("revision", event.revision.as_ref());
    members.number("seq", place.seq);
    members.optional("severity", event.severity.map(Severity::as_str));
    members.text("surface", event.surface.as_str());
    members.optional("team", event.team.as_ref());
    members.number("times", event.times);
    members.optional("tool", event.tool.as_ref());
    members.some("upstream_bytes", event.used.bytes);
    members.some("upstream_requests", event.used.requests);
    members.id("writer", Some(place.writer));
    members.0
}

fn of_intent<S: Sink>(intent: &Intent, place: &Place, sink: S) -> S {
    let mut members = Members(sink);
    members.id("caller_id", intent.caller_id);
    members.optional("caller_role", intent.caller_role.map(Role::as_str));
    members.text("correlation_id", &intent.correlation_id);
    members.time("created_at", intent.created_at);
    members.id("id", Some(intent.id));
    members.text("kind", "intent");
    members.body("payload_digest", "payload_kept", intent.payload.as_ref());
    members.text("provider", &intent.provider);
    members.time("recorded_at", place.recorded_at);
    members.id("replays", intent.replays);
    members.number("seq", place.seq);
    members.text("surface", intent.surface.as_str());
    members.optional("team", intent.team.as_ref());
    members.text("tool", &intent.tool);
    members.id("writer", Some(place.writer));
    members.0
}

fn of_statement<S: Sink>(statement: &Statement, place: &Place, sink: S) -> S {
    let mut members = Members(sink);
    members.text("body", statement.body());
    members.text("kind", statement.kind().as_str());
    members.time("recorded_at", place.recorded_at);
    members.number("seq", place.seq);
    members.id("writer", Some(place.writer));
    members.0
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            event::Outcome,
            usage::{Costs, Usage},
        },
        *,
    };
    use crate::names::Surface;

    fn place() -> Place {
        Place { writer: Uuid::now_v7(), seq: 7, recorded_at: Utc::now() }
    }

    #[test]
    fn whatever_of_an_event_is_changed_is_another_leaf() {
        let place = place();
        let event = Event { payload: None, ..Event::sample(Outcome::Ok) };
        let leaf = |event: &Event| Entry::Event(Box::new(event.clone())).encoding(&place).leaf();
        let mut leaves = vec![leaf(&event)];
        let empty = || Some(String::new());
        let changes: [fn(&mut Event); 9] = [
            |event| event.caller_id = None,
            |event| event.caller_role = None,
            |event| event.times = 2,
            |event| event.surface = Surface::Mcp,
            |event| event.duration_ms += 1,
            |event| event.used.requests = 1,
            |event| event.used.bytes = 1,
            |event| event.severity = Some(Severity::High),
            |event| event.payload = Body::of("{}".to_owned(), Kept::Full),
        ];
        for change in changes {
            let mut changed = event.clone();
            change(&mut changed);
            leaves.push(leaf(&changed));
        }
        // What is absent is not what is empty.
        leaves.push(leaf(&Event { team: empty(), ..event.clone() }));
        leaves.push(leaf(&Event { error: empty(), ..event.clone() }));
        leaves.push(leaf(&Event { hostname: empty(), ..event.clone() }));
        leaves.push(Entry::Event(Box::new(event)).encoding(&Place { seq: 8, ..place }).leaf());
        let all = leaves.len();
        leaves.sort_unstable();
        leaves.dedup();
        assert_eq!(leaves.len(), all);
    }

    #[test]
    fn every_kind_has_its_members_in_order() {
        let full = Event {
            team: Some("t".to_owned()),
            result: Body::of("1".to_owned(), Kept::Digest),
            error: Some("e".to_owned()),
            error_code: Some(Code::Timeout),
            hostname: Some("h".to_owned()),
            used: Usage { requests: 1, bytes: 2, costs: Costs::read(r#"{"USD":1}"#).expect("costs") },
            severity: Some(Severity::Low),
            ..Event::sample(Outcome::Failed)
        };
        let intent = full.announced();
        for entry in [Entry::Event(Box::new(full)), Entry::Intent(Box::new(intent))] {
            assert!(entry.encoding(&place()).bytes().len() > 300);
        }
    }
}
