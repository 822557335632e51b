//! The contract's types under the names that the rest of the SDK uses.

use std::fmt;

pub(crate) use crate::bindings::exports::bulkhead::provider::provider::{
    CallContext, CallError as WireCallError, Health as WireHealth,
};

pub use crate::bindings::bulkhead::provider::events::{Error as EventError, Level};
pub use crate::bindings::bulkhead::provider::outbound_http::{
    Error as HttpError, Method, Request as HttpRequest, Response as HttpResponse,
};
pub use crate::bindings::bulkhead::provider::secrets::Error as SecretError;
pub use crate::bindings::exports::bulkhead::provider::provider::{
    Annotations, Blob, Content, Description, ErrorCode, HealthStatus, Prompt as PromptDescription, PromptArgument,
    PromptMessage, PromptRole, Resource as ResourceDescription, ResourceBody, ResourceContent, Tool as ToolDescription,
    ToolClass, ToolOutput,
};

/// As it stands in a request, such as `POST`.
impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

impl From<String> for ResourceBody {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ResourceBody {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for ResourceBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}
