//! From an [`Answer`] to what MCP wants of it.
//!
//! What a model can act on (a wrong argument, a limit, a failing upstream) is a result with `isError`; only what no call
//! could be made of (an unknown name) is a protocol error. Both say everything in their text, because many clients drop the
//! rest: the code, what is wrong, what to do next, and when.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmcp::{
    ErrorData,
    model::{
        CallToolResult, ContentBlock, ErrorCode, GetPromptResult, MetaObject, PromptMessage, ReadResourceResult,
        ResourceContents, Role,
    },
};
use serde_json::{Value, json, value::RawValue};

use super::{lists::meta, wording::Wording};
use crate::{
    call::{Answer, CallError, Hub, InputFault, Output, Retry, did_you_mean},
    identity::Caller,
    names::{Code, ItemKind, Owner, WireForm},
    registry::Entry,
    sandbox::{Content, PromptRole, ResourceBody, ResourceContent},
    text::{one_line, whole_seconds},
};

/// The key of our data in `_meta` and in error data.
const META: &str = "bulkhead";
/// How much of a name is repeated, in characters.
const NAME_MAX: usize = 128;
/// How much of a URI is repeated, in characters.
const URI_MAX: usize = 256;

/// What was asked for, as far as an answer needs it.
pub(super) struct Asked<'a> {
    pub(super) hub: &'a Hub,
    /// How names look on this endpoint.
    pub(super) form: WireForm,
    pub(super) caller: Arc<Caller>,
    /// The name or URI, as the client wrote it.
    pub(super) name: &'a str,
    /// Whose it is.
    pub(super) owner: Owner,
    /// What the client gave for the provider to repeat.
    pub(super) given: Vec<String>,
}

pub(super) fn tool(asked: &Asked<'_>, answer: Answer) -> Result<CallToolResult, ErrorData> {
    let id = answer.id;
    match answer.outcome {
        Ok(Output::Tool { value, written, content }) => {
            let mut result = CallToolResult::success(blocks(content, &written));
            result.structured_content = Some(value);
            result.meta = meta_of(id);
            Ok(result)
        }
        Err(error @ (CallError::UnknownProvider(_) | CallError::UnknownItem { .. })) => {
            Err(ErrorData::invalid_params(asked.unknown(ItemKind::Tool, &error), Some(data(&error, Some(id)))))
        }
        Err(error @ CallError::Input(InputFault::HeaderMismatch(_))) => {
            Err(ErrorData::header_mismatch(error.told(), Some(data(&error, Some(id)))))
        }
        Err(error) => {
            let error = asked.reworded(error);
            let mut result = CallToolResult::error(vec![ContentBlock::text(error.told())]);
            result.meta = meta(&json!({ META: facts(&error, Some(id)) }));
            Ok(result)
        }
        Ok(_) => Err(protocol_error(&CallError::Internal, Some(id))),
    }
}

/// What a tool has given beside its output, or the output's text for clients that read nothing else.
pub(super) fn blocks(content: Vec<Content>, written: &RawValue) -> Vec<ContentBlock> {
    if content.is_empty() {
        return vec![ContentBlock::text(written.get())];
    }
    content.into_iter().map(block).collect()
}

/// What is told of a call that has succeeded.
pub(super) fn meta_of(call: uuid::Uuid) -> Option<MetaObject> {
    meta(&json!({ META: { "call_id": call } }))
}

/// `own` is what was asked for in each form in which the line may label it, with and without the provider in front.
pub(super) fn resource(asked: &Asked<'_>, own: &[String; 2], answer: Answer) -> Result<ReadResourceResult, ErrorData> {
    let (id, uri) = (answer.id, asked.name);
    match answer.outcome {
        Ok(Output::Resource(contents)) => {
            let contents = contents.into_iter().map(|mut content| {
                if own.contains(&content.uri) {
                    uri.clone_into(&mut content.uri);
                }
                contents_of(content)
            });
            Ok(ReadResourceResult::new(contents.collect()))
        }
        Err(error @ CallError::Ambiguous { .. }) => {
            Err(ErrorData::invalid_params(error.told(), Some(about(uri, &error, id))))
        }
        Err(error @ (CallError::UnknownProvider(_) | CallError::UnknownItem { .. })) => {
            let text = format!("unknown_resource: there is no resource `{}`{}", one_line(uri, URI_MAX), then(&error));
            Err(ErrorData::resource_not_found(text, Some(about(uri, &error, id))))
        }
        Err(error) => {
            let error = asked.reworded(error);
            match &error {
                CallError::Provider(fault) if fault.code == Code::NotFound => {
                    Err(ErrorData::resource_not_found(error.told(), Some(about(uri, &error, id))))
                }
                _ => Err(protocol_error(&error, Some(id))),
            }
        }
        Ok(_) => Err(protocol_error(&CallError::Internal, Some(id))),
    }
}

pub(super) fn prompt(asked: &Asked<'_>, answer: Answer) -> Result<GetPromptResult, ErrorData> {
    let id = answer.id;
    match answer.outcome {
        Ok(Output::Prompt(messages)) => {
            let wording = asked.wording();
            let messages = messages.into_iter().map(|message| {
                let role = match message.role {
                    PromptRole::User => Role::User,
                    PromptRole::Assistant => Role::Assistant,
                };
                let content = match message.content {
                    Content::Text(text) => Content::Text(wording.text_around(&text, &asked.given).into_owned()),
                    other => other,
                };
                PromptMessage::new(role, block(content))
            });
            Ok(GetPromptResult::new(messages.collect()))
        }
        Err(error @ (CallError::UnknownProvider(_) | CallError::UnknownItem { .. })) => {
            Err(ErrorData::invalid_params(asked.unknown(ItemKind::Prompt, &error), Some(data(&error, Some(id)))))
        }
        Err(error @ (CallError::Ambiguous { .. } | CallError::Input(_))) => {
            Err(ErrorData::invalid_params(error.told(), Some(data(&error, Some(id)))))
        }
        Err(error) => Err(protocol_error(&asked.reworded(error), Some(id))),
        Ok(_) => Err(protocol_error(&CallError::Internal, Some(id))),
    }
}

impl Asked<'_> {
    /// What is told of a name that leads to nothing: both parts of it may be wrong, so it is told as a whole.
    fn unknown(&self, kind: ItemKind, error: &CallError) -> String {
        let near = self.hub.near(&self.caller, kind, self.name).into_iter();
        let near: Vec<_> = near.map(|(provider, item)| self.form.name(&provider, &item)).collect();
        let (kind, name) = (kind.as_str(), one_line(self.name, NAME_MAX));
        format!("unknown_{kind}: there is no {kind} `{name}`{}{}", did_you_mean(&near), then(error))
    }

    /// How the provider's words are told here.
    fn wording(&self) -> Wording {
        let snapshot = self.hub.registry().snapshot();
        match self.owner.provider().and_then(|provider| snapshot.entry(provider)) {
            Some(Entry::Ready { revision, .. }) => Wording::of(revision, self.form),
            _ => Wording::of_nobody(),
        }
    }

    /// A provider's error in words that this client can follow.
    fn reworded(&self, error: CallError) -> CallError {
        match error {
            CallError::Provider(mut fault) => {
                fault.message = self.wording().text(&fault.message).into_owned();
                fault.into()
            }
            other => other,
        }
    }
}

fn then(error: &CallError) -> String {
    let advice = error.advice();
    format!(" (next: {}; retry: {})", advice.next, advice.retry.told())
}

fn about(uri: &str, error: &CallError, call: uuid::Uuid) -> Value {
    json!({ "uri": one_line(uri, URI_MAX), META: facts(error, Some(call)) })
}

/// An error that no result can carry. Its code is the HTTP status, outside the range that JSON-RPC keeps for itself.
pub(super) fn protocol_error(error: &CallError, call: Option<uuid::Uuid>) -> ErrorData {
    ErrorData::new(ErrorCode(error.status().into()), error.told(), Some(data(error, call)))
}

/// What the text says, for programs.
pub(super) fn data(error: &CallError, call: Option<uuid::Uuid>) -> Value {
    json!({ META: facts(error, call) })
}

fn facts(error: &CallError, call: Option<uuid::Uuid>) -> Value {
    let advice = error.advice();
    let mut facts = json!({ "code": error.code(), "next": advice.next });
    if let Some(call) = call {
        facts["call_id"] = json!(call);
    }
    if let Retry::After(after) = advice.retry {
        facts["retry_after_seconds"] = json!(whole_seconds(after).max(1));
    }
    if !error.violations().is_empty() {
        facts["errors"] = json!(error.violations());
    }
    facts
}

fn block(content: Content) -> ContentBlock {
    match content {
        Content::Text(text) => ContentBlock::text(text),
        Content::Image(blob) => ContentBlock::image(STANDARD.encode(blob.data), blob.mime_type),
        Content::Audio(blob) => ContentBlock::audio(STANDARD.encode(blob.data), blob.mime_type),
        Content::Resource(content) => ContentBlock::resource(contents_of(content)),
    }
}

/// A content under the URI that the line has labelled it with.
fn contents_of(content: ResourceContent) -> ResourceContents {
    let contents = match content.body {
        ResourceBody::Text(text) => ResourceContents::text(text, content.uri),
        ResourceBody::Blob(blob) => ResourceContents::blob(STANDARD.encode(blob), content.uri),
    };
    contents.with_mime_type(content.mime_type)
}
