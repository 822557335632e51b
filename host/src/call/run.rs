//! Running what the line has let through: open the gates, enter the sandbox, take secrets out, check what came back.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::Utc;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Call, CallError, Hub, InputFault, Output, ProviderFault, Violation, json, record::Draft};
use crate::{
    config::ToolTimeout,
    health::{CHECK_TIME, Health, Status},
    registry::{Revision, Tool, one_line},
    sandbox::{
        CallContext, Content, GateSet, HealthStatus, ResourceBody, ResourceContent, Run, RunError, ToolOutput, Traces,
    },
    vault::CallSecrets,
};

/// Outputs up to this size, in bytes, and up to so many contents are unpacked on the async worker that has them.
const AT_ONCE_MAX: usize = 64 * 1024;
const ITEMS_AT_ONCE_MAX: usize = 64;
/// How many wrong URIs of a resource's contents are told.
const VIOLATIONS_MAX: usize = 16;
/// How much of a provider's reason for not being well is kept and told, in characters.
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
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let timeout = tool.grant.timeout_ms.duration();
        let (run, secrets) = self.open(revision, opening, timeout);
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.call_tool(&revision.compiled, run, context, tool.name.to_string(), input).await?;
        let output = answer.map_err(|fault| scrubbed(fault.into(), &secrets))?;
        let (value, content) = if output.output.len() > AT_ONCE_MAX || output.content.len() > ITEMS_AT_ONCE_MAX {
            let thread = tokio::task::spawn_blocking(move || unpacked(output, &secrets));
            thread.await.unwrap_or_else(|broken| std::panic::resume_unwind(broken.into_panic()))?
        } else {
            unpacked(output, &secrets)?
        };
        let violations = match tool.output.violations(&value).await {
            Ok(violations) => violations,
            Err(error) => vec![whole(error.to_string())],
        };
        if violations.is_empty() {
            Ok(Output::Tool { value, content })
        } else {
            Err(CallError::InvalidOutput(violations))
        }
    }

    pub(super) async fn read_resource(
        &self,
        revision: &Revision,
        uri: &str,
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Output, CallError> {
        let (run, secrets) = self.open(revision, opening, ToolTimeout::default().duration());
        let context = context(revision, &run, draft);
        let sandbox = self.parts.registry.sandbox();
        let answer = sandbox.read_resource(&revision.compiled, run, context, uri.to_owned()).await?;
        let mut contents = answer.map_err(|fault| scrubbed(fault.into(), &secrets))?;
        let strange = strange_uris(revision, uri, &contents);
        if !strange.is_empty() {
            return Err(CallError::InvalidOutput(strange));
        }
        for content in &mut contents {
            scrub_resource(content, &secrets);
        }
        Ok(Output::Resource(contents))
    }

    pub(super) async fn get_prompt(
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
        let answer =
            sandbox.get_prompt(&revision.compiled, run, context, prompt.to_owned(), arguments.to_vec()).await?;
        let mut messages = answer.map_err(|fault| scrubbed(fault.into(), &secrets))?;
        for message in &mut messages {
            scrub_content(std::slice::from_mut(&mut message.content), &secrets);
        }
        Ok(Output::Prompt(messages))
    }

    /// Asks the provider and notes what it said. A check that does not end in time counts as degraded (G6); one that its
    /// caller broke off says nothing about the provider.
    pub(super) async fn check_health(
        &self,
        revision: &Revision,
        opening: Opening<'_>,
        draft: &Draft,
    ) -> Result<Health, CallError> {
        let (run, secrets) = self.open(revision, opening, CHECK_TIME);
        let context = context(revision, &run, draft);
        let found = self.parts.registry.sandbox().check_health(&revision.compiled, run, context).await;
        let (status, error) = match found {
            Ok(health) => {
                let mut reason = health.reason;
                secrets.scrub(&mut reason);
                let reason = one_line(&reason, REASON_MAX);
                let status = match health.status {
                    HealthStatus::Ok => Status::Ok,
                    HealthStatus::Degraded => Status::Degraded,
                    HealthStatus::Down => Status::Down,
                };
                (status, Some(reason).filter(|reason| !reason.is_empty() && status != Status::Ok))
            }
            Err(error @ RunError::Cancelled) => return Err(error.into()),
            Err(error @ (RunError::Timeout(_) | RunError::Busy(_))) => {
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
        Ok(health)
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

/// Contents under a URI that is not the provider's: they would pass for somebody else's.
fn strange_uris(revision: &Revision, asked: &str, contents: &[ResourceContent]) -> Vec<Violation> {
    let is_strange = |content: &ResourceContent| content.uri != asked && !revision.offer.has_resource(&content.uri);
    let strange = contents.iter().enumerate().filter(|(_, content)| is_strange(content)).take(VIOLATIONS_MAX);
    strange
        .map(|(index, _)| Violation {
            pointer: format!("/contents/{index}/uri"),
            message: "is not the URI that was asked for, nor one of the provider's resources".to_owned(),
        })
        .collect()
}

fn scrub_resource(content: &mut ResourceContent, secrets: &CallSecrets) {
    secrets.scrub(&mut content.uri);
    secrets.scrub(&mut content.mime_type);
    match &mut content.body {
        ResourceBody::Text(text) => secrets.scrub(text),
        ResourceBody::Blob(blob) => secrets.scrub_bytes(blob),
    }
}

/// A tool's output without secrets, and parsed. Blocking: some hundred milliseconds for the largest.
fn unpacked(mut output: ToolOutput, secrets: &CallSecrets) -> Result<(Value, Vec<Content>), CallError> {
    secrets.scrub(&mut output.output);
    scrub_content(&mut output.content, secrets);
    let value = json::parse_output(output.output.as_bytes()).map_err(|fault| {
        CallError::InvalidOutput(vec![whole(match fault {
            InputFault::Malformed(why) => format!("not JSON: {why}"),
            fault => fault.to_string(),
        })])
    })?;
    Ok((value, output.content))
}

/// What is wrong with the whole of an output.
fn whole(message: String) -> Violation {
    Violation { pointer: String::new(), message }
}
