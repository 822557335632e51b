//! `GET /openapi.json`: what the caller may call, from the running registry (OpenAPI 3.1, whose schemas are JSON Schema
//! 2020-12).
//!
//! It is made for client generators: every schema that others refer to is a component with a name of its own, and the same
//! caller gets the same bytes as long as the config is the same and the same providers are up.

mod admin;
mod answers;
mod names;
mod trail;

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use self::{
    answers::reference,
    names::{Names, Side},
};
use super::tools;
use crate::{
    call::{Answer, Call, CallError, Hub, HubOperation, Offers, Operation, Output, Principal},
    http::{Admission, Correlation, PublicAddress, problem},
    identity::Caller,
    names::Surface,
    registry::{Revision, Tool},
};

/// Where clients find the hub: the document's `servers`.
#[derive(Debug, Clone)]
pub(super) struct Server(Arc<str>);

impl Server {
    /// The public URL, else the address that the hub listens on; a hub that listens everywhere is where the document came
    /// from. Never what a request calls its host, which is the caller's to choose.
    pub(super) fn of(address: &PublicAddress) -> Self {
        let listening = address.listening.filter(|listening| !listening.ip().is_unspecified());
        let url = match (&address.base_url, listening) {
            (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
            (None, Some(listening)) => format!("{}://{listening}", address.scheme()),
            (None, None) => "/".to_owned(),
        };
        Self(url.into())
    }
}

pub(super) async fn answer(
    State(hub): State<Arc<Hub>>,
    Extension(server): Extension<Server>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(permit)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
) -> Response {
    let call = Call {
        principal: Principal::Caller(caller),
        permit,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        operation: Operation::OfHub(HubOperation::OpenApi),
    };
    match hub.call(call).await {
        Answer { outcome: Ok(Output::Offers(offers)), .. } => written(offers, server).await,
        refused => tools::respond(refused, &[]),
    }
}

/// The document, made in a thread of its own: for many tools it takes milliseconds.
async fn written(offers: Offers, server: Server) -> Response {
    let thread = tokio::task::spawn_blocking(move || document(&offers, &server).to_string());
    match thread.await {
        Ok(document) => ([(CONTENT_TYPE, "application/json")], document).into_response(),
        Err(error) => {
            tracing::error!(%error, "the OpenAPI document could not be made");
            problem(&CallError::Internal)
        }
    }
}

fn document(offers: &Offers, server: &Server) -> Value {
    let names = Names::of(offers.snapshot());
    let mut paths = Paths::default();
    let mut tags = Vec::new();
    let mut schemas = answers::schemas();
    for revision in offers.providers() {
        tags.push(json!({ "name": revision.name, "description": revision.offer.summary }));
        for tool in offers.callable(revision) {
            paths.add(revision, tool.name.as_str(), "post", operation(&names, revision, tool));
            for side in [Side::Input, Side::Output] {
                schemas.extend(components(&names, revision, tool, side));
            }
        }
        paths.add(revision, "health", "get", health_operation(&names, revision));
    }
    if offers.reads_the_trail() {
        tags.push(trail::tag());
        schemas.extend(trail::schemas());
        paths.0.extend(trail::paths().map(|(path, operation)| (path.to_owned(), json!({ "get": operation }))));
    }
    if offers.administers() {
        tags.push(admin::tag());
        schemas.extend(admin::schemas());
        let each = admin::paths().map(|(path, method, operation)| (path.to_owned(), json!({ method: operation })));
        paths.0.extend(each);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bulkhead",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One gateway for ops tools. Every call is authenticated, authorized, limited, checked and recorded.",
        },
        "servers": [{ "url": &*server.0 }],
        "tags": tags,
        "security": [{ "bearer": [] }],
        "paths": paths.0,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "headers": answers::headers(),
            "parameters": parameters(),
            "responses": answers::responses(),
            "schemas": schemas,
        },
    })
}

/// Operations by path and method: a tool may be called `health`, and is then where health is asked for.
#[derive(Default)]
struct Paths(Map<String, Value>);

impl Paths {
    fn add(&mut self, revision: &Revision, last: &str, method: &str, operation: Value) {
        let path = format!("/providers/{}/{last}", revision.name);
        let item = self.0.entry(path).or_insert_with(|| json!({}));
        item[method] = operation;
    }
}

fn operation(names: &Names<'_>, revision: &Revision, tool: &Tool) -> Value {
    let schema = |side| reference(names.component(&revision.name, tool, side, ""));
    json!({
        "tags": [revision.name],
        "operationId": names.operation(&revision.name, Some(&tool.name)),
        "summary": tool.title,
        "description": tool.description,
        "x-min-role": tool.grant.min_role,
        "x-class": tool.class,
        "x-timeout-ms": tool.grant.timeout_ms.get(),
        "x-schema-version": tool.grant.schema_version,
        "parameters": [{ "$ref": "#/components/parameters/Replays" }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": schema(Side::Input) } } },
        "responses": answers::with(&schema(Side::Output), "The tool's output"),
    })
}

/// What may go with a call beside its input.
fn parameters() -> Value {
    json!({ "Replays": {
        "name": "X-Replays",
        "in": "header",
        "required": false,
        "description": "The id of a failed call that this one issues again, and behind that `; again` if the tool acts: the audit \
            trail links the two",
        "schema": { "type": "string" },
    } })
}

/// A tool's schema and its parts, as components.
fn components(names: &Names<'_>, revision: &Revision, tool: &Tool, side: Side) -> Vec<(String, Value)> {
    let schema = side.schema(tool);
    let name = |pointer: &str| names.component(&revision.name, tool, side, pointer).to_owned();
    let to = |pointer: &str| format!("#/components/schemas/{}", name(pointer));
    let pointers = std::iter::once("").chain(schema.parts().map(|(pointer, _)| pointer));
    pointers.map(|pointer| (name(pointer), schema.part(pointer, &to))).collect()
}

fn health_operation(names: &Names<'_>, revision: &Revision) -> Value {
    json!({
        "tags": [revision.name],
        "operationId": names.operation(&revision.name, None),
        "summary": "Health",
        "description": "Checks the provider now.",
        "responses": answers::with_health(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_sent_where_the_hub_is_and_never_where_a_request_says() {
        let address = |url: Option<&str>, listening: &str| PublicAddress {
            base_url: url.map(|url| url.parse().expect("a URL")),
            listening: Some(listening.parse().expect("an address")),
            tls: None,
        };
        for (address, server) in [
            (address(Some("https://hub.example.org"), "0.0.0.0:8080"), "https://hub.example.org"),
            (address(Some("https://example.org/hub/"), "127.0.0.1:1"), "https://example.org/hub"),
            (address(None, "127.0.0.1:8080"), "http://127.0.0.1:8080"),
            (address(None, "[::1]:8080"), "http://[::1]:8080"),
            (address(None, "[::]:8080"), "/"),
            (PublicAddress::default(), "/"),
        ] {
            assert_eq!(&*Server::of(&address).0, server);
        }
    }
}
