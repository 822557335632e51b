//! The line that every call walks, once, in this order. A refusal at any step still reaches `record`.

use std::{panic::AssertUnwindSafe, sync::Arc};

use chrono::Utc;
use futures::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    Answer, Call, CallError, CorrelationId, Input, InputFault, Operation, Output, Principal, Surface, ToolClass,
    Violation, json, plain,
    record::{Draft, log},
    run::Opening,
};
use crate::{
    audit::{Audit, AuditError, Event, Refusal, UpstreamQuota},
    config::RateLimits,
    health::HealthBoard,
    identity::{Caller, Identity, IdentityError, Role},
    limits::{LimitKey, Limiter, Often, Place, Places},
    registry::{Entry, Index, Lost, Prompt, Registry, Revision, Tool},
    sandbox::Traces,
    vault::Vault,
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
    /// How much at once.
    pub places: Places,
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
    pub(super) parts: HubParts,
    /// Every call that is under way.
    pub(super) calls: TaskTracker,
    /// Who is refused, and asks for checks, how often.
    often: Often,
}

impl Hub {
    /// A hub of these parts.
    #[must_use]
    pub fn new(parts: HubParts) -> Arc<Self> {
        Arc::new(Self { parts, calls: TaskTracker::new(), often: Often::default() })
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

    /// Why nothing can be recorded; `None` while all is well.
    #[must_use]
    pub fn recording_problem(&self) -> Option<Refusal> {
        self.parts.audit.refusal()
    }

    /// Who callers are verified by.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// Authenticates what a caller shows as its bearer token. A refusal is on record when this returns.
    ///
    /// # Errors
    /// When there is no token or it is not valid.
    pub async fn authenticate(
        self: &Arc<Self>,
        shown: Result<&str, IdentityError>,
        surface: Surface,
        correlation_id: &CorrelationId,
    ) -> Result<Arc<Caller>, CallError> {
        let verified = match shown {
            Ok(token) => self.parts.identity.verify(token).await,
            Err(error) => Err(error),
        };
        match verified {
            Ok(caller) => Ok(Arc::new(caller)),
            Err(error) => Err(self.refuse(error.into(), "authenticate", None, surface, correlation_id).await),
        }
    }

    /// A place among the caller's calls under way: before anything large of it is read, and until it has its answer.
    ///
    /// # Errors
    /// When it has as many under way as it may. Make the call all the same, so that the refusal is recorded.
    pub fn enter(&self, caller: &Caller) -> Result<Place, CallError> {
        Ok(self.parts.places.enter(caller.user, caller.role.is_some())?)
    }

    /// Records a refusal that comes before there is a call: no identity, or a message that nothing can be read from.
    /// Gives back the error to answer with. A caller without a role is told that and nothing else, and one that is refused
    /// too often is told that.
    pub async fn refuse(
        self: &Arc<Self>,
        error: CallError,
        operation: &'static str,
        caller: Option<&Caller>,
        surface: Surface,
        correlation_id: &CorrelationId,
    ) -> CallError {
        if self.parts.audit.turn_away().is_some() {
            return AuditError::Refusing.into();
        }
        let error = match caller {
            Some(caller) if caller.role.is_none() => CallError::Forbidden { needed: READ_ROLE, has: None },
            _ => error,
        };
        let error = self.count_refusal(caller, error);
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
            times: 1,
            shares: true,
            quotas: Vec::new(),
        };
        let hub = Arc::clone(self);
        // In a task of its own, like a call: a client that has gone is on record too.
        match self.calls.spawn(async move { hub.record(event).await }).await {
            Ok(Ok(_)) => error,
            Ok(Err(error)) => error.into(),
            Err(broken) => {
                tracing::error!(error = %broken, "a refusal's task broke");
                CallError::Internal
            }
        }
    }

    pub(super) async fn walk(&self, mut call: Call, gone: CancellationToken) -> Answer {
        if let Some(id) = self.turn_away(&call.principal) {
            return Answer { id, outcome: Err(AuditError::Refusing.into()) };
        }
        call.operation.settle();
        let mut draft = Draft::of(&call);
        let id = draft.id;
        let traces = Traces::default();
        let correlation_id = call.correlation_id.clone();
        let caller = match &call.principal {
            Principal::Caller(caller) => Some(Arc::clone(caller)),
            Principal::Hub => None,
        };
        // Whatever breaks in between: the call is on record.
        let steps = AssertUnwindSafe(self.steps(call, &mut draft, &traces, gone));
        let outcome = steps.catch_unwind().await.unwrap_or(Err(CallError::Internal));
        let outcome = match outcome {
            Err(refused) if !draft.has_begun() => Err(self.count_refusal(caller.as_deref(), refused)),
            outcome => outcome,
        };
        if matches!(outcome, Err(CallError::TooOften(_))) {
            // It is refused whatever it is, and counted so.
            draft.revision = None;
        }
        let mut event = draft.finish(&outcome, traces.hostname());
        event.quotas = publish(&traces, &correlation_id);
        match self.record(event).await {
            Ok(id) => Answer { id, outcome },
            Err(error) => Answer { id, outcome: Err(error.into()) },
        }
    }

    /// While nothing can be recorded nothing begins: gives the id of the row that will tell of it.
    fn turn_away(&self, principal: &Principal) -> Option<Uuid> {
        match principal {
            Principal::Caller(_) => self.parts.audit.turn_away(),
            // The hub's own checks come again by themselves: they are not counted among what was refused.
            Principal::Hub => self.parts.audit.refusal().map(|_| Uuid::now_v7()),
        }
    }

    /// Counts what a caller is refused; gives the error to answer with, which is another when it is one too many.
    fn count_refusal(&self, caller: Option<&Caller>, error: CallError) -> CallError {
        let Some(caller) = caller else { return error };
        match error {
            // What is no fault of the caller's.
            CallError::NotRecorded(_) | CallError::Internal | CallError::Run(_) | CallError::TooOften(_) => error,
            _ => self.often.refused(caller.user).map_or_else(CallError::from, |()| error),
        }
    }

    /// Records an event and logs it; gives the id of its row. Those that share a row share a line in the log.
    async fn record(&self, event: Event) -> Result<Uuid, AuditError> {
        if !event.shares {
            log(&event);
            return self.parts.audit.record(event).await;
        }
        let told = Event { payload: None, result: None, ..event.clone() };
        let recorded = self.parts.audit.record(event).await;
        if recorded.as_ref().map_or(true, |row| *row == told.id) {
            log(&told);
        }
        recorded
    }

    async fn steps(
        &self,
        call: Call,
        draft: &mut Draft,
        traces: &Traces,
        gone: CancellationToken,
    ) -> Result<Output, CallError> {
        admit(&call)?;
        if call.provider.is_empty() {
            return Err(belongs_to_nobody(&call.operation, self.parts.registry.snapshot().index()));
        }
        let revision = self.look_up(&call.provider)?;
        draft.revision = Some(revision.id.clone());
        let opening = Opening { call: &call, traces, gone };
        match &call.operation {
            Operation::CallTool { tool, input } => {
                let tool = revision.tool(tool).ok_or_else(|| unknown(&revision, "tool", tool))?;
                authorize(&call.principal, tool.grant.min_role)?;
                self.fail_fast(&revision)?;
                self.limit(&call.principal, &revision, tool.class)?;
                let input = validated_input(tool, input).await?;
                draft.begins(&call.operation, tool.class != ToolClass::Read);
                if tool.class != ToolClass::Read {
                    self.parts.audit.intend(draft.intent()).await?;
                }
                self.call_tool(&revision, tool, input, opening, draft).await
            }
            Operation::ReadResource { uri } => {
                let known = revision.resource(uri).ok_or_else(|| unknown(&revision, "resource", uri))?;
                self.admit_read(&call.principal, &revision)?;
                draft.begins(&call.operation, false);
                self.read_resource(&revision, &known, opening, draft).await
            }
            Operation::GetPrompt { prompt, arguments } => {
                let Some(known) = revision.offer.prompts.iter().find(|known| known.name == *prompt) else {
                    return Err(unknown(&revision, "prompt", prompt));
                };
                self.admit_read(&call.principal, &revision)?;
                require_arguments(known, arguments)?;
                draft.begins(&call.operation, false);
                self.get_prompt(&revision, prompt, arguments, opening, draft).await
            }
            Operation::CheckHealth => {
                authorize(&call.principal, READ_ROLE)?;
                if let Principal::Caller(caller) = &call.principal {
                    self.often.checks(caller.user)?;
                }
                self.health_of(&revision, opening, draft).await.map(Output::Health)
            }
        }
    }

    fn look_up(&self, provider: &str) -> Result<Arc<Revision>, CallError> {
        let snapshot = self.parts.registry.snapshot();
        match snapshot.entry(provider) {
            None => Err(CallError::UnknownProvider(plain::name(provider))),
            Some(Entry::Ready { revision, .. }) => Ok(Arc::clone(revision)),
            Some(Entry::Disabled) => Err(CallError::Disabled(provider.to_owned())),
            Some(Entry::Loading) => Err(CallError::Loading(provider.to_owned())),
            Some(Entry::Failed(problem)) => {
                Err(CallError::Unavailable { provider: provider.to_owned(), reason: problem.to_string() })
            }
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
}

/// What is checked before anything is looked up: a caller without a role learns nothing of what there is.
fn admit(call: &Call) -> Result<(), CallError> {
    if let Principal::Caller(caller) = &call.principal
        && caller.role.is_none()
    {
        return Err(CallError::Forbidden { needed: READ_ROLE, has: None });
    }
    call.place.as_ref().map(|_| ()).map_err(Clone::clone)
}

fn authorize(principal: &Principal, needed: Role) -> Result<(), CallError> {
    match principal {
        // The hub itself only ever checks health.
        Principal::Hub => Ok(()),
        Principal::Caller(caller) if caller.role.is_some_and(|role| role >= needed) => Ok(()),
        Principal::Caller(caller) => Err(CallError::Forbidden { needed, has: caller.role }),
    }
}

fn belongs_to_nobody(operation: &Operation, index: &Index) -> CallError {
    let (kind, name, lost) = match operation {
        Operation::CallTool { tool, .. } => ("tool", tool, index.tool(tool).err()),
        Operation::ReadResource { uri } => ("resource", uri, index.resource(uri).err()),
        Operation::GetPrompt { prompt, .. } => ("prompt", prompt, index.prompt(prompt).err()),
        Operation::CheckHealth => return CallError::UnknownProvider(String::new()),
    };
    match lost {
        Some(Lost::Ambiguous(choices)) => CallError::Ambiguous { kind, name: plain::name(name), choices },
        _ => CallError::UnknownItem { provider: "the hub".to_owned(), kind, name: plain::name(name) },
    }
}

fn unknown(revision: &Revision, kind: &'static str, name: &str) -> CallError {
    CallError::UnknownItem { provider: revision.name.to_string(), kind, name: plain::name(name) }
}

async fn validated_input(tool: &Tool, input: &Input) -> Result<String, CallError> {
    let input = input.as_ref().map_err(Clone::clone)?;
    let violations = tool.input.violations(input).await.map_err(|error| InputFault::TooComplex(error.to_string()))?;
    if violations.is_empty() { Ok(input.to_string()) } else { Err(InputFault::Invalid(violations).into()) }
}

fn require_arguments(prompt: &Prompt, given: &[(String, String)]) -> Result<(), CallError> {
    let missing = prompt
        .arguments
        .iter()
        .filter(|(name, _, required)| *required && !given.iter().any(|(given, _)| given == name));
    let violations: Vec<_> = missing
        .map(|(name, ..)| Violation { pointer: format!("/{name}"), message: "is required".to_owned() })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(InputFault::Invalid(violations).into()) }
}

/// What a provider calls the event that tells what is left of its upstream's quota.
const QUOTA_EVENT: &str = "bulkhead.quota";

/// Sends the call's events on their way, which is to the log until there is a broker; quotas are kept instead.
fn publish(traces: &Traces, correlation_id: &CorrelationId) -> Vec<UpstreamQuota> {
    let mut quotas = Vec::new();
    for event in traces.take_events() {
        if event.event_type == QUOTA_EVENT
            && let Ok(json::Object(quota)) = serde_json::from_str(&event.data)
        {
            quotas.push(quota);
        } else {
            tracing::info!(target: "event", event_type = event.event_type, data = event.data, %correlation_id, "event");
        }
    }
    quotas
}
