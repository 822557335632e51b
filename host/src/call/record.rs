//! From a call and what it came to, to the event that is recorded.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, CallError, Operation, Output, Principal};
use crate::{
    audit::{Event, Intent, Outcome, excerpt},
    identity::Caller,
    sandbox::{Content, PromptMessage, PromptRole, ResourceBody, ResourceContent},
};

/// The longest name that is recorded as it was asked for, in characters.
const NAME_MAX: usize = 256;

/// An event in the making: what is known before the call runs.
pub(super) struct Draft {
    pub(super) id: Uuid,
    created_at: DateTime<Utc>,
    started: Instant,
    provider: Option<String>,
    tool: Option<String>,
    caller: Option<std::sync::Arc<Caller>>,
    payload: Option<String>,
    operation: &'static str,
    surface: &'static str,
    correlation_id: String,
    /// The component that ran, once one was chosen.
    pub(super) revision: Option<String>,
}

impl Draft {
    pub(super) fn of(call: &Call) -> Self {
        let (tool, payload) = match &call.operation {
            Operation::CallTool { tool, input } => (Some(tool), input.as_ref().ok().map(Value::to_string)),
            Operation::ReadResource { uri } => (Some(uri), None),
            Operation::GetPrompt { prompt, arguments } => {
                let arguments: serde_json::Map<_, _> =
                    arguments.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
                (Some(prompt), Some(Value::Object(arguments).to_string()))
            }
            Operation::CheckHealth => (None, None),
        };
        Self {
            id: Uuid::now_v7(),
            created_at: Utc::now(),
            started: Instant::now(),
            provider: Some(cut(&call.provider)).filter(|provider| !provider.is_empty()),
            tool: tool.map(|tool| cut(tool)),
            caller: match &call.principal {
                Principal::Caller(caller) => Some(std::sync::Arc::clone(caller)),
                Principal::Hub => None,
            },
            payload: payload.map(excerpt),
            operation: call.operation.kind(),
            surface: call.surface.as_str(),
            correlation_id: call.correlation_id.to_string(),
            revision: None,
        }
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
        }
    }

    pub(super) fn finish(self, outcome: &Result<Output, CallError>, hostname: Option<String>) -> Event {
        let error = outcome.as_ref().err();
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
            result: outcome.as_ref().ok().map(|output| excerpt(result(output).to_string())),
            outcome: error.map_or(Outcome::Ok, CallError::outcome),
            error_code: error.map(CallError::code),
            error: error.map(|error| Event::error_text(&error.to_string())),
            hostname,
            operation: self.operation,
            surface: self.surface,
            correlation_id: self.correlation_id,
            revision: self.revision,
            times: 1,
            quotas: Vec::new(),
        }
    }
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

/// An output as the audit trail keeps it: binary content by its size only.
fn result(output: &Output) -> Value {
    match output {
        Output::Tool { value, .. } => value.clone(),
        Output::Resource(contents) => contents.iter().map(resource).collect(),
        Output::Prompt(messages) => messages.iter().map(message).collect(),
        Output::Health(health) => json!(health),
    }
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
