//! The line that every call walks, once, in this order. A refusal at any step still reaches `record`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::Utc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    Answer, Call, CallError, CorrelationId, Input, Operation, Output, Principal, ProviderFault, Surface, ToolClass,
    record::Draft,
};
use crate::call::InputFault;
use crate::{
    audit::{Audit, Event},
    config::{RateLimits, ToolTimeout},
    health::{CHECK_TIME, Health, HealthBoard, Status},
    identity::{Caller, Identity, IdentityError, Role},
    limits::{LimitKey, Limiter},
    registry::{Entry, Registry, Revision, Tool},
    sandbox::{CallContext, GateSet, HealthStatus, Run, RunError, Traces},
    vault::{CallSecrets, Vault},
};

/// The role that reading resources, rendering prompts and looking at health needs.
const READ_ROLE: Role = Role::OpsViewer;

/// What the hub is made of.
#[derive(Debug)]
pub struct HubParts {
    /// Which providers there are.
    pub registry: Arc<Registry>,
    /// Who calls.
    pub identity: Identity,
    /// How often they may.
    pub limiter: Limiter,
    /// Where secrets are.
    pub vault: Arc<Vault>,
    /// What happened.
    pub audit: Audit,
    /// How the providers are.
    pub health: HealthBoard,
}

/// The hub: the one thing that every surface calls.
#[derive(Debug)]
pub struct Hub {
    parts: HubParts,
    /// Every call that is under way.
    calls: TaskTracker,
}

impl Hub {
    /// A hub of these parts.
    #[must_use]
    pub fn new(parts: HubParts) -> Arc<Self> {
        Arc::new(Self { parts, calls: TaskTracker::new() })
    }

    /// Which providers there are.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.parts.registry
    }

    /// How the providers are.
    #[must_use]
    pub fn health(&self) -> &HealthBoard {
        &self.parts.health
    }

    /// Who callers are verified by.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// Authenticates a bearer token. A refusal is on record when this returns.
    ///
    /// # Errors
    /// When there is no token or it is not valid.
    pub async fn authenticate(
        &self,
        token: Option<&str>,
        surface: Surface,
        correlation_id: &CorrelationId,
    ) -> Result<Arc<Caller>, CallError> {
        let verified = match token {
            Some(token) => self.parts.identity.verify(token).await,
            None => Err(IdentityError::Missing),
        };
        match verified {
            Ok(caller) => Ok(Arc::new(caller)),
            Err(error) => Err(self.refuse(error.into(), "authenticate", None, surface, correlation_id).await),
        }
    }

    /// Records a refusal that comes before there is a call: no identity, or a message that nothing can be read from.
    /// Gives back the error to answer with.
    pub async fn refuse(
        &self,
        error: CallError,
        operation: &'static str,
        caller: Option<&Caller>,
        surface: Surface,
        correlation_id: &CorrelationId,
    ) -> CallError {
        let event = Event {
            id: Uuid::now_v7(),
            created_at: Utc::now(),
            provider: None,
            tool: None,
            caller_id: caller.map(|caller| caller.user),
            caller_role: caller.and_then(|caller| caller.role),
            team: caller.and_then(|caller| caller.team.clone()),
            payload: None,
            result: None,
            outcome: error.outcome(),
            error_code: Some(error.code()),
            error: Some(error.to_string()),
            duration_ms: 0,
            hostname: None,
            operation,
            surface: surface.as_str(),
            correlation_id: correlation_id.to_string(),
            revision: None,
        };
        log(&event);
        match self.parts.audit.record(event).await {
            Ok(()) => error,
            Err(error) => error.into(),
        }
    }

    /// Walks the line. When this future is dropped the call is cancelled, and recorded as that.
    pub async fn call(self: &Arc<Self>, call: Call) -> Answer {
        let gone = CancellationToken::new();
        let _cancels_when_dropped = gone.clone().drop_guard();
        let hub = Arc::clone(self);
        // In a task of its own, so that recording does not depend on anybody waiting for the answer.
        match self.calls.spawn(async move { hub.walk(call, gone).await }).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a call's task broke");
                Answer { id: Uuid::now_v7(), outcome: Err(CallError::Internal) }
            }
        }
    }

    /// Waits until every call has been recorded. No new ones should come.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    async fn walk(&self, call: Call, gone: CancellationToken) -> Answer {
        let mut draft = Draft::of(&call);
        let id = draft.id;
        let traces = Traces::default();
        let correlation_id = call.correlation_id.clone();
        let outcome = self.steps(call, &mut draft, &traces, gone).await;
        let event = draft.finish(&outcome, traces.hostname());
        log(&event);
        publish(traces, &correlation_id);
        match self.parts.audit.record(event).await {
            Ok(()) => Answer { id, outcome },
            Err(error) => Answer { id, outcome: Err(error.into()) },
        }
    }

    async fn steps(
        &self,
        call: Call,
        draft: &mut Draft,
        traces: &Traces,
        gone: CancellationToken,
    ) -> Result<Output, CallError> {
        let revision = self.look_up(&call.provider)?;
        draft.revision = Some(revision.id.clone());
        let opening = Opening { call: &call, traces, gone };
        match &call.operation {
            Operation::CallTool { tool, input } => {
                let tool = revision.tool(tool).ok_or_else(|| unknown(&revision, "tool", tool))?;
                authorize(&call.principal, tool.grant.min_role)?;
                self.fail_fast(&revision)?;
                self.limit(&call.principal, &revision, tool.class)?;
                let input = validated_input(tool, input)?;
                if tool.class != ToolClass::Read {
                    self.parts.audit.intend(draft.intent()).await?;
                }
                self.call_tool(&revision, tool, &input, opening, draft).await
            }
            Operation::ReadResource { uri } => {
                if !revision.offer.has_resource(uri) {
                    return Err(unknown(&revision, "resource", uri));
                }
                self.admit_read(&call.principal, &revision)?;
                self.read_resource(&revision, uri, opening, draft).await
            }
            Operation::GetPrompt { prompt, arguments } => {
                let Some(known) = revision.offer.prompts.iter().find(|known| known.name == *prompt) else {
                    return Err(unknown(&revision, "prompt", prompt));
                };
                self.admit_read(&call.principal, &revision)?;
                require_arguments(known, arguments)?;
                self.get_prompt(&revision, prompt, arguments, opening, draft).await
            }
            Operation::CheckHealth => {
                authorize(&call.principal, READ_ROLE)?;
                if matches!(call.principal, Principal::Caller(_))
                    && let Some(fresh) = self.parts.health.fresh(&revision.name, &revision.id)
                {
                    return Ok(Output::Health(fresh));
                }
                Ok(Output::Health(self.check_health(&revision, opening, draft).await))
            }
        }
    }

    fn look_up(&self, provider: &str) -> Result<Arc<Revision>, CallError> {
        let snapshot = self.parts.registry.snapshot();
        let unavailable = |reason: String| CallError::Unavailable { provider: provider.to_owned(), reason };
        match snapshot.entry(provider) {
            None => Err(CallError::UnknownProvider(provider.to_owned())),
            Some(Entry::Ready { revision, .. }) => Ok(Arc::clone(revision)),
            Some(Entry::Disabled) => {
                Err(unavailable("it is disabled: an admin can set `enabled: true` in provider-config.yaml".to_owned()))
            }
            Some(Entry::Failed(reason)) => Err(unavailable(reason.clone())),
        }
    }

    fn admit_read(&self, principal: &Principal, revision: &Revision) -> Result<(), CallError> {
        authorize(principal, READ_ROLE)?;
        self.fail_fast(revision)?;
        self.limit(principal, revision, ToolClass::Read)
    }

    fn fail_fast(&self, revision: &Revision) -> Result<(), CallError> {
        match self.parts.health.down(&revision.name, &revision.id) {
            None => Ok(()),
            Some(reason) => Err(CallError::Unavailable { provider: revision.name.to_string(), reason }),
        }
    }

    fn limit(&self, principal: &Principal, revision: &Revision, class: ToolClass) -> Result<(), CallError> {
        let Principal::Caller(caller) = principal else { return Ok(()) };
        let limits: &RateLimits = &revision.config.rate_limits;
        let Some(quota) = caller.role.and_then(|role| limits.quota(role, class)) else { return Ok(()) };
        let key = LimitKey { user: caller.user, provider: revision.name.clone(), class };
        self.parts.limiter.admit(&key, quota).map_err(|retry_after| CallError::RateLimited {
            provider: revision.name.to_string(),
            class,
            quota,
            retry_after,
        })
    }

    async fn call_tool(
        &self,
        revision: &Revision,
        tool: &Tool,
        input: &str,
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let timeout = tool.grant.timeout_ms.duration();
        let (run, secrets) = self.open(revision, opening, timeout);
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.call_tool(&revision.compiled, run, context, tool.name.as_str(), input).await?;
        let mut output = answer.map_err(|fault| scrubbed(fault.into(), &secrets))?;
        secrets.scrub(&mut output.output);
        scrub_content(&mut output.content, &secrets);
        let value = serde_json::from_str(&output.output).map_err(|error| not_json(&error))?;
        let violations = tool.output_violations(&value);
        if violations.is_empty() {
            Ok(Output::Tool { value, content: output.content })
        } else {
            Err(CallError::InvalidOutput(violations))
        }
    }

    async fn read_resource(
        &self,
        revision: &Revision,
        uri: &str,
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let (run, secrets) = self.open(revision, opening, ToolTimeout::default().duration());
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.read_resource(&revision.compiled, run, context, uri).await?;
        let mut contents = answer.map_err(|fault| scrubbed(fault.into(), &secrets))?;
        contents.iter_mut().for_each(|content| scrub_body(&mut content.body, &secrets));
        Ok(Output::Resource(contents))
    }

    async fn get_prompt(
        &self,
        revision: &Revision,
        prompt: &str,
        arguments: &[(String, String)],
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let (run, secrets) = self.open(revision, opening, ToolTimeout::default().duration());
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.get_prompt(&revision.compiled, run, context, prompt, arguments).await?;
        let mut messages = answer.map_err(|fault| scrubbed(fault.into(), &secrets))?;
        messages.iter_mut().for_each(|message| scrub_content(std::slice::from_mut(&mut message.content), &secrets));
        Ok(Output::Prompt(messages))
    }

    /// Asks the provider and notes what it said. A check that does not end in time counts as degraded (G6).
    async fn check_health(&self, revision: &Revision, opening: Opening<'_>, draft: &Draft) -> Health {
        let (run, secrets) = self.open(revision, opening, CHECK_TIME);
        let context = context(revision, &run, draft);
        let found = self.parts.registry.sandbox().check_health(&revision.compiled, run, context).await;
        let (status, error) = match found {
            Ok(health) => {
                let mut reason = health.reason;
                secrets.scrub(&mut reason);
                let status = match health.status {
                    HealthStatus::Ok => Status::Ok,
                    HealthStatus::Degraded => Status::Degraded,
                    HealthStatus::Down => Status::Down,
                };
                (status, Some(reason).filter(|reason| !reason.is_empty() && status != Status::Ok))
            }
            Err(error @ (RunError::Timeout(_) | RunError::Cancelled | RunError::Busy(_))) => {
                (Status::Degraded, Some(format!("the health check did not end: {error}")))
            }
            Err(error) => (Status::Down, Some(error.to_string())),
        };
        let health = Health {
            provider: revision.name.to_string(),
            status,
            latency_ms: Some(draft.elapsed_ms()),
            last_check: Some(Utc::now()),
            error,
        };
        self.parts.health.note(&revision.name, &revision.id, health.clone());
        health
    }

    /// Opens the gates for one run.
    fn open(&self, revision: &Revision, opening: Opening<'_>, timeout: Duration) -> (Run, Arc<CallSecrets>) {
        let secrets = Arc::new(CallSecrets::new(Arc::clone(&self.parts.vault), Arc::clone(&revision.grants)));
        let gates = GateSet {
            provider: revision.name.clone(),
            outbound: Arc::clone(&revision.outbound),
            secrets: Arc::clone(&secrets),
            traces: opening.traces.clone(),
            correlation_id: opening.call.correlation_id.to_string(),
        };
        (Run { gates, timeout, cancelled: opening.gone }, secrets)
    }
}

/// What opening the gates needs to know of the call.
struct Opening<'a> {
    call: &'a Call,
    traces: &'a Traces,
    gone: CancellationToken,
}

fn authorize(principal: &Principal, needed: Role) -> Result<(), CallError> {
    match principal {
        // The hub itself only ever checks health.
        Principal::Hub => Ok(()),
        Principal::Caller(caller) if caller.role.is_some_and(|role| role >= needed) => Ok(()),
        Principal::Caller(caller) => Err(CallError::Forbidden { needed, has: caller.role }),
    }
}

fn unknown(revision: &Revision, kind: &'static str, name: &str) -> CallError {
    CallError::UnknownItem { provider: revision.name.to_string(), kind, name: name.to_owned() }
}

fn validated_input(tool: &Tool, input: &Input) -> Result<String, CallError> {
    let input = input.as_ref().map_err(Clone::clone)?;
    let violations = tool.input_violations(input);
    if violations.is_empty() { Ok(input.to_string()) } else { Err(InputFault::Invalid(violations).into()) }
}

fn require_arguments(prompt: &crate::registry::Prompt, given: &[(String, String)]) -> Result<(), CallError> {
    let missing = prompt
        .arguments
        .iter()
        .filter(|(name, _, required)| *required && !given.iter().any(|(given, _)| given == name));
    let violations: Vec<_> = missing
        .map(|(name, ..)| super::Violation { pointer: format!("/{name}"), message: "is required".to_owned() })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(InputFault::Invalid(violations).into()) }
}

fn context(revision: &Revision, run: &Run, draft: &Draft) -> CallContext {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    CallContext {
        call_id: draft.id.to_string(),
        correlation_id: run.gates.correlation_id.clone(),
        deadline_ms: run.timeout.as_millis().try_into().unwrap_or(u32::MAX),
        settings: revision.settings.clone(),
        now_ms: now.as_millis().try_into().unwrap_or(u64::MAX),
    }
}

fn scrubbed(mut fault: ProviderFault, secrets: &CallSecrets) -> CallError {
    secrets.scrub(&mut fault.message);
    fault.into()
}

fn scrub_content(contents: &mut [crate::sandbox::Content], secrets: &CallSecrets) {
    use crate::sandbox::Content;
    for content in contents {
        match content {
            Content::Text(text) => secrets.scrub(text),
            Content::Resource(resource) => scrub_body(&mut resource.body, secrets),
            Content::Image(_) | Content::Audio(_) => {}
        }
    }
}

fn scrub_body(body: &mut crate::sandbox::ResourceBody, secrets: &CallSecrets) {
    if let crate::sandbox::ResourceBody::Text(text) = body {
        secrets.scrub(text);
    }
}

fn not_json(error: &serde_json::Error) -> CallError {
    CallError::InvalidOutput(vec![super::Violation { pointer: String::new(), message: format!("not JSON: {error}") }])
}

/// One line per operation; the payload stays in the audit trail.
fn log(event: &Event) {
    tracing::info!(
        call_id = %event.id,
        correlation_id = event.correlation_id,
        surface = event.surface,
        operation = event.operation,
        provider = event.provider,
        tool = event.tool,
        role = event.caller_role.map(Role::as_str),
        outcome = event.outcome.as_str(),
        error_code = event.error_code,
        duration_ms = event.duration_ms,
        "call"
    );
}

/// Events go to the log until there is a broker to publish them to.
fn publish(traces: Traces, correlation_id: &CorrelationId) {
    for event in traces.take_events() {
        tracing::info!(target: "event", event_type = event.event_type, data = event.data, %correlation_id, "event");
    }
}
