//! Running what the line has let through: open the gates, enter the sandbox, take secrets out, check what came back.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chrono::Utc;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use tokio_util::sync::CancellationToken;

use super::{
    Call, CallError, Hub, Operation, Output, Principal, ProviderFault, ProviderOperation,
    findings::worst_finding,
    label::{Labels, Place},
    large::{of_answer, size_of, size_of_resource},
    record::Draft,
};
use crate::{
    audit::excerpt,
    config::ToolTimeout,
    health::{CHECK_TIME, Health, Sender, Status},
    invocation,
    json::{self, JsonError, Violation},
    names::{Code, ResourceUri, Severity, ToolClass},
    outbound::Acting,
    registry::{Revision, Schema, Tool},
    sandbox::{
        CallContext, Content, GateSet, HealthStatus, ResourceBody, ResourceContent, Run, RunError, Taker, ToolOutput,
        Traces,
    },
    stages::{self, Stage},
    text::one_line,
    vault::CallSecrets,
};

/// How much of a provider's reason for being unhealthy is kept and told, in characters.
const REASON_MAX: usize = 1000;

/// What opening the gates needs to know of the call.
pub(super) struct Opening<'a> {
    pub(super) call: &'a Call,
    pub(super) traces: &'a Traces,
    pub(super) gone: CancellationToken,
}

impl Hub {
    pub(super) async fn call_tool(
        &self,
        revision: &Revision,
        tool: &Tool,
        input: String,
        opening: Opening<'_>,
        draft: &mut Draft,
    ) -> Result<Output, CallError> {
        let traces = opening.traces;
        let timeout = tool.grant.timeout_ms.duration();
        let acting = if tool.class == ToolClass::Read { Acting::Reading } else { Acting::Anything };
        let (run, secrets) = self.open(revision, opening, timeout, acting);
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.call_tool(&revision.compiled, run, context, tool.name.to_string(), input).await?;
        stages::ends(Stage::Leave);
        let mut output = match answer {
            Ok(output) => output,
            Err(fault) => return Err(fault_of(revision, fault.into(), traces, secrets).await),
        };
        let snapshot = self.parts.registry.snapshot();
        Labels::new(&snapshot, revision, None).put(Place::Tool, output.content.iter_mut().enumerate())?;
        let size = output.output.len() + output.content.iter().map(size_of).sum::<usize>();
        let (schema, max_bytes) = (Arc::clone(&tool.output), tool.grant.keep.max_bytes());
        let unpacking = move || unpacked(output, &secrets, &schema, max_bytes);
        let Unpacked { value, written, kept, severity, content } =
            of_answer(&revision.searches, size, unpacking).await?;
        let violations = match tool.output.violations(&value).await {
            Ok(violations) => violations,
            Err(error) => vec![whole(error.to_string())],
        };
        stages::ends(Stage::ValidateOutput);
        if !violations.is_empty() {
            return Err(CallError::InvalidOutput(violations));
        }
        draft.ended_with(kept, severity);
        Ok(Output::Tool { value: Arc::unwrap_or_clone(value), written, content })
    }

    pub(super) async fn read_resource(
        &self,
        revision: &Revision,
        uri: &ResourceUri,
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let traces = opening.traces;
        let (run, secrets) = self.open(revision, opening, ToolTimeout::default().duration(), Acting::Reading);
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.read_resource(&revision.compiled, run, context, uri.to_string()).await?;
        let mut contents = match answer {
            Ok(contents) => contents,
            Err(fault) => return Err(fault_of(revision, fault.into(), traces, secrets).await),
        };
        let snapshot = self.parts.registry.snapshot();
        Labels::new(&snapshot, revision, Some(uri)).put_on_resources(contents.iter_mut().enumerate())?;
        let size = contents.iter().map(size_of_resource).sum();
        let contents = of_answer(&revision.searches, size, move || {
            for content in &mut contents {
                scrub_resource(content, &secrets);
            }
            contents
        });
        Ok(Output::Resource(contents.await))
    }

    pub(super) async fn get_prompt(
        &self,
        revision: &Revision,
        prompt: &str,
        arguments: &[(String, String)],
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let traces = opening.traces;
        let (run, secrets) = self.open(revision, opening, ToolTimeout::default().duration(), Acting::Reading);
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer =
            sandbox.get_prompt(&revision.compiled, run, context, prompt.to_owned(), arguments.to_vec()).await?;
        let mut messages = match answer {
            Ok(messages) => messages,
            Err(fault) => return Err(fault_of(revision, fault.into(), traces, secrets).await),
        };
        let snapshot = self.parts.registry.snapshot();
        let contents = messages.iter_mut().map(|message| &mut message.content).enumerate();
        Labels::new(&snapshot, revision, None).put(Place::Prompt, contents)?;
        let size = messages.iter().map(|message| size_of(&message.content)).sum();
        let messages = of_answer(&revision.searches, size, move || {
            for message in &mut messages {
                scrub_content(std::slice::from_mut(&mut message.content), &secrets);
            }
            messages
        });
        Ok(Output::Prompt(messages.await))
    }

    /// How the provider is. There is one check of a revision at a time: whoever asks meanwhile is told what it finds.
    pub(super) async fn health_of(
        &self,
        revision: &Revision,
        opening: Opening<'_>,
        draft: &mut Draft,
    ) -> Result<Health, CallError> {
        let (board, asked) = (&self.parts.health, Instant::now());
        if matches!(opening.call.principal, Principal::Caller(_))
            && let Some(fresh) = board.fresh(&revision.name, &revision.id)
        {
            return Ok(fresh);
        }
        let _turn = tokio::select! {
            turn = revision.checking.lock() => turn,
            () = opening.gone.cancelled() => return Err(RunError::Cancelled.into()),
        };
        if let Some(found) = board.found_since(&revision.name, &revision.id, asked) {
            return Ok(found);
        }
        draft.begins(&ProviderOperation::CheckHealth);
        self.check_health(revision, opening, draft).await
    }

    /// Asks the provider and notes what it said. A check that does not end in time counts as degraded (G6); one that its
    /// caller broke off, or that got no permit, says nothing about the provider: what is known stays.
    async fn check_health(
        &self,
        revision: &Revision,
        opening: Opening<'_>,
        draft: &mut Draft,
    ) -> Result<Health, CallError> {
        let traces = opening.traces;
        let (run, secrets) = self.open(revision, opening, CHECK_TIME, Acting::Reading);
        let context = context(revision, &run, draft);
        let found = self.parts.registry.sandbox().check_health(&revision.compiled, run, context).await;
        let (status, error, code) = match found {
            Ok(health) => {
                let mut reason = health.reason;
                let searched = of_answer(&revision.searches, reason.len(), move || {
                    secrets.scrub(&mut reason);
                    one_line(&reason, REASON_MAX)
                });
                let mut reason = searched.await;
                invocation::complete(&mut reason);
                let status = match health.status {
                    HealthStatus::Ok => Status::Ok,
                    HealthStatus::Degraded => Status::Degraded,
                    HealthStatus::Down => Status::Down,
                };
                // What the hub did not send says nothing of the provider: calls go on as far as the breaker lets them.
                let why = if traces.circuit_open().is_some() { Code::CircuitOpen } else { Code::ProviderDown };
                let code = (status == Status::Down).then_some(why);
                (status, Some(reason).filter(|reason| !reason.is_empty() && status != Status::Ok), code)
            }
            Err(error @ RunError::Cancelled) => return Err(error.into()),
            Err(error @ RunError::Busy(_)) => {
                let last = self.parts.health.last(&revision.name, &revision.id);
                return last.ok_or_else(|| error.into());
            }
            Err(error) => {
                let (text, timed_out) = (error.to_string(), matches!(error, RunError::Timeout(_)));
                let code = Some(CallError::from(error).code());
                if timed_out {
                    (Status::Degraded, Some(format!("the health check timed out: {text}")), code)
                } else {
                    (Status::Down, Some(text), code)
                }
            }
        };
        let health = Health {
            provider: revision.name.to_string(),
            status,
            latency_ms: Some(draft.elapsed_ms()),
            last_check: Some(Utc::now()),
            error,
            code,
        };
        let is_current = || {
            let snapshot = self.parts.registry.snapshot();
            snapshot.revision(&revision.name).is_some_and(|current| current.id == revision.id)
        };
        if self.parts.health.note(&revision.name, &revision.id, is_current, health.clone()) {
            draft.has_news();
        }
        if is_current() {
            let down = (status == Status::Down).then(|| health.error.as_deref().unwrap_or_default());
            self.parts.events.checked(&revision.name, down);
        }
        Ok(health)
    }

    /// Opens the gates for one run.
    fn open(
        &self,
        revision: &Revision,
        opening: Opening<'_>,
        timeout: Duration,
        acting: Acting,
    ) -> (Run, Arc<CallSecrets>) {
        let taker = match (&opening.call.operation, &opening.call.principal) {
            // Whoever asks: there is one check of a provider at a time.
            (Operation::OfProvider { asked: ProviderOperation::CheckHealth, .. }, _) | (_, Principal::Hub) => {
                Taker::Hub
            }
            (_, Principal::Caller(caller)) => Taker::Caller(caller.user),
        };
        let secrets = Arc::new(CallSecrets::new(Arc::clone(&self.parts.vault), Arc::clone(&revision.grants)));
        let gates = GateSet {
            provider: revision.name.clone(),
            outbound: Arc::clone(&revision.outbound),
            breakers: Arc::clone(&revision.breakers),
            sender: match taker {
                Taker::Caller(user) => Sender::Caller(user),
                Taker::Hub => Sender::Hub,
            },
            acting,
            secrets: Arc::clone(&secrets),
            traces: opening.traces.clone(),
            correlation_id: opening.call.correlation_id.to_string(),
        };
        (Run { gates, taker, timeout, cancelled: opening.gone }, secrets)
    }
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

/// A provider's own error, without secrets. Where it blames its upstream and the hub has sent nothing there, that is told: the
/// reason is the hub's.
async fn fault_of(
    revision: &Revision,
    mut fault: ProviderFault,
    traces: &Traces,
    secrets: Arc<CallSecrets>,
) -> CallError {
    let blames = matches!(fault.code, Code::UpstreamFailed | Code::UpstreamUnreachable | Code::UpstreamTimeout);
    if let Some(open) = traces.circuit_open().filter(|_| blames) {
        return CallError::CircuitOpen { provider: revision.name.to_string(), open };
    }
    let searched = of_answer(&revision.searches, fault.message.len(), move || {
        secrets.scrub(&mut fault.message);
        invocation::complete(&mut fault.message);
        fault.into()
    });
    searched.await
}

fn scrub_content(contents: &mut [Content], secrets: &CallSecrets) {
    for content in contents {
        match content {
            Content::Text(text) => secrets.scrub(text),
            Content::Resource(resource) => scrub_resource(resource, secrets),
            Content::Image(blob) | Content::Audio(blob) => {
                secrets.scrub(&mut blob.mime_type);
                secrets.scrub_bytes(&mut blob.data);
            }
        }
    }
}

fn scrub_resource(content: &mut ResourceContent, secrets: &CallSecrets) {
    secrets.scrub(&mut content.uri);
    secrets.scrub(&mut content.mime_type);
    match &mut content.body {
        ResourceBody::Text(text) => secrets.scrub(text),
        ResourceBody::Blob(blob) => secrets.scrub_bytes(blob),
    }
}

/// A tool's output without secrets: parsed, written out again from the tree, as the audit trail keeps it, and how bad what it
/// tells is.
struct Unpacked {
    value: Arc<Value>,
    written: Box<RawValue>,
    kept: String,
    severity: Option<Severity>,
    content: Vec<Content>,
}

/// Takes the secrets out of a tool's output, and parses it. Blocking: some hundred milliseconds for the largest.
fn unpacked(
    mut output: ToolOutput,
    secrets: &CallSecrets,
    schema: &Schema,
    max_bytes: usize,
) -> Result<Unpacked, CallError> {
    secrets.scrub(&mut output.output);
    scrub_content(&mut output.content, secrets);
    let value = json::parse_output(output.output.as_bytes()).map_err(|fault| {
        CallError::InvalidOutput(vec![match fault {
            JsonError::Number(number) => number,
            JsonError::Malformed(why) => whole(format!("not JSON: {why}")),
            JsonError::TooComplex(limit) => whole(format!("it exceeds a limit of the hub: {limit}")),
        }])
    })?;
    let written = to_raw_value(&value).map_err(|error| CallError::InvalidOutput(vec![whole(error.to_string())]))?;
    // A number that was written otherwise may have become the digits of a secret.
    if written.get() != output.output {
        let mut again = written.get().to_owned();
        secrets.scrub(&mut again);
        if again != written.get() {
            return Err(CallError::InvalidOutput(vec![whole("it holds a secret in another spelling".to_owned())]));
        }
    }
    let kept = match schema.masked(&value) {
        None => excerpt(written.get(), max_bytes),
        Some(masked) => excerpt(masked.value.to_string(), max_bytes),
    };
    let severity = worst_finding(&value);
    Ok(Unpacked { kept, severity, value: Arc::new(value), written, content: output.content })
}

/// What is wrong with the whole of an output.
fn whole(message: String) -> Violation {
    Violation { pointer: String::new(), message }
}
