//! `/admin/…`: what an admin sees of the hub, and does to it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{health, tools, trail::Asking};
use crate::{
    call::{AdminOperation, AdminOutput, Answer, Call, Hub, HubOperation, Operation, Output, Principal, ProviderAct},
    config::{Granted, HostEntry, ProviderConfig, QueryEntry},
    http::Admission,
    names::{ProviderName, Surface},
    registry::{Entry, Snapshot, State as ProviderState},
    store::overrides::{Override, Overriding},
};

pub(super) async fn providers(State(hub): State<Arc<Hub>>, asking: Asking) -> Response {
    answer(&hub, asking, AdminOperation::Providers).await
}

pub(super) async fn reload(State(hub): State<Arc<Hub>>, asking: Asking) -> Response {
    answer(&hub, asking, AdminOperation::Reload).await
}

pub(super) async fn disable(hub: State<Arc<Hub>>, asking: Asking, path: ProviderPath) -> Response {
    act(hub, asking, path, ProviderAct::Disable).await
}

pub(super) async fn enable(hub: State<Arc<Hub>>, asking: Asking, path: ProviderPath) -> Response {
    act(hub, asking, path, ProviderAct::Enable).await
}

pub(super) async fn roll_back(hub: State<Arc<Hub>>, asking: Asking, path: ProviderPath) -> Response {
    act(hub, asking, path, ProviderAct::RollBack).await
}

/// The provider that a path names.
type ProviderPath = Result<Path<String>, PathRejection>;

async fn act(State(hub): State<Arc<Hub>>, asking: Asking, path: ProviderPath, act: ProviderAct) -> Response {
    // What is no text is no provider's name either.
    let provider = path.map(|Path(provider)| provider).unwrap_or_default();
    answer(&hub, asking, AdminOperation::Override { provider, act }).await
}

async fn answer(hub: &Arc<Hub>, asking: Asking, asked: AdminOperation) -> Response {
    let (axum::Extension(caller), axum::Extension(Admission(permit)), axum::Extension(correlation)) = asking;
    let call = Call {
        principal: Principal::Caller(caller),
        permit,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        operation: Operation::OfHub(HubOperation::Admin(asked)),
    };
    let mut response = match hub.call(call).await {
        Answer { outcome: Ok(Output::Admin(output)), id } => {
            let document = match output {
                AdminOutput::Providers(snapshot) => listed(hub, &snapshot),
                AdminOutput::Reloaded(reloaded) => json!(reloaded),
                AdminOutput::Overridden(name, snapshot) => {
                    snapshot.entry(name.as_str()).map_or(Value::Null, |entry| provider(hub, &snapshot, &name, entry))
                }
            };
            tools::with_call_id(Json(document).into_response(), id)
        }
        refused => return tools::respond(refused, &[]),
    };
    // What it tells is not for the next who asks.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn listed(hub: &Hub, snapshot: &Snapshot) -> Value {
    let providers: Vec<_> = snapshot.entries().map(|(name, entry)| provider(hub, snapshot, name, entry)).collect();
    json!({ "config_error": snapshot.config_problem, "providers": providers })
}

fn provider(hub: &Hub, snapshot: &Snapshot, name: &ProviderName, entry: &Entry) -> Value {
    let (revision, problem) = match entry {
        Entry::Ready { revision, problem } => (Some(revision), problem.as_ref()),
        Entry::Failed(problem) => (None, Some(problem)),
        Entry::Loading { .. } | Entry::Disabled(_) => (None, None),
    };
    let standing = snapshot.standing(name.as_str());
    let last_problem = standing.and_then(|standing| standing.last_problem.as_ref());
    let config = revision.map(|revision| &revision.config).or_else(|| snapshot.config(name.as_str()));
    json!({
        "provider": name,
        "state": ProviderState::of(entry),
        "health": health::of(hub, name, entry).status,
        "since": standing.map(|standing| written(standing.since)),
        "revision": revision.map(|revision| json!({
            "id": revision.id,
            "component": revision.component,
            "config": revision.section,
            "loaded_in_ms": milliseconds(revision.took),
        })),
        "loading_for_ms": hub.registry().loading_for(name.as_str()).map(milliseconds),
        "problem": problem.map(ToString::to_string),
        "last_problem": last_problem.map(|(at, text)| json!({ "at": written(*at), "problem": text })),
        "overrides": hub.registry().imposed().of(name.as_str()).map(overriding).collect::<Vec<_>>(),
        "imports": revision.map(|revision| revision.compiled.imports()).unwrap_or_default(),
        "grants": config.map(grants),
        "tools": config.map(tools).unwrap_or_default(),
    })
}

/// What an admin has done to it.
fn overriding(of: &Override) -> Value {
    let component = match &of.what {
        Overriding::RolledBack { component } => Some(component),
        Overriding::Disabled => None,
    };
    json!({ "kind": of.what.kind().as_str(), "component": component, "at": written(of.at), "by": of.caller })
}

/// What the config lets it do beside its tools.
fn grants(config: &ProviderConfig) -> Value {
    let secrets = config.granted_secrets().map(|(name, grant)| {
        let hosts = grant.hosts.as_ref().map(|hosts| hosts.iter().map(HostEntry::as_str).collect::<Vec<_>>());
        json!({ "name": name, "hosts": hosts, "reveal": grant.reveal })
    });
    json!({
        "allowed_hosts": config.allowed_hosts.iter().map(HostEntry::as_str).collect::<Vec<_>>(),
        "queries": config.queries.iter().map(QueryEntry::as_str).collect::<Vec<_>>(),
        "secrets": secrets.collect::<Vec<_>>(),
        "resources": granted(&config.resources),
        "prompts": granted(&config.prompts),
    })
}

fn granted<T: ToString>(granted: &Granted<T>) -> Value {
    match granted {
        Granted::All => json!("all"),
        Granted::Listed(items) => items.iter().map(ToString::to_string).collect(),
    }
}

fn tools(config: &ProviderConfig) -> Vec<Value> {
    let tool = |tool: &crate::config::ToolGrant| {
        json!({
            "name": tool.name,
            "class": tool.class,
            "min_role": tool.min_role,
            "timeout_ms": tool.timeout_ms.get(),
            "schema_version": tool.schema_version,
        })
    };
    config.tools.iter().map(tool).collect()
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn milliseconds(time: std::time::Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
