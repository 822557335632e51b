//! `GET /health` tells what the last checks found; `GET /providers/{provider}/health` looks now.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use chrono::SecondsFormat;
use serde::Serialize;

use super::tools;
use crate::{
    call::{Call, CallError, Hub, Operation, Output, Principal, ProviderOperation},
    health::{Health, Status},
    http::{self, Admission, Correlation, Refused},
    identity::Caller,
    names::{OperationKind, Owner, ProviderName, Surface},
    registry::{DisabledBy, Entry, Revision, Snapshot},
    text::whole_seconds,
    tls::Tls,
};

/// The answer of `GET /health`.
#[derive(Debug, Serialize)]
struct Overview {
    /// `ok` or `down` if every provider is that is not disabled, otherwise `degraded`.
    status: Status,
    /// Why the newest config is not in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_error: Option<String>,
    /// Why nothing can be recorded, so that nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_error: Option<String>,
    /// Why checkpoints of the audit trail do not reach a place outside the database. Calls go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_error: Option<String>,
    /// Why events wait for long. Calls go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_error: Option<String>,
    /// Why the newest certificate is not in use. Calls go on, with the one from before.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_error: Option<String>,
    providers: Vec<Health>,
}

/// 200 when everything is healthy, 503 otherwise (A1). Load balancers need no token; what is wrong in detail is only told to
/// callers with one.
pub(super) async fn all(
    State(hub): State<Arc<Hub>>,
    Extension(correlation): Extension<Correlation>,
    Extension(tls): Extension<Option<Arc<Tls>>>,
    headers: HeaderMap,
) -> Response {
    let mut overview = overview(&hub, &hub.registry().snapshot(), tls.and_then(|tls| tls.problem()));
    if headers.contains_key(AUTHORIZATION) {
        match http::caller(&hub, &headers, Surface::Rest, &correlation).await {
            Ok(caller) if caller.role.is_some() => {}
            Ok(_) => overview.conceal(),
            Err(error) => return Refused(error).into_response(),
        }
    } else {
        overview.conceal();
    }
    let healthy = overview.status == Status::Ok && overview.config_error.is_none();
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(overview)).into_response()
}

impl Overview {
    fn conceal(&mut self) {
        let asked = "ask with a token to see why";
        self.config_error = self.config_error.take().map(|_| asked.to_owned());
        self.audit_error =
            self.audit_error.take().map(|_| "nothing can be recorded: ask with a token to see why".to_owned());
        self.checkpoint_error = self.checkpoint_error.take().map(|_| asked.to_owned());
        self.events_error = self.events_error.take().map(|_| asked.to_owned());
        self.certificate_error = self.certificate_error.take().map(|_| asked.to_owned());
        for health in &mut self.providers {
            health.error = health.error.take().map(|_| asked.to_owned());
        }
    }
}

fn overview(hub: &Hub, snapshot: &Snapshot, certificate_error: Option<String>) -> Overview {
    let providers: Vec<Health> = snapshot.entries().map(|(name, entry)| of(hub, name, entry)).collect();
    // Who is taken out of service on purpose is no sign of anything.
    let all = |status: Status| {
        let mut serving = providers.iter().filter(|health| health.status != Status::Disabled);
        serving.all(|health| health.status == status)
    };
    let status = if all(Status::Ok) {
        Status::Ok
    } else if all(Status::Down) {
        Status::Down
    } else {
        // Some of it works: the others go on while one is down.
        Status::Degraded
    };
    let audit_error = hub.recording_problem().map(|refusal| {
        let since = refusal.since.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("nothing can be recorded since {since}, so nothing runs: {}", refusal.why)
    });
    let checkpoint_error = hub.checkpoint_problem();
    let events_error = hub.events().delivery_problem();
    let problems = [&audit_error, &checkpoint_error, &events_error, &certificate_error];
    let is_impaired = problems.iter().any(|error| error.is_some());
    let status = if is_impaired { status.max(Status::Degraded) } else { status };
    let config_error = snapshot.config_problem.clone();
    Overview { status, config_error, audit_error, checkpoint_error, events_error, certificate_error, providers }
}

/// How a provider is, as far as is known without looking.
pub(super) fn of(hub: &Hub, name: &ProviderName, entry: &Entry) -> Health {
    match entry {
        Entry::Disabled(DisabledBy::Config) => unchecked(name.as_str(), Status::Disabled, None),
        Entry::Disabled(by @ DisabledBy::Admin) => {
            unchecked(name.as_str(), Status::Disabled, Some(by.remedy().to_owned()))
        }
        Entry::Loading { .. } => unchecked(name.as_str(), Status::Loading, Some("it is still loading".to_owned())),
        Entry::Failed(problem) => unchecked(name.as_str(), Status::Down, Some(problem.to_string())),
        Entry::Ready { revision, problem } => {
            let last = hub.health().last(name, &revision.id);
            let unknown = || unchecked(name.as_str(), Status::Degraded, Some("not checked yet".to_owned()));
            let mut health = last.unwrap_or_else(unknown);
            tell_of_breakers(revision, &mut health);
            if let Some(problem) = problem {
                health.status = health.status.max(Status::Degraded);
                health.error = Some(format!("an older revision is serving, because {problem}"));
            }
            health
        }
    }
}

/// An upstream that keeps failing is told as soon as it is known, whatever the last check found.
fn tell_of_breakers(revision: &Revision, health: &mut Health) {
    if let Some(open) = revision.breakers.all_open() {
        (health.status, health.error) = (Status::Down, Some(open.to_string()));
    } else if let Some(open) = revision.breakers.open().first() {
        health.status = health.status.max(Status::Degraded);
        health.error = Some(open.to_string());
    }
}

fn unchecked(provider: &str, status: Status, error: Option<String>) -> Health {
    Health { provider: provider.to_owned(), status, latency_ms: None, last_check: None, error, code: None }
}

/// Checks one provider. 503 when it does not serve, so that a probe needs to read nothing.
pub(super) async fn provider(
    State(hub): State<Arc<Hub>>,
    Extension(caller): Extension<Arc<Caller>>,
    Extension(Admission(permit)): Extension<Admission>,
    Extension(correlation): Extension<Correlation>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(provider)) = path else {
        return http::refused(&hub, http::path_malformed(), OperationKind::CheckHealth, Some(&caller), &correlation)
            .await;
    };
    let (asker, asked) = (Arc::clone(&caller), provider.clone());
    let call = Call {
        principal: Principal::Caller(caller),
        permit,
        surface: Surface::Rest,
        correlation_id: correlation.0,
        operation: Operation::OfProvider { owner: Owner::Provider(provider), asked: ProviderOperation::CheckHealth },
    };
    let mut answer = hub.call(call).await;
    // A provider that cannot even be asked says so in the same form.
    let retry_after = answer.outcome.as_ref().err().and_then(CallError::retry_after);
    let unasked = match &answer.outcome {
        Err(CallError::Unavailable { provider, reason }) => {
            Some(unchecked(provider, Status::Down, Some(reason.clone())))
        }
        Err(error @ CallError::Disabled { provider, .. }) => {
            Some(unchecked(provider, Status::Disabled, Some(error.to_string())))
        }
        Err(error @ CallError::Loading(provider)) => {
            Some(unchecked(provider, Status::Loading, Some(error.to_string())))
        }
        _ => None,
    };
    if let Some(health) = unasked {
        answer.outcome = Ok(Output::Health(health));
    }
    let serves = |health: &Health| matches!(health.status, Status::Ok | Status::Degraded);
    let out = matches!(&answer.outcome, Ok(Output::Health(health)) if !serves(health));
    let mut near = Vec::new();
    if let Err(CallError::UnknownProvider(_)) = &answer.outcome {
        near = hub.near_provider(&asker, &asked);
    }
    let near: Vec<_> = near.iter().map(ToString::to_string).collect();
    let mut response = tools::respond(answer, &near);
    if out {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        if let Some(after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, whole_seconds(after).into());
        }
    }
    response
}
