//! How the document describes the audit trail, for those who have a role.

use serde_json::{Map, Value, json};

use super::{
    answers::{self, reference},
    names::{AUDIT_EVENT, AUDIT_PAGE, AUDIT_RECORD, AUDIT_USAGE, EXPORT, LIST, SHOW, STREAM, USAGE},
};
use crate::{
    audit::{Dimension, ExportFormat, PAGE, PAGE_MAX, Parameter, SUMMED, TOTAL_MAX},
    names::{Code, OperationKind, Role, Severity, Surface},
};

const TAG: &str = "audit";

/// The tag of its operations.
pub(super) fn tag() -> Value {
    json!({ "name": TAG, "description": "The audit trail: your own rows, or all of them with a role that answers for all" })
}

/// Its operations by path.
pub(super) fn paths() -> [(&'static str, Value); 5] {
    let cursor = query("cursor", "`next` of the page before", &json!({ "type": "string" }));
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE });
    let total = format!("whether all pages' events are counted, up to {TOTAL_MAX}");
    let page = [
        cursor,
        query("limit", "how many events", &limit),
        query("total", &total, &json!({ "type": "boolean", "default": false })),
    ];
    let formats: Vec<_> = ExportFormat::ALL.iter().map(|format| format.as_str()).collect();
    let format = json!({ "type": "string", "enum": formats, "default": ExportFormat::Jsonl.as_str() });
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } });
    let list = json!({
        "tags": [TAG],
        "operationId": LIST,
        "summary": "Search the audit trail",
        "description": "Events, newest first, without their bodies.",
        "parameters": filters().chain(page).collect::<Vec<_>>(),
        "responses": answers::with(&reference(AUDIT_PAGE), "A page of events"),
    });
    let show = json!({
        "tags": [TAG],
        "operationId": SHOW,
        "summary": "Show one call",
        "description": "A call with its input, output, intent, neighbours and proof. Looking at somebody else's is on record.",
        "parameters": [id],
        "responses": answers::with(&reference(AUDIT_RECORD), "The call"),
    });
    let mut responses = answers::with(&json!({}), "The events, as `docs/audit-format.md` describes them");
    let text = json!({ "schema": { "type": "string" } });
    responses["200"]["content"] = json!({ "application/jsonl": text, "text/csv": text });
    let export = json!({
        "tags": [TAG],
        "operationId": EXPORT,
        "summary": "Export the audit trail",
        "description": "All events that are found, newest first: with proof as lines of JSON, or as CSV. It is on record.",
        "parameters": filters().chain([query("format", "how it is written", &format)]).collect::<Vec<_>>(),
        "responses": responses,
    });
    [
        ("/audit/events", list),
        ("/audit/events/{id}", show),
        ("/audit/export", export),
        ("/audit/stream", stream()),
        ("/audit/usage", usage()),
    ]
}

fn stream() -> Value {
    let from = json!({
        "name": "Last-Event-ID",
        "in": "header",
        "required": false,
        "description": "What the stream said last as `id`: then it goes on there, and nothing is missed",
        "schema": { "type": "string" },
    });
    let mut responses = answers::with(&json!({}), "Server-Sent Events");
    responses["200"]["content"] = json!({ "text/event-stream": { "schema": { "type": "string" } } });
    json!({
        "tags": [TAG],
        "operationId": STREAM,
        "summary": "Follow the audit trail",
        "description": "Events as they are recorded, by every hub on the trail, without their bodies: each is the data of a message \
            (`AuditEvent`), with an `id` for `Last-Event-ID`. A message `dropped` says how many entries were passed over for a \
            client that lags far behind, and `end` why the stream ends: `token_expired`, `renew` (after ten minutes at most: come \
            back), `hub_ends` or `trail_unreadable`.",
        "parameters": filters().chain([from]).collect::<Vec<_>>(),
        "responses": responses,
    })
}

fn usage() -> Value {
    let dimensions: Vec<_> = Dimension::ALL.iter().map(|dimension| dimension.as_str()).collect();
    let by = json!({
        "name": "by",
        "in": "query",
        "required": false,
        "description": "by what it is told apart; all is one sum without it",
        "style": "form",
        "explode": false,
        "schema": { "type": "array", "uniqueItems": true, "items": { "type": "string", "enum": dimensions } },
    });
    json!({
        "tags": [TAG],
        "operationId": USAGE,
        "summary": "Sum up what was used",
        "description": "Calls, errors, time, upstream requests and bytes, and costs, by whole hours.",
        "parameters": SUMMED.into_iter().map(filter).chain([by]).collect::<Vec<_>>(),
        "responses": answers::with(&reference(AUDIT_USAGE), "The sums"),
    })
}

fn filters() -> impl Iterator<Item = Value> {
    Parameter::ALL.iter().copied().map(filter)
}

fn filter(parameter: Parameter) -> Value {
    let schema = match (parameter.choices(), parameter) {
        (Some(choices), _) => json!({ "type": "string", "enum": choices }),
        (None, Parameter::MinDuration) => json!({ "type": "integer", "minimum": 0 }),
        (None, Parameter::Caller) => json!({ "type": "string", "format": "uuid" }),
        (None, _) => json!({ "type": "string" }),
    };
    query(parameter.as_str(), parameter.meaning(), &schema)
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
}

fn summary() -> Value {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let sum = json!({
        "description": "A sum. What its events do not have is left out.",
        "type": "object",
        "required": ["calls", "errors", "duration_ms", "upstream_requests", "upstream_bytes", "cost"],
        "properties": {
            "hour": { "type": "string", "format": "date-time" }, "day": { "type": "string", "format": "date" },
            "provider": text, "tool": text, "caller": text, "team": text, "outcome": text,
            "calls": number,
            "errors": { "type": "integer", "description": "Calls with another outcome than `ok`" },
            "duration_ms": number, "upstream_requests": number, "upstream_bytes": number,
            "cost": {
                "type": "object",
                "description": "What providers say that it cost: a decimal number for each unit",
                "additionalProperties": text,
            },
        },
    });
    json!({
        "type": "object",
        "required": ["usage", "is_whole"],
        "properties": {
            "usage": { "type": "array", "items": sum },
            "is_whole": { "type": "boolean", "description": "False where there are more sums than are told" },
        },
    })
}

/// Its components.
pub(super) fn schemas() -> Map<String, Value> {
    let words = |all: Vec<&str>| json!({ "type": "string", "enum": all });
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let time = json!({ "type": "string", "format": "date-time" });
    let event = json!({
        "description": "An event. What it does not have is left out.",
        "type": "object",
        "required": ["writer", "seq", "recorded_at"],
        "properties": {
            "id": text, "writer": text, "seq": number, "recorded_at": time, "created_at": time,
            "provider": text, "tool": text, "caller_id": text, "team": text,
            "caller_role": words(Role::ALL.iter().map(|one| one.as_str()).collect()),
            "operation": words(OperationKind::ALL.iter().map(|one| one.as_str()).collect()),
            "surface": words(Surface::ALL.iter().map(|one| one.as_str()).collect()),
            "outcome": text,
            "error_code": words(Code::ALL.iter().map(|one| one.as_str()).collect()),
            "error": text, "hostname": text, "correlation_id": text, "revision": text, "replays": text,
            "duration_ms": number, "times": number,
            "severity": words(Severity::ALL.iter().map(|one| one.as_str()).collect()),
            "upstream_requests": number, "upstream_bytes": number,
            "cost": {
                "type": "object",
                "description": "What its provider says that it cost: an amount for each unit",
                "additionalProperties": text,
            },
            "payload": {}, "result": {},
            "unreadable": { "type": "string", "description": "Why nothing else can be told of it" },
        },
    });
    let page = json!({
        "type": "object",
        "required": ["events", "next"],
        "properties": {
            "events": { "type": "array", "items": reference(AUDIT_EVENT) },
            "next": { "type": ["string", "null"], "description": "The `cursor` of the next page, if there is one" },
            "total": { "type": "integer", "maximum": TOTAL_MAX },
            "total_is_exact": { "type": "boolean", "description": "False where there are more than were counted" },
        },
    });
    let record = json!({
        "type": "object",
        "required": ["event", "intent", "neighbours", "proof"],
        "properties": {
            "event": { "anyOf": [reference(AUDIT_EVENT), { "type": "null" }] },
            "intent": { "type": ["object", "null"], "description": "What was announced before it ran" },
            "neighbours": {
                "type": "array",
                "description": "Other events of the same correlation id",
                "items": reference(AUDIT_EVENT),
            },
            "proof": { "type": ["object", "null"], "description": "Lines of an export in one object" },
        },
    });
    [(AUDIT_EVENT, event), (AUDIT_PAGE, page), (AUDIT_RECORD, record), (AUDIT_USAGE, summary())]
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}
