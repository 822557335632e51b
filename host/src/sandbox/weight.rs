//! How large an answer is, so that every sort of answer has the same bound.

use super::bindings::{CallFault, Content, PromptMessage, ProviderHealth, ResourceBody, ResourceContent, ToolOutput};

/// Something that came out of a guest.
pub(super) trait Weigh {
    /// Its size in bytes, near enough.
    fn bytes(&self) -> usize;
}

impl<T: Weigh> Weigh for Result<T, CallFault> {
    fn bytes(&self) -> usize {
        match self {
            Ok(answer) => answer.bytes(),
            Err(fault) => fault.message.len(),
        }
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(Weigh::bytes).sum()
    }
}

impl Weigh for ToolOutput {
    fn bytes(&self) -> usize {
        self.output.len() + self.content.bytes()
    }
}

impl Weigh for Content {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Image(blob) | Self::Audio(blob) => blob.data.len() + blob.mime_type.len(),
            Self::Resource(content) => content.bytes(),
        }
    }
}

impl Weigh for ResourceContent {
    fn bytes(&self) -> usize {
        let body = match &self.body {
            ResourceBody::Text(text) => text.len(),
            ResourceBody::Blob(blob) => blob.len(),
        };
        self.uri.len() + self.mime_type.len() + body
    }
}

impl Weigh for PromptMessage {
    fn bytes(&self) -> usize {
        self.content.bytes()
    }
}

impl Weigh for ProviderHealth {
    fn bytes(&self) -> usize {
        self.reason.len()
    }
}
