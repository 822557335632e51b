//! MCP: the surface for agents, over Streamable HTTP and stdio, in both protocol eras and without sessions.

mod answers;
pub mod http;
mod lines;
mod lists;
mod message;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod stdio;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, Implementation,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::Value;
use zeroize::Zeroizing;

pub use stdio::serve as serve_stdio;

use crate::{
    api::{Admission, Correlation},
    call::{Answer, Call, CallError, CorrelationId, Hub, Operation, Principal, Surface, WireForm},
    identity::Caller,
    limits::Place,
};

const INSTRUCTIONS: &str = "Ops tools behind one gateway. Every call is authorized by your role, rate limited and recorded. \
    A tool that is missing from the list needs a higher role, or its provider is down. Errors say what to do next.";

/// One MCP endpoint of the hub.
#[derive(Clone)]
pub(crate) struct Endpoint {
    hub: Arc<Hub>,
    form: WireForm,
    access: Access,
}

/// Where a request's caller comes from.
#[derive(Clone)]
enum Access {
    /// The HTTP layer has verified the token and left the caller in the request.
    PerRequest,
    /// One token for the whole process. It is verified on every request, so that it expires here too.
    Token(Arc<Zeroizing<String>>),
}

/// Who asks, and under which correlation id.
struct Asking {
    caller: Arc<Caller>,
    place: Result<Place, CallError>,
    correlation_id: CorrelationId,
    surface: Surface,
}

impl Endpoint {
    async fn asking(&self, context: &RequestContext<RoleServer>) -> Result<Asking, ErrorData> {
        let parts = context.extensions.get::<::http::request::Parts>();
        match (&self.access, parts) {
            (Access::Token(token), _) => {
                let correlation_id = CorrelationId::accept(None);
                let verified = self.hub.authenticate(Ok(token.as_str()), Surface::Stdio, &correlation_id).await;
                let caller = verified.map_err(|error| answers::protocol_error(&error, None))?;
                let place = self.hub.enter(&caller);
                Ok(Asking { caller, place, correlation_id, surface: Surface::Stdio })
            }
            (Access::PerRequest, Some(parts)) => {
                let of_request = || {
                    let caller = parts.extensions.get::<Arc<Caller>>()?.clone();
                    let place = parts.extensions.get::<Admission>()?.0.clone();
                    let correlation_id = parts.extensions.get::<Correlation>()?.0.clone();
                    Some(Asking { caller, place, correlation_id, surface: Surface::Mcp })
                };
                of_request().ok_or_else(|| answers::protocol_error(&CallError::Internal, None))
            }
            (Access::PerRequest, None) => Err(answers::protocol_error(&CallError::Internal, None)),
        }
    }

    /// Who asks for a list. It is whole: there is no second page, so any cursor is somebody's invention.
    async fn listing(
        &self,
        request: Option<&PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Arc<Caller>, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("unknown cursor: list again without one", None));
        }
        let asking = self.asking(context).await?;
        match asking.place {
            Ok(_) => Ok(asking.caller),
            Err(full) => {
                let (caller, surface) = (Some(&*asking.caller), asking.surface);
                let refused = self.hub.refuse(full, "mcp_list", caller, surface, &asking.correlation_id).await;
                Err(answers::protocol_error(&refused, None))
            }
        }
    }

    /// Makes the call, or gives up when the client cancels the request; the call is then recorded as cancelled.
    async fn call(
        &self,
        context: &RequestContext<RoleServer>,
        asking: Asking,
        provider: String,
        operation: Operation,
    ) -> Option<Answer> {
        let call = Call {
            principal: Principal::Caller(asking.caller),
            place: asking.place,
            surface: asking.surface,
            correlation_id: asking.correlation_id,
            provider,
            operation,
        };
        tokio::select! {
            answer = self.hub.call(call) => Some(answer),
            () = context.ct.cancelled() => None,
        }
    }
}

fn cancelled() -> ErrorData {
    ErrorData::internal_error("the request was cancelled", None)
}

impl ServerHandler for Endpoint {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("bulkhead", env!("CARGO_PKG_VERSION")).with_title("Bulkhead"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.listing(request.as_ref(), &context).await?;
        Ok(lists::tools(&self.hub, &caller, self.form))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = self.listing(request.as_ref(), &context).await?;
        Ok(lists::resources(&self.hub, &caller))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let caller = self.listing(request.as_ref(), &context).await?;
        Ok(lists::templates(&self.hub, &caller))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let caller = self.listing(request.as_ref(), &context).await?;
        Ok(lists::prompts(&self.hub, &caller, self.form))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let asking = self.asking(&context).await?;
        let (provider, tool) = self.hub.registry().snapshot().resolve(&request.name);
        let input = Ok(Value::Object(request.arguments.unwrap_or_default()));
        let answer = self.call(&context, asking, provider, Operation::CallTool { tool, input }).await;
        answers::tool(&request.name, answer.ok_or_else(cancelled)?).map(Into::into)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let asking = self.asking(&context).await?;
        let (provider, uri) = self.hub.registry().snapshot().resolve_resource(&request.uri);
        let answer = self.call(&context, asking, provider, Operation::ReadResource { uri }).await;
        answers::resource(&request.uri, answer.ok_or_else(cancelled)?).map(Into::into)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let asking = self.asking(&context).await?;
        let (provider, prompt) = self.hub.registry().snapshot().resolve_prompt(&request.name);
        let arguments = request.arguments.unwrap_or_default().into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        let operation = Operation::GetPrompt { prompt, arguments: arguments.collect() };
        let answer = self.call(&context, asking, provider, operation).await;
        answers::prompt(&request.name, answer.ok_or_else(cancelled)?).map(Into::into)
    }
}
