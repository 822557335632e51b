//! `GET /health` tells what the last checks found; `GET /providers/{provider}/health` looks now.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Admission, Correlation, Refused, access, tools};
use crate::{
    call::{Call, CallError, Hub, Operation, Output, Principal, Surface},
    health::{Health, Status},
    identity::{Caller, Role},
    registry::{Entry, Snapshot},
};

/// The answer of `GET /health`.
#[derive(Debug, Serialize)]
struct Overview {
    /// `ok` or `down` if every provider is, otherwise `degraded`.
    status: Status,
    /// Why the newest config is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_error: Option<String>,
    providers: Vec<Health>,
}

/// 200 when all is well, 503 otherwise (A1). Load balancers need no token; what is wrong in detail is only told to
/// callers with one.
pub(super) async fn all(
    State(hub): State<Arc<Hub>>,
    Extension(correlation): Extension<Correlation>,
    headers: HeaderMap,
) -> Response {
    let mut overview = overview(&hub, &hub.registry().snapshot());
    if headers.contains_key(AUTHORIZATION) {
        match access::caller(&hub, &headers, Surface::Rest, &correlation).await {
            Ok(caller) if caller.role >= Some(Role::OpsViewer) => {}
            Ok(_) => overview.conceal(),
            Err(error) => return Refused(error).into_response(),
        }
    } else {
        overview.conceal();
    }
    let well = overview.status == Status::Ok && overview.config_error.is_none();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(overview)).into_response()
}

impl Overview {
    fn conceal(&mut self) {
        let asked = "ask with a token to see why";
        self.config_error = self.config_error.take().map(|_| asked.to_owned());
        for health in &mut self.providers {
            health.error = health.error.take().map(|_| asked.to_owned());
        }
    }
}

fn overview(hub: &Hub, snapshot: &Snapshot) -> Overview {
    let providers: Vec<Health> = snapshot
        .entries()
        .filter_map(|(name, entry)| match entry {
            Entry::Disabled => None,
            Entry::Failed(reason) => Some(unchecked(name.as_str(), Status::Down, reason)),
            Entry::Ready { revision, problem } => {
                let last = hub.health().last(name, &revision.id);
                let mut health = last.unwrap_or_else(|| unchecked(name.as_str(), Status::Degraded, "not checked yet"));
                if let Some(problem) = problem {
                    health.status = health.status.max(Status::Degraded);
                    health.error = Some(format!("an older revision is serving, because {problem}"));
                }
                Some(health)
            }
        })
        .collect();
    let is = |status: Status| move |health: &Health| health.status == status;
    let status = if providers.iter().all(is(Status::Ok)) {
        Status::Ok
    } else if providers.iter().all(is(Status::Down)) {
        Status::Down
    } else {
        // Some of it works: the others go on while one is down.
        Status::Degraded
    };
    Overview { status, config_error: snapshot.config_problem.clone(), providers }
}

fn unchecked(provider: &str, status: Status, error: &str) -> Health {
    Health { provider: provider.to_owned(), status, latency_ms: None, last_check: None, error: Some(error.to_owned()) }
}

/// Checks one provider. 503 when it is down, so that a probe needs to read nothing.
pub(super) async fn provider(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(place)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
    Path(provider): Path<String>,
) -> Response {
    let call = Call {
        principal: Principal::Caller(caller),
        place,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        provider,
        operation: Operation::CheckHealth,
    };
    let mut answer = hub.call(call).await;
    // A provider that cannot even be asked is down, and says so in the same form.
    if let Err(CallError::Unavailable { provider, reason }) = &answer.outcome {
        answer.outcome = Ok(Output::Health(unchecked(provider, Status::Down, reason)));
    }
    let down = matches!(&answer.outcome, Ok(Output::Health(health)) if health.status == Status::Down);
    let mut response = tools::respond(&answer);
    if down {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
