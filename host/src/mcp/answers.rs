//! From an [`Answer`] to what MCP wants of it.
//!
//! What a model can act on (a wrong argument, a limit, a failing upstream) is a result with `isError`; only what no call
//! could be made of (an unknown name) is a protocol error. Both carry the same code and text as REST.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmcp::{
    ErrorData,
    model::{
        CallToolResult, ContentBlock, ErrorCode, GetPromptResult, PromptMessage, ReadResourceResult, ResourceContents,
        Role,
    },
};
use serde_json::{Value, json};

use super::lists::meta;
use crate::{
    call::{Answer, CallError, Output},
    sandbox::{Content, PromptRole, ResourceBody, ResourceContent},
};

/// The key of our data in `_meta` and in error data.
const META: &str = "bulkhead";

pub(super) fn tool(name: &str, answer: Answer) -> Result<CallToolResult, ErrorData> {
    let id = answer.id;
    match answer.outcome {
        Ok(Output::Tool { value, content }) => {
            let mut blocks: Vec<_> = content.into_iter().map(block).collect();
            if blocks.is_empty() {
                blocks.push(ContentBlock::text(value.to_string()));
            }
            let mut result = CallToolResult::success(blocks);
            result.structured_content = Some(value);
            result.meta = meta(&json!({ META: { "call_id": id } }));
            Ok(result)
        }
        Err(CallError::UnknownProvider(_) | CallError::UnknownItem { .. }) => Err(ErrorData::invalid_params(
            format!("Unknown tool: {name:.128}"),
            Some(json!({ META: { "call_id": id } })),
        )),
        Err(error) => {
            let mut result = CallToolResult::error(vec![ContentBlock::text(error.to_string())]);
            result.meta = meta(&json!({ META: facts(&error, Some(id)) }));
            Ok(result)
        }
        Ok(_) => Err(protocol_error(&CallError::Internal, Some(id))),
    }
}

pub(super) fn resource(uri: &str, answer: Answer) -> Result<ReadResourceResult, ErrorData> {
    let id = answer.id;
    match answer.outcome {
        Ok(Output::Resource(contents)) => {
            Ok(ReadResourceResult::new(contents.into_iter().map(|content| contents_of(content, Some(uri))).collect()))
        }
        Err(CallError::UnknownProvider(_) | CallError::UnknownItem { .. }) => {
            Err(ErrorData::resource_not_found(format!("Unknown resource: {uri:.256}"), Some(json!({ "uri": uri }))))
        }
        Err(CallError::Provider(fault)) if fault.code == "not_found" => {
            Err(ErrorData::resource_not_found(fault.message, Some(json!({ "uri": uri }))))
        }
        Err(error) => Err(protocol_error(&error, Some(id))),
        Ok(_) => Err(protocol_error(&CallError::Internal, Some(id))),
    }
}

pub(super) fn prompt(name: &str, answer: Answer) -> Result<GetPromptResult, ErrorData> {
    let id = answer.id;
    match answer.outcome {
        Ok(Output::Prompt(messages)) => {
            let messages = messages.into_iter().map(|message| {
                let role = match message.role {
                    PromptRole::User => Role::User,
                    PromptRole::Assistant => Role::Assistant,
                };
                PromptMessage::new(role, block(message.content))
            });
            Ok(GetPromptResult::new(messages.collect()))
        }
        Err(CallError::UnknownProvider(_) | CallError::UnknownItem { .. }) => {
            Err(ErrorData::invalid_params(format!("Unknown prompt: {name:.128}"), None))
        }
        Err(error @ CallError::Input(_)) => {
            Err(ErrorData::invalid_params(error.to_string(), Some(json!({ META: facts(&error, Some(id)) }))))
        }
        Err(error) => Err(protocol_error(&error, Some(id))),
        Ok(_) => Err(protocol_error(&CallError::Internal, Some(id))),
    }
}

/// An error that no result can carry. Its code is the HTTP status, outside the range that JSON-RPC keeps for itself.
pub(super) fn protocol_error(error: &CallError, call: Option<uuid::Uuid>) -> ErrorData {
    ErrorData::new(ErrorCode(error.status().into()), error.to_string(), Some(json!({ META: facts(error, call) })))
}

fn facts(error: &CallError, call: Option<uuid::Uuid>) -> Value {
    let mut facts = json!({ "code": error.code() });
    if let Some(call) = call {
        facts["call_id"] = json!(call);
    }
    if let Some(after) = error.retry_after() {
        facts["retry_after_seconds"] = json!(crate::call::whole_seconds(after).max(1));
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
        Content::Resource(content) => ContentBlock::resource(contents_of(content, None)),
    }
}

/// A content under the URI it was asked for by, if it is the one that was asked for.
fn contents_of(content: ResourceContent, asked: Option<&str>) -> ResourceContents {
    let uri = asked.filter(|asked| asked.ends_with(&content.uri)).map_or(content.uri, str::to_owned);
    let contents = match content.body {
        ResourceBody::Text(text) => ResourceContents::text(text, uri),
        ResourceBody::Blob(blob) => ResourceContents::blob(STANDARD.encode(blob), uri),
    };
    contents.with_mime_type(content.mime_type)
}
