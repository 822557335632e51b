//! The answers that every operation may give beside its own, and what is in them.

use schemars::{generate::SchemaSettings, transform::RestrictFormats};
use serde_json::{Map, Value, json};

use super::names::{HEALTH, PROBLEM};
use crate::{health::Health, http::Problem};

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

/// The schemas that are there whatever the registry holds: made from the types that are answered.
pub(super) fn schemas() -> Map<String, Value> {
    let mut formats = RestrictFormats::default();
    // Not those of Rust's numbers, which generators do not know.
    formats.infer_from_meta_schema = false;
    formats.allowed_formats.insert("date-time".into());
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(formats);
    let mut schemas =
        settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator();
    schemas.subschema_for::<Problem>();
    schemas.subschema_for::<Health>();
    schemas.take_definitions(true)
}

/// A reference to a component.
pub(super) fn reference(component: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{component}") })
}

#[cfg(test)]
mod tests {
    use super::{super::names::VIOLATION, *};

    #[test]
    fn what_is_answered_is_described_from_its_types() {
        let schemas = schemas();
        assert_eq!(schemas.keys().collect::<Vec<_>>(), [HEALTH, PROBLEM, VIOLATION]);
        let (problem, health) = (&schemas[PROBLEM], &schemas[HEALTH]);
        assert_eq!(problem["required"], json!(["type", "title", "status", "code", "detail"]));
        assert_eq!(problem["properties"]["errors"]["items"], reference(VIOLATION));
        assert_eq!(problem["properties"]["code"]["type"], "string");
        assert_eq!(health["properties"]["status"]["enum"], json!(["ok", "degraded", "down", "loading", "disabled"]));
        assert_eq!(health["properties"]["last_check"]["type"], json!(["string", "null"]));
        assert_eq!(health["properties"]["last_check"]["format"], "date-time");
        assert!(!json!(schemas).to_string().contains("uint"), "{schemas:?}");
    }
}
