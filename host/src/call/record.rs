//! From a call and what it came to, to the event that is recorded.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    AdminOperation, AdminOutput, Call, CallError, Hub, HubOperation, Operation, Output, Principal, ProviderOperation,
};
use crate::{
    audit::{AuditError, Body, Event, ForOutbox, Intent, Outcome, Sharing, Usage, excerpt},
    config::KeptBodies,
    health::Health,
    identity::Caller,
    names::{Code, OperationKind, ProviderName, Role, Severity, Surface},
    registry::{MASK, changed},
    sandbox::{Content, PromptMessage, PromptRole, ResourceBody, ResourceContent},
    telemetry::metrics,
    text::plain,
};

/// Said of a scan or write that was broken off.
const MAY_HAVE_ACTED: &str = "it may have taken effect at the upstream all the same: check there before you retry";

/// An event in the making: what is known before the call runs.
pub(super) struct Draft {
    pub(super) id: Uuid,
    created_at: DateTime<Utc>,
    started: Instant,
    provider: Option<String>,
    tool: Option<String>,
    caller: Option<std::sync::Arc<Caller>>,
    /// The input, once it runs: what never ran keeps none.
    payload: Option<Body>,
    /// A tool's output.
    result: Option<Body>,
    /// The worst of its findings.
    severity: Option<Severity>,
    /// What is kept of either.
    pub(super) keep: KeptBodies,
    /// Texts that the input's schema marks `writeOnly`: an error may repeat them.
    pub(super) masked: Vec<String>,
    began: bool,
    /// Whether it found a provider in another state than before.
    news: bool,
    /// Whether its upstream may do something for it.
    acts: bool,
    operation: OperationKind,
    surface: Surface,
    correlation_id: String,
    /// The revision that ran, once one was chosen.
    pub(super) revision: Option<String>,
    /// The failed call that it issues again.
    pub(super) replays: Option<Uuid>,
}

impl Draft {
    pub(super) fn of(call: &Call) -> Self {
        let (provider, tool) = match &call.operation {
            Operation::OfHub(HubOperation::Admin(AdminOperation::Override { provider, .. })) => {
                (Some(&**provider), None)
            }
            Operation::OfHub(_) => (None, None),
            Operation::OfProvider { owner, asked } => (owner.provider(), item(asked)),
        };
        Self {
            id: call.correlation_id.operation(),
            created_at: Utc::now(),
            started: Instant::now(),
            provider: provider.map(plain::name),
            tool: tool.map(plain::name),
            caller: match &call.principal {
                Principal::Caller(caller) => Some(std::sync::Arc::clone(caller)),
                Principal::Hub => None,
            },
            payload: None,
            result: None,
            severity: None,
            keep: KeptBodies::default(),
            masked: Vec::new(),
            began: false,
            news: false,
            acts: false,
            operation: call.operation.kind(),
            surface: call.surface,
            correlation_id: call.correlation_id.to_string(),
            revision: None,
            replays: None,
        }
    }

    /// A tool is allowed, its input in order, and about to run: from here on the input is kept, as `payload` has it. `acts` is
    /// whether its upstream may do something for it.
    pub(super) fn begins_with(&mut self, payload: String, acts: bool) {
        (self.payload, self.began, self.acts) = (Body::of(payload, self.keep.payload()), true, acts);
    }

    /// The same of what only reads.
    pub(super) fn begins(&mut self, asked: &ProviderOperation) {
        let payload = match asked {
            // Its name is the input, unless that was too long to be one.
            ProviderOperation::ReadResource { uri } => {
                (self.tool.as_deref() != Some(uri)).then(|| json!({ "uri": uri }).to_string())
            }
            ProviderOperation::GetPrompt { arguments, .. } => {
                let arguments: serde_json::Map<_, _> =
                    arguments.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
                Some(Value::Object(arguments).to_string())
            }
            ProviderOperation::CallTool { .. } | ProviderOperation::CheckHealth => None,
        };
        self.payload =
            payload.and_then(|payload| Body::of(excerpt(payload, self.keep.max_bytes()), self.keep.payload()));
        self.began = true;
    }

    /// It tells somebody what others sent and got, or hands a copy on: that has a row of its own, with what was asked for.
    pub(super) fn tells_of_others(&mut self, asked: &Value) {
        self.begins_with(excerpt(asked.to_string(), self.keep.max_bytes()), false);
    }

    /// It changes something of the hub itself, or would have, and has a row of its own.
    pub(super) fn begins_on_the_hub(&mut self) {
        self.began = true;
    }

    /// A tool has given an output, which is kept as `result` has it; `severity` is that of the worst finding in it.
    pub(super) fn ended_with(&mut self, result: String, severity: Option<Severity>) {
        (self.result, self.severity) = (Body::of(result, self.keep.result()), severity);
    }

    /// A check has found the provider in another state than the one before.
    pub(super) fn has_news(&mut self) {
        self.news = true;
    }

    /// What is too frequent for a row each and changes nothing is counted: the hub's own checks, and what callers list.
    fn sharing(&self, outcome: &Result<Output, CallError>) -> Sharing {
        match outcome {
            Ok(Output::Offers(_)) => Sharing::Hour,
            Ok(Output::Trail(_) | Output::Admin(_)) if !self.began => Sharing::Hour,
            _ if !self.began => Sharing::Second,
            Ok(Output::Health(_)) if self.surface == Surface::Probe && !self.news => Sharing::Hour,
            _ => Sharing::Own,
        }
    }

    /// The provider that it is of.
    pub(super) fn provider(&self) -> Option<ProviderName> {
        self.provider.clone()?.try_into().ok()
    }

    /// The tool, resource or prompt that it is of.
    pub(super) fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// Whether the operation got as far as running.
    pub(super) fn has_begun(&self) -> bool {
        self.began
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    pub(super) fn intent(&self) -> Intent {
        Intent {
            id: self.id,
            created_at: self.created_at,
            provider: self.provider.clone().unwrap_or_default(),
            tool: self.tool.clone().unwrap_or_default(),
            caller_id: self.caller.as_ref().map(|caller| caller.user),
            caller_role: self.caller.as_ref().and_then(|caller| caller.role),
            team: self.caller.as_ref().and_then(|caller| caller.team.clone()),
            payload: self.payload.clone(),
            surface: self.surface,
            correlation_id: self.correlation_id.clone(),
            replays: self.replays,
        }
    }

    pub(super) fn finish(self, outcome: &Result<Output, CallError>, hostname: Option<String>, used: Usage) -> Event {
        let sharing = self.sharing(outcome);
        let (ended, error_code, error_text) = match outcome {
            Err(error) => (error.outcome(), Some(error.code()), Some(error.to_string())),
            Ok(Output::Health(Health { code: Some(code), error, .. })) => {
                let ended = if *code == Code::Timeout { Outcome::Timeout } else { Outcome::Failed };
                (ended, Some(*code), error.clone())
            }
            Ok(Output::Admin(AdminOutput::Reloaded(reloaded))) if !reloaded.new_problems.is_empty() => {
                let told = reloaded.new_problems.iter().map(|wrong| format!("{}: {}", wrong.provider, wrong.problem));
                (Outcome::Failed, Some(Code::LoadFailed), Some(told.collect::<Vec<_>>().join("; ")))
            }
            Ok(_) => (Outcome::Ok, None, None),
        };
        Event {
            duration_ms: self.elapsed_ms().try_into().unwrap_or(u32::MAX),
            id: self.id,
            created_at: self.created_at,
            provider: self.provider,
            tool: self.tool,
            caller_id: self.caller.as_ref().map(|caller| caller.user),
            caller_role: self.caller.as_ref().and_then(|caller| caller.role),
            team: self.caller.as_ref().and_then(|caller| caller.team.clone()),
            payload: self.payload,
            result: outcome.as_ref().ok().and_then(|output| self.result.or_else(|| result(output, self.keep))),
            outcome: ended,
            error_code,
            error: error_text.map(|text| without(text, &self.masked)).map(|text| match ended {
                Outcome::Cancelled if self.acts => format!("{text}; {MAY_HAVE_ACTED}"),
                _ => text,
            }),
            hostname,
            operation: self.operation,
            surface: self.surface,
            correlation_id: self.correlation_id,
            revision: self.revision,
            replays: self.replays,
            times: 1,
            used,
            severity: self.severity,
            sharing,
            quotas: Vec::new(),
            outbox: ForOutbox::default(),
        }
    }
}

/// A text in which none of these stands.
fn without(text: String, masked: &[String]) -> String {
    masked.iter().fold(text, |text, masked| text.replace(masked.as_str(), MASK))
}

/// What of a provider is asked for.
fn item(asked: &ProviderOperation) -> Option<&str> {
    match asked {
        ProviderOperation::CallTool { tool, .. } => Some(tool),
        ProviderOperation::ReadResource { uri } => Some(uri),
        ProviderOperation::GetPrompt { prompt, .. } => Some(prompt),
        ProviderOperation::CheckHealth => None,
    }
}

impl Hub {
    /// Records an event and logs it; gives the id of its row. Those that share a row share a line in the log.
    pub(super) async fn record(&self, event: Event) -> Result<Uuid, AuditError> {
        count(&event);
        if event.sharing == Sharing::Own {
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
}

/// Counts an operation, by names of the config alone: a provider has a revision, and a tool was found.
fn count(event: &Event) {
    let of_config = |name: &Option<String>, is_known: bool| name.clone().filter(|_| is_known).unwrap_or_default();
    let known = event.revision.is_some();
    let tool = known && event.operation == OperationKind::CallTool && event.error_code != Some(Code::UnknownTool);
    let code = event.error_code.map(Code::as_str);
    metrics::ended(&metrics::Ended {
        provider: &of_config(&event.provider, known),
        tool: &of_config(&event.tool, tool),
        operation: event.operation.as_str(),
        outcome: event.outcome.as_str(),
        code,
        denied_by: code.filter(|_| event.outcome == Outcome::Denied),
        took: Duration::from_millis(event.duration_ms.into()),
    });
}

/// One line per operation; the payload stays in the audit trail. The hub's own checks are there every few seconds, so
/// they are logged for debugging only.
fn log(event: &Event) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                call_id = %event.id,
                correlation_id = event.correlation_id,
                surface = event.surface.as_str(),
                operation = event.operation.as_str(),
                provider = event.provider,
                tool = event.tool,
                role = event.caller_role.map(Role::as_str),
                outcome = event.outcome.as_str(),
                error_code = event.error_code.map(Code::as_str),
                duration_ms = event.duration_ms,
                "call"
            )
        };
    }
    if event.surface == Surface::Probe { line!(debug) } else { line!(info) }
}

/// An output as the audit trail keeps it: binary content by its size only.
fn result(output: &Output, keep: KeptBodies) -> Option<Body> {
    let result: Value = match output {
        // Kept when it was written.
        Output::Tool { .. } | Output::Offers(_) | Output::Trail(_) | Output::Admin(AdminOutput::Providers(_)) => {
            return None;
        }
        Output::Resource(contents) => contents.iter().map(resource).collect(),
        Output::Prompt(messages) => messages.iter().map(message).collect(),
        Output::Health(health) => json!(health),
        Output::Admin(AdminOutput::Reloaded(reloaded)) => json!(reloaded),
        Output::Admin(AdminOutput::Overridden(provider, snapshot)) => json!(changed(snapshot, provider)),
    };
    Body::of(excerpt(result.to_string(), keep.max_bytes()), keep.result())
}

fn resource(content: &ResourceContent) -> Value {
    match &content.body {
        ResourceBody::Text(text) => json!({ "uri": content.uri, "text": text }),
        ResourceBody::Blob(blob) => json!({ "uri": content.uri, "bytes": blob.len() }),
    }
}

fn message(message: &PromptMessage) -> Value {
    let role = match message.role {
        PromptRole::User => "user",
        PromptRole::Assistant => "assistant",
    };
    let content = match &message.content {
        Content::Text(text) => json!(text),
        Content::Image(blob) | Content::Audio(blob) => json!({ "type": blob.mime_type, "bytes": blob.data.len() }),
        Content::Resource(content) => resource(content),
    };
    json!({ "role": role, "content": content })
}
