//! `GET /metrics` for Prometheus, on a listener of its own: what was counted, and what can be looked at now.
//!
//! Needs no token, as Prometheus's exporters need none: it tells numbers and names of the config, and nothing of a call. Whoever may
//! reach the listener may read them.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::Utc;

use super::health;
use crate::{
    call::Hub,
    health::Status,
    registry::Snapshot,
    sandbox::Load,
    telemetry::metrics::{Look, MEDIA_TYPE},
};

/// The one route of the listener for metrics.
pub fn metrics(hub: &Arc<Hub>) -> Router {
    Router::new().route("/metrics", get(answer)).with_state(Arc::clone(hub))
}

async fn answer(State(hub): State<Arc<Hub>>) -> Response {
    match look(&hub).and_then(|look| look.text()) {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be told");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Looks at everything that has a value now.
fn look(hub: &Hub) -> Result<Look, prometheus::Error> {
    let snapshot = hub.registry().snapshot();
    let mut look = Look::new();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    look.gauge(("bulkhead_build_info", "The hub's version, as a label."), ["version"], [([version], 1)])?;
    let mut yes_or_no = |name, help, is_so: bool| look.gauge((name, help), [], [([], is_so.into())]);
    yes_or_no("bulkhead_ready", "Whether calls should come here, as /readyz says.", hub.not_ready().is_empty())?;
    yes_or_no("bulkhead_recording", "Whether operations can be recorded.", hub.recording_problem().is_none())?;
    yes_or_no("bulkhead_config_usable", "Whether the newest config is in use.", snapshot.config_problem.is_none())?;
    let checkpoints = hub.checkpoint_problem().is_none();
    yes_or_no("bulkhead_checkpoints_given", "Whether checkpoints of the trail reach their places.", checkpoints)?;
    let backlog = hub.events().backlog();
    let age = backlog.oldest.map_or(0, |oldest| (Utc::now() - oldest).num_seconds().max(0));
    let waiting = i64::try_from(backlog.events).unwrap_or(i64::MAX);
    look.gauge(("bulkhead_outbox_events", "Events that wait to be delivered."), [], [([], waiting)])?;
    look.gauge(("bulkhead_outbox_age_seconds", "How long the oldest of them has waited."), [], [([], age)])?;
    of_providers(hub, &snapshot, &mut look)?;
    of_runs(&mut look, "bulkhead_hub_runs", "callers' runs of all providers", [([], hub.registry().sandbox().load())])?;
    Ok(look)
}

fn of_providers(hub: &Hub, snapshot: &Snapshot, look: &mut Look) -> Result<(), prometheus::Error> {
    let statuses = snapshot.entries().flat_map(|(name, entry)| {
        let health = health::of(hub, name, entry);
        Status::ALL
            .iter()
            .map(move |status| ([name.to_string(), status.to_string()], i64::from(health.status == *status)))
    });
    let about =
        ("bulkhead_provider_status", "1 for the status that a provider has, as /health says, 0 for the others.");
    look.gauge(about, ["provider", "status"], statuses)?;
    let open = snapshot.ready().map(|revision| {
        ([revision.name.to_string()], i64::try_from(revision.breakers.open().len()).unwrap_or(i64::MAX))
    });
    let about = ("bulkhead_breakers_open", "Upstreams of a provider that are sent nothing, because they keep failing.");
    look.gauge(about, ["provider"], open)?;
    let runs = snapshot.ready().map(|revision| ([revision.name.to_string()], revision.compiled.load()));
    of_runs(look, "bulkhead_provider_runs", "a provider's runs for callers", runs)
}

/// How much of a concurrency limit is in use.
fn of_runs<const N: usize>(
    look: &mut Look,
    name: &str,
    what: &str,
    loads: impl IntoIterator<Item = ([String; N], Load)>,
) -> Result<(), prometheus::Error> {
    let labels = ["provider"; N];
    let loads: Vec<_> = loads.into_iter().collect();
    let mut part = |part: &str, help: &str, value: fn(&Load) -> i64| {
        let values = loads.iter().map(|(of, load)| (of.clone(), value(load)));
        look.gauge((&format!("{name}_{part}"), &format!("{help}: {what}.")), labels, values)
    };
    part("running", "Under way now", |load| load.taken.into())?;
    part("waiting", "Waiting for others to end", |load| i64::try_from(load.waiting).unwrap_or(i64::MAX))?;
    part("limit", "As many as may be under way at once", |load| load.permits.into())
}
