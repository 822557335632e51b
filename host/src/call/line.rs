//! The line that every call walks, once, in this order. A refusal at any step still reaches `record`.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    AdminOutput, Answer, Call, CallError, Hub, HubOperation, Input, InputFault, Operation, Output, Principal,
    ProviderOperation, administer::reloaded, hub::READ_ROLE, large::of_size, operation::Access, publish::Published,
    record::Draft, run::Opening,
};
use crate::{
    audit::{AuditError, Sharing, Usage, excerpt},
    config::RateLimits,
    health::Sender,
    json::Violation,
    limits::LimitKey,
    names::{ItemKind, Owner, ToolClass, ToolRole},
    registry::{Entry, Index, Lost, Prompt, Revision, Tool},
    sandbox::Traces,
    stages::{self, Stage},
    text::plain,
};

impl Hub {
    pub(super) async fn walk(&self, call: Call, gone: CancellationToken) -> Answer {
        let (principal, reads_on) = (call.principal.clone(), call.operation.reads_the_trail());
        if !reads_on && let Some(id) = self.turn_away(&principal) {
            return Answer { id, outcome: Err(AuditError::Refusing.into()) };
        }
        let mut draft = Draft::of(&call);
        let id = draft.id;
        let traces = Traces::default();
        let correlation_id = call.correlation_id.clone();
        // Whatever breaks in between: the call is on record.
        let steps = AssertUnwindSafe(self.steps(call, &mut draft, &traces, gone));
        let outcome = steps.catch_unwind().await.unwrap_or(Err(CallError::Internal));
        let outcome = match outcome {
            Err(refused) if !draft.has_begun() => Err(self.count_refusal(principal.caller(), refused)),
            outcome => outcome,
        };
        if matches!(outcome, Err(CallError::TooOften(_))) {
            // It is refused whatever it is, and counted so.
            draft.revision = None;
        }
        if reads_on && self.parts.audit.refusal().is_some() {
            // Unless that is to be on record itself.
            if outcome.is_ok() && !draft.has_begun() {
                return Answer { id, outcome };
            }
            if let Some(id) = self.turn_away(&principal) {
                return Answer { id, outcome: Err(AuditError::Refusing.into()) };
            }
        }
        self.tell_of_breakers(&traces);
        let Published { quotas, costs, events } = self.publish(traces.take_events(), &draft, &correlation_id);
        let used = Usage { requests: traces.requests(), bytes: traces.bytes(), costs };
        let mut event = draft.finish(&outcome, traces.hostname(), used);
        event.quotas = quotas;
        if !events.is_empty() {
            // What it tells is written with a row of its own.
            (event.outbox.events, event.sharing) = (events, Sharing::Own);
        }
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

    async fn steps(
        &self,
        call: Call,
        draft: &mut Draft,
        traces: &Traces,
        gone: CancellationToken,
    ) -> Result<Output, CallError> {
        admit(&call)?;
        match &call.operation {
            Operation::OfHub(asked) => self.of_hub(asked, &call.principal, draft).await,
            Operation::OfProvider { owner: Owner::Nobody, asked } => {
                Err(belongs_to_nobody(asked, self.parts.registry.snapshot().index()))
            }
            Operation::OfProvider { owner: Owner::Provider(provider), asked } => {
                let revision = self.look_up(provider)?;
                (draft.revision, draft.keep) = (Some(revision.id.clone()), revision.config.keep);
                self.of_provider(&revision, asked, Opening { call: &call, traces, gone }, draft).await
            }
        }
    }

    async fn of_hub(
        &self,
        asked: &HubOperation,
        principal: &Principal,
        draft: &mut Draft,
    ) -> Result<Output, CallError> {
        match (asked, principal.caller()) {
            (HubOperation::McpList(Err(fault)), _) => Err(fault.clone().into()),
            (HubOperation::OpenApi | HubOperation::McpList(Ok(())), Some(caller)) => {
                Ok(Output::Offers(self.offers(caller)))
            }
            (HubOperation::Trail(asked), Some(caller)) => self.of_trail(asked, caller, draft).await.map(Output::Trail),
            (HubOperation::Admin(asked), Some(caller)) => self.of_admin(asked, caller, draft).await.map(Output::Admin),
            (HubOperation::Reloaded(report), None) => {
                reloaded(report.clone(), draft).map(|reloaded| Output::Admin(AdminOutput::Reloaded(reloaded)))
            }
            // The one is for callers, the other for the hub itself.
            (
                HubOperation::OpenApi | HubOperation::McpList(Ok(())) | HubOperation::Trail(_) | HubOperation::Admin(_),
                None,
            )
            | (HubOperation::Reloaded(_), Some(_)) => Err(CallError::Internal),
        }
    }

    async fn of_provider(
        &self,
        revision: &Revision,
        asked: &ProviderOperation,
        opening: Opening<'_>,
        draft: &mut Draft,
    ) -> Result<Output, CallError> {
        let principal = &opening.call.principal;
        match asked {
            ProviderOperation::CallTool { tool, input, replays } => {
                let tool = revision.tool(tool).ok_or_else(|| unknown(revision, ItemKind::Tool, tool))?;
                stages::ends(Stage::LookUp);
                authorize(principal, tool.grant.min_role)?;
                self.fail_fast(principal, revision)?;
                self.limit(principal, revision, tool.class)?;
                stages::ends(Stage::Limit);
                let Written { text, kept, masked } = validated_input(tool, input).await?;
                (draft.keep, draft.masked) = (tool.grant.keep, masked);
                if let Some(replay) = replays {
                    let replay = replay.as_ref().map_err(Clone::clone)?;
                    draft.replays = Some(self.replayed(*replay, principal, revision, tool).await?);
                }
                draft.begins_with(kept, tool.class != ToolClass::Read);
                stages::ends(Stage::ValidateInput);
                if tool.class != ToolClass::Read {
                    self.parts.audit.intend(draft.intent()).await?;
                }
                self.call_tool(revision, tool, text, opening, draft).await
            }
            ProviderOperation::ReadResource { uri } => {
                let known = revision.resource(uri).ok_or_else(|| unknown(revision, ItemKind::Resource, uri))?;
                self.admit_read(principal, revision)?;
                draft.begins(asked);
                self.read_resource(revision, &known, opening, draft).await
            }
            ProviderOperation::GetPrompt { prompt, arguments } => {
                let Some(known) = revision.offer.prompts.iter().find(|known| known.name == *prompt) else {
                    return Err(unknown(revision, ItemKind::Prompt, prompt));
                };
                self.admit_read(principal, revision)?;
                require_arguments(known, arguments)?;
                draft.begins(asked);
                self.get_prompt(revision, prompt, arguments, opening, draft).await
            }
            ProviderOperation::CheckHealth => {
                authorize(principal, READ_ROLE)?;
                if let Some(caller) = principal.caller() {
                    self.often.checks(caller.user)?;
                }
                self.health_of(revision, opening, draft).await.map(Output::Health)
            }
        }
    }

    fn look_up(&self, provider: &str) -> Result<Arc<Revision>, CallError> {
        let snapshot = self.parts.registry.snapshot();
        match snapshot.entry(provider) {
            None => Err(CallError::UnknownProvider(plain::name(provider))),
            Some(Entry::Ready { revision, .. }) => Ok(Arc::clone(revision)),
            Some(Entry::Disabled(by)) => Err(CallError::Disabled { provider: provider.to_owned(), by: *by }),
            Some(Entry::Loading { .. }) => Err(CallError::Loading(provider.to_owned())),
            Some(Entry::Failed(problem)) => {
                Err(CallError::Unavailable { provider: provider.to_owned(), reason: problem.to_string() })
            }
        }
    }

    fn admit_read(&self, principal: &Principal, revision: &Revision) -> Result<(), CallError> {
        authorize(principal, READ_ROLE)?;
        self.fail_fast(principal, revision)?;
        self.limit(principal, revision, ToolClass::Read)
    }

    fn fail_fast(&self, principal: &Principal, revision: &Revision) -> Result<(), CallError> {
        if let Some(open) = revision.breakers.all_refuse(sender_of(principal)) {
            return Err(CallError::CircuitOpen { provider: revision.name.to_string(), open });
        }
        match self.parts.health.down(&revision.name, &revision.id) {
            None => Ok(()),
            Some(reason) => Err(CallError::Unavailable { provider: revision.name.to_string(), reason }),
        }
    }

    fn limit(&self, principal: &Principal, revision: &Revision, class: ToolClass) -> Result<(), CallError> {
        let Principal::Caller(caller) = principal else { return Ok(()) };
        let limits: &RateLimits = &revision.config.rate_limits;
        let Some(quota) = caller.tool_role().and_then(|role| limits.quota(role, class)) else { return Ok(()) };
        let key = LimitKey { user: caller.user, provider: revision.name.clone(), class };
        self.parts.limiter.admit(&key, quota, limits.largest(class)).map_err(|retry_after| {
            self.parts.events.limit_reached(&revision.name, class);
            CallError::RateLimited { provider: revision.name.to_string(), class, quota, retry_after }
        })
    }
}

/// What is checked before anything is looked up: a caller that may use no tools learns nothing of what there is.
fn admit(call: &Call) -> Result<(), CallError> {
    if let Some(caller) = call.principal.caller() {
        call.operation.access().require(caller)?;
        if caller.role.is_none() && call.permit.is_err() {
            return Err(CallError::Forbidden { needed: READ_ROLE.into(), has: None });
        }
    }
    call.permit.as_ref().map(|_| ()).map_err(Clone::clone)
}

fn authorize(principal: &Principal, needed: ToolRole) -> Result<(), CallError> {
    match principal {
        // Of providers the hub itself only ever checks health.
        Principal::Hub => Ok(()),
        Principal::Caller(caller) => Access::Tools(needed).require(caller),
    }
}

fn belongs_to_nobody(asked: &ProviderOperation, index: &Index) -> CallError {
    let (kind, name, lost) = match asked {
        ProviderOperation::CallTool { tool, .. } => (ItemKind::Tool, tool, index.tool(tool).err()),
        ProviderOperation::ReadResource { uri } => (ItemKind::Resource, uri, index.resource(uri).err()),
        ProviderOperation::GetPrompt { prompt, .. } => (ItemKind::Prompt, prompt, index.prompt(prompt).err()),
        ProviderOperation::CheckHealth => return CallError::UnknownProvider(String::new()),
    };
    match lost {
        Some(Lost::Ambiguous(choices)) => CallError::Ambiguous { kind, name: plain::name(name), choices },
        _ => CallError::UnknownItem { provider: "the hub".to_owned(), kind, name: plain::name(name) },
    }
}

/// On whose behalf the requests of a call are sent.
fn sender_of(principal: &Principal) -> Sender {
    match principal {
        Principal::Hub => Sender::Hub,
        Principal::Caller(caller) => Sender::Caller(caller.user),
    }
}

fn unknown(revision: &Revision, kind: ItemKind, name: &str) -> CallError {
    CallError::UnknownItem { provider: revision.name.to_string(), kind, name: plain::name(name) }
}

/// An input as the provider gets it, and the same as the audit trail keeps it.
struct Written {
    text: String,
    kept: String,
    /// Texts that are not kept: see [`crate::registry::Schema::masked`].
    masked: Vec<String>,
}

async fn validated_input(tool: &Tool, input: &Input) -> Result<Written, CallError> {
    let input = input.as_ref().map_err(Clone::clone)?;
    let violations = tool.input.violations(input.tree()).await;
    let violations = violations.map_err(|error| InputFault::TooComplex(error.to_string()))?;
    if !violations.is_empty() {
        return Err(InputFault::Invalid(violations).into());
    }
    let (tree, schema, max_bytes) = (Arc::clone(input.tree()), Arc::clone(&tool.input), tool.grant.keep.max_bytes());
    let written = of_size(input.size(), move || {
        let text = tree.to_string();
        match schema.masked(&tree) {
            None => Written { kept: excerpt(text.as_str(), max_bytes), text, masked: Vec::new() },
            Some(masked) => Written { kept: excerpt(masked.value.to_string(), max_bytes), text, masked: masked.texts },
        }
    });
    Ok(written.await)
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
