//! The answers that every operation may give beside its own, and what is in them.

use serde_json::{Value, json};

use super::names::{HEALTH, PROBLEM, VIOLATION};

/// What may go wrong: the component, the statuses that it stands for, and what they mean.
const ANSWERS: [(&str, &[&str], &str); 7] = [
    (
        "NotAccepted",
        &["400", "408", "413", "415"],
        "The input is not accepted: `errors` names the fields that are wrong",
    ),
    ("NotAuthenticated", &["401"], "No valid bearer token"),
    ("NotAllowed", &["403"], "The token's role is too low"),
    ("NotFound", &["404"], "There is no such provider or tool"),
    ("Limited", &["429"], "A limit is reached: try again when `Retry-After` says"),
    ("Failed", &["409", "500", "502", "504"], "The provider, or what it asks, did not do it"),
    ("Unavailable", &["503"], "Not now: the provider is down or busy, or nothing can be recorded"),
];

/// The answers of an operation whose success is described by `schema`.
pub(super) fn with(schema: &Value, description: &str) -> Value {
    let mut answers = refusals();
    answers["200"] = json!({
        "description": description,
        "headers": { "X-Call-Id": { "$ref": "#/components/headers/CallId" } },
        "content": { "application/json": { "schema": schema } },
    });
    answers
}

/// The answers of a health check, which tells of a provider that is down as of a healthy one.
pub(super) fn with_health() -> Value {
    let schema = reference(HEALTH);
    let mut answers = with(&schema, "The provider's health");
    answers["503"] = json!({
        "description": "The provider is down",
        "headers": { "Retry-After": { "$ref": "#/components/headers/RetryAfter" } },
        "content": { "application/json": { "schema": schema } },
    });
    answers
}

fn refusals() -> Value {
    let each = ANSWERS.iter().flat_map(|(name, statuses, _)| {
        let answer = json!({ "$ref": format!("#/components/responses/{name}") });
        statuses.iter().map(move |status| ((*status).to_owned(), answer.clone()))
    });
    Value::Object(each.collect())
}

/// Those answers as components.
pub(super) fn responses() -> Value {
    let each = ANSWERS.iter().map(|(name, _, description)| {
        let mut answer = json!({
            "description": description,
            "content": { "application/problem+json": { "schema": reference(PROBLEM) } },
        });
        match *name {
            "Limited" | "Unavailable" => {
                answer["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/RetryAfter" } });
            }
            "NotAuthenticated" | "NotAllowed" => {
                answer["headers"] = json!({ "WWW-Authenticate": { "schema": { "type": "string" } } });
            }
            _ => {}
        }
        ((*name).to_owned(), answer)
    });
    Value::Object(each.collect())
}

/// The headers that answers share.
pub(super) fn headers() -> Value {
    json!({
        "CallId": {
            "description": "Names the call's row in the audit trail",
            "schema": { "type": "string", "format": "uuid" },
        },
        "RetryAfter": {
            "description": "Whole seconds after which trying again makes sense, where that is known",
            "schema": { "type": "integer", "minimum": 1 },
        },
    })
}

/// The schemas that are there whatever the registry holds.
pub(super) fn schemas() -> [(&'static str, Value); 3] {
    let problem = json!({
        "description": "What went wrong and what to do next (RFC 9457)",
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string", "description": "A URI that says the same as `code`" },
            "title": { "type": "string" },
            "status": { "type": "integer", "description": "The HTTP status" },
            "code": { "type": "string", "description": "Stable: programs may rely on it" },
            "detail": { "type": "string", "description": "What is wrong, and how to fix it" },
            "next": { "type": "string", "description": "What to do next, and when to try again" },
            "errors": {
                "type": "array",
                "description": "The fields that are wrong",
                "items": reference(VIOLATION),
            },
        },
    });
    let violation = json!({
        "description": "A field that is wrong",
        "type": "object",
        "required": ["pointer", "message"],
        "properties": {
            "pointer": { "type": "string", "description": "Where: a JSON pointer (RFC 6901), empty for the whole" },
            "message": { "type": "string", "description": "What is wrong there" },
        },
    });
    let health = json!({
        "description": "What the last check of a provider found",
        "type": "object",
        "required": ["provider", "status"],
        "properties": {
            "provider": { "type": "string" },
            "status": { "type": "string", "enum": ["ok", "degraded", "down", "loading", "disabled"] },
            "latency_ms": { "type": ["integer", "null"] },
            "last_check": { "type": ["string", "null"], "format": "date-time" },
            "error": { "type": ["string", "null"], "description": "Why it is not healthy, and how to fix that" },
        },
    });
    [(PROBLEM, problem), (VIOLATION, violation), (HEALTH, health)]
}

/// A reference to a component.
pub(super) fn reference(component: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{component}") })
}
