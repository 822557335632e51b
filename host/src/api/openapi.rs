//! `GET /openapi.json`: what the caller may call, from the running registry (OpenAPI 3.1, whose schemas are JSON Schema
//! 2020-12).

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{Admission, Correlation, Refused};
use crate::{
    call::{Hub, ProviderName, Surface},
    identity::Caller,
    registry::Tool,
};

pub(super) async fn answer(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(place)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
) -> Response {
    match place {
        Ok(_) => Json(document(&hub, &caller)).into_response(),
        Err(full) => {
            Refused(hub.refuse(full, "openapi", Some(&caller), Surface::Rest, &correlation.0).await).into_response()
        }
    }
}

fn document(hub: &Hub, caller: &Caller) -> Value {
    let snapshot = hub.registry().snapshot();
    let mut paths = Map::new();
    let mut tags = Vec::new();
    // Who has no role may call nothing, and learns of nothing.
    for revision in snapshot.ready().filter(|_| caller.role.is_some()) {
        tags.push(json!({ "name": revision.name, "description": revision.offer.summary }));
        let callable = revision.offer.tools.values().filter(|tool| caller.role >= Some(tool.grant.min_role));
        for tool in callable {
            let path = format!("/providers/{}/{}", revision.name, tool.name);
            paths.insert(path, json!({ "post": operation(&revision.name, tool) }));
        }
        let path = format!("/providers/{}/health", revision.name);
        paths.insert(path, json!({ "get": health_operation(&revision.name) }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bulkhead",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One gateway for ops tools. Every call is authenticated, authorized, limited, checked and recorded.",
        },
        "tags": tags,
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "schemas": { "Problem": problem_schema(), "Health": health_schema() },
            "responses": { "Problem": {
                "description": "Why the call came to nothing",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            } },
        },
    })
}

fn operation(provider: &ProviderName, tool: &Tool) -> Value {
    json!({
        "tags": [provider],
        "operationId": format!("{provider}.{}", tool.name),
        "summary": tool.title,
        "description": tool.description,
        "x-min-role": tool.grant.min_role,
        "x-class": tool.class,
        "x-timeout-ms": tool.grant.timeout_ms.get(),
        "x-schema-version": tool.grant.schema_version,
        "requestBody": { "required": true, "content": { "application/json": { "schema": embedded(tool.input.document()) } } },
        "responses": {
            "200": {
                "description": "The tool's output",
                "content": { "application/json": { "schema": embedded(tool.output.document()) } },
            },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    })
}

/// A schema within the document. One with local references gets an identity of its own, so that `#/$defs/…` still means
/// the schema and not the document (JSON Schema 2020-12 §8.2.1).
fn embedded(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut()
        && object.contains_key("$defs")
    {
        object.entry("$id").or_insert_with(|| json!(format!("urn:uuid:{}", uuid::Uuid::new_v4())));
    }
    schema
}

fn health_operation(provider: &ProviderName) -> Value {
    let health = json!({
        "description": "The provider's health",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Health" } } },
    });
    json!({
        "tags": [provider],
        "operationId": format!("{provider}.health"),
        "summary": "Health",
        "responses": { "200": health, "503": health, "default": { "$ref": "#/components/responses/Problem" } },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "Stable: programs may rely on it" },
            "detail": { "type": "string", "description": "What to do next" },
            "errors": { "type": "array", "items": {
                "type": "object",
                "properties": { "pointer": { "type": "string" }, "message": { "type": "string" } },
            } },
        },
    })
}

fn health_schema() -> Value {
    json!({
        "type": "object",
        "required": ["provider", "status"],
        "properties": {
            "provider": { "type": "string" },
            "status": { "enum": ["ok", "degraded", "down"] },
            "latency_ms": { "type": ["integer", "null"] },
            "last_check": { "type": ["string", "null"], "format": "date-time" },
            "error": { "type": ["string", "null"] },
        },
    })
}
