//! How the document describes what admins do, for those who may.

use serde_json::{Map, Value, json};

use super::{
    answers::{self, reference},
    names::{DISABLE, ENABLE, LIST_PROVIDERS, PROVIDER, PROVIDER_LIST, RELOAD, RELOADED, ROLL_BACK},
};
use crate::{
    health::Status,
    names::{ToolClass, ToolRole},
    registry::State,
    store::overrides::OverrideKind,
};

const TAG: &str = "admin";

/// The tag of its operations.
pub(super) fn tag() -> Value {
    json!({ "name": TAG, "description": "What admins see of the hub, and do to it. What changes something is on record" })
}

/// Its operations by path and method.
pub(super) fn paths() -> [(&'static str, &'static str, Value); 5] {
    let list = json!({
        "tags": [TAG],
        "operationId": LIST_PROVIDERS,
        "summary": "List providers",
        "description": "How each provider of the config is, what serves, and what that is granted.",
        "responses": answers::with(&reference(PROVIDER_LIST), "The providers"),
    });
    let reload = json!({
        "tags": [TAG],
        "operationId": RELOAD,
        "summary": "Reload",
        "description": "Reads the config and every component anew, and tries again what failed for a reason that may have passed. \
            409 `config_refused` if the config cannot be used: what was serving goes on serving.",
        "responses": answers::with(&reference(RELOADED), "What it came to"),
    });
    let disable = act(
        DISABLE,
        "Disable a provider",
        "Takes it out of service at once, here and on hubs that share the database, until it is enabled or its section of the config \
         is changed.",
    );
    let enable = act(
        ENABLE,
        "Enable a provider",
        "Lifts what an admin has disabled. 409 `override_refused` if it is the config that disables it.",
    );
    let roll_back = act(
        ROLL_BACK,
        "Roll a provider back",
        "Has the component serve that served before, with what the config grants now, until its section of the config is changed. \
         409 `override_refused` if there is none, or it does not fit the config.",
    );
    [
        ("/admin/providers", "get", list),
        ("/admin/providers/{provider}/disable", "post", disable),
        ("/admin/providers/{provider}/enable", "post", enable),
        ("/admin/providers/{provider}/rollback", "post", roll_back),
        ("/admin/reload", "post", reload),
    ]
}

fn act(id: &str, summary: &str, description: &str) -> Value {
    let provider = json!({ "name": "provider", "in": "path", "required": true, "schema": { "type": "string" } });
    json!({
        "tags": [TAG],
        "operationId": id,
        "summary": summary,
        "description": description,
        "parameters": [provider],
        "responses": answers::with(&reference(PROVIDER), "The provider as it is then"),
    })
}

/// Its components.
pub(super) fn schemas() -> Map<String, Value> {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let texts = json!({ "type": "array", "items": text });
    let (maybe_text, maybe_number) = (json!({ "type": ["string", "null"] }), json!({ "type": ["integer", "null"] }));
    let time = json!({ "type": "string", "format": "date-time" });
    let states: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
    let statuses: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let classes: Vec<_> = ToolClass::ALL.iter().map(|class| class.as_str()).collect();
    let roles: Vec<_> = ToolRole::ALL.iter().map(|role| role.as_str()).collect();
    let items = json!({ "description": "`all`, or a list", "anyOf": [text, texts] });
    let secret = json!({
        "type": "object",
        "required": ["name", "hosts", "reveal"],
        "properties": {
            "name": text,
            "hosts": { "type": ["array", "null"], "items": text, "description": "All of `allowed_hosts` where this is null" },
            "reveal": { "type": "boolean", "description": "Whether the provider may read the value itself" },
        },
    });
    let overriding = json!({
        "type": "object",
        "required": ["kind", "at"],
        "properties": {
            "kind": { "type": "string", "enum": OverrideKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>() },
            "component": { "type": ["string", "null"], "description": "SHA-256 of the component that serves instead" },
            "at": time,
            "by": { "type": ["string", "null"], "format": "uuid" },
        },
    });
    let provider = json!({
        "type": "object",
        "required": ["provider", "state", "health", "tools"],
        "properties": {
            "provider": text,
            "state": { "type": "string", "enum": states },
            "health": { "type": "string", "enum": statuses },
            "since": { "type": ["string", "null"], "format": "date-time", "description": "Since when it is as it is" },
            "revision": {
                "description": "What serves",
                "type": ["object", "null"],
                "properties": {
                    "id": text,
                    "component": { "type": "string", "description": "SHA-256 of the component" },
                    "config": { "type": "string", "description": "SHA-256 of what the config wants of it" },
                    "loaded_in_ms": number,
                },
            },
            "loading_for_ms": maybe_number,
            "problem": maybe_text,
            "last_problem": {
                "type": ["object", "null"],
                "properties": { "at": time, "problem": text },
            },
            "overrides": { "type": "array", "items": overriding, "description": "What admins have done to it" },
            "imports": texts,
            "grants": {
                "type": ["object", "null"],
                "properties": {
                    "allowed_hosts": texts,
                    "queries": texts,
                    "secrets": { "type": "array", "items": secret },
                    "resources": items,
                    "prompts": items,
                },
            },
            "tools": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": text,
                        "class": { "type": "string", "enum": classes },
                        "min_role": { "type": "string", "enum": roles },
                        "timeout_ms": number,
                        "schema_version": text,
                    },
                },
            },
        },
    });
    let list = json!({
        "type": "object",
        "required": ["config_error", "providers"],
        "properties": {
            "config_error": { "type": ["string", "null"], "description": "Why the newest config is not in use" },
            "providers": { "type": "array", "items": reference(PROVIDER) },
        },
    });
    [(PROVIDER, provider), (PROVIDER_LIST, list), (RELOADED, reloaded())]
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// What a reload came to.
fn reloaded() -> Value {
    let text = json!({ "type": "string" });
    let states: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
    let changed = json!({
        "type": "object",
        "required": ["provider", "state"],
        "properties": { "provider": text, "state": { "type": "string", "enum": states }, "revision": text },
    });
    let wrong = json!({
        "type": "object",
        "required": ["provider", "problem"],
        "properties": { "provider": text, "problem": text },
    });
    json!({
        "type": "object",
        "required": ["changed", "problems"],
        "properties": {
            "changed": { "type": "array", "items": changed },
            "problems": { "type": "array", "items": wrong, "description": "An old revision may still serve" },
            "overrides_ended": {
                "type": "array",
                "description": "What admins had done, which ended because the config's section was changed",
                "items": { "type": "object", "properties": { "provider": text, "kind": text } },
            },
            "loading": {
                "type": "array",
                "items": text,
                "description": "Those that take longer to load than an answer may: they are swapped in when they are ready",
            },
        },
    })
}
