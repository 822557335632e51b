//! One endpoint: what rmcp asks of the hub, as calls.

use std::{pin::pin, sync::Arc};

use axum::{http::HeaderMap, response::Response};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams,
        CompleteResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, Implementation,
        InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};
use serde_json::Value;
use zeroize::Zeroizing;

use tokio_util::sync::CancellationToken;

use super::{
    answers::{self, Asked},
    direct::{self, Direct, Era},
    instructions, lists,
    message::RefusedInput,
    param_headers,
    told::Told,
    under_way::TakenBack,
};
use crate::{
    call::{
        Answer, Call, CallError, Document, Hub, HubOperation, Input, InputFault, Offers, Operation, Output, Principal,
        ProviderOperation, RequestFault,
    },
    http::{Admission, Correlation},
    identity::Caller,
    limits::Permit,
    names::{Code, CorrelationId, Owner, Surface, WireForm},
    registry::Entry,
    stages::{self, Stage},
};

/// One MCP endpoint of the hub.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(super) hub: Arc<Hub>,
    pub(super) form: WireForm,
    pub(super) access: Access,
}

/// Where a request's caller comes from.
#[derive(Clone)]
pub(super) enum Access {
    /// The HTTP layer has verified the token and left the caller in the request.
    PerRequest,
    /// One token for the whole process. It is verified on every request, so that it expires here too.
    Token(Arc<Zeroizing<String>>),
}

/// Who asks, and under which correlation id.
pub(super) struct Asking {
    pub(super) caller: Arc<Caller>,
    pub(super) permit: Result<Permit, CallError>,
    pub(super) correlation_id: CorrelationId,
    pub(super) surface: Surface,
}

impl Endpoint {
    /// From here on, whatever is refused is on record.
    async fn asking(&self, context: &RequestContext<RoleServer>) -> Result<Asking, ErrorData> {
        Told::by_handler(context);
        let parts = context.extensions.get::<::http::request::Parts>();
        match (&self.access, parts) {
            (Access::Token(token), _) => {
                let correlation_id = CorrelationId::accept(None);
                let verified = self.hub.authenticate(Ok(token.as_str()), Surface::Stdio, &correlation_id).await;
                let caller = verified.map_err(|error| answers::protocol_error(&error, None))?;
                let permit = self.hub.acquire(&caller);
                Ok(Asking { caller, permit, correlation_id, surface: Surface::Stdio })
            }
            (Access::PerRequest, Some(parts)) => {
                let of_request = || {
                    let caller = parts.extensions.get::<Arc<Caller>>()?.clone();
                    let permit = parts.extensions.get::<Admission>()?.0.clone();
                    let correlation_id = parts.extensions.get::<Correlation>()?.0.clone();
                    Some(Asking { caller, permit, correlation_id, surface: Surface::Mcp })
                };
                of_request().ok_or_else(|| answers::protocol_error(&CallError::Internal, None))
            }
            (Access::PerRequest, None) => Err(answers::protocol_error(&CallError::Internal, None)),
        }
    }

    /// What there is to list. A list is whole: there is no second page, so any cursor is somebody's invention.
    async fn listing(
        &self,
        request: Option<&PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Offers, ErrorData> {
        let asking = self.asking(context).await?;
        let page = if request.is_some_and(|request| request.cursor.is_some()) {
            let text = "unknown cursor: list again without one".to_owned();
            Err(RequestFault { code: Code::ParamsInvalid, status: 400, text })
        } else {
            Ok(())
        };
        let answer = self.call(asking, Operation::OfHub(HubOperation::McpList(page)), given_up(context)).await;
        let call = Some(answer.id);
        Err(match answer.outcome {
            Ok(Output::Offers(offers)) => return Ok(offers),
            Ok(_) => answers::protocol_error(&CallError::Internal, call),
            Err(refused @ CallError::Request(_)) => {
                ErrorData::invalid_params(refused.told(), Some(answers::data(&refused, call)))
            }
            Err(refused) => answers::protocol_error(&refused, call),
        })
    }

    /// What this client's caller is told of the hub.
    async fn instructions(&self, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let caller = self.asking(context).await?.caller;
        Ok(instructions::of(&self.hub.offers(&caller), self.form))
    }

    /// What an answer needs to know of what was asked.
    fn asked<'a>(&'a self, asking: &Asking, name: &'a str, owner: &Owner) -> Asked<'a> {
        let (caller, owner) = (Arc::clone(&asking.caller), owner.clone());
        Asked { hub: &self.hub, form: self.form, caller, name, owner, given: Vec::new() }
    }

    /// A tool's input, unless headers that repeat parts of it say something else. That is told when the line comes to the
    /// input: who may not call the tool hears only that.
    fn input(&self, headers: Option<&HeaderMap>, owner: &Owner, tool: &str, input: Document) -> Input {
        let snapshot = self.hub.registry().snapshot();
        if let (Some(headers), Some(members)) = (headers, input.members())
            && let Some(Entry::Ready { revision, .. }) = owner.provider().and_then(|provider| snapshot.entry(provider))
            && let Some(tool) = revision.tool(tool)
        {
            param_headers::check(headers, &tool.mirrored, members).map_err(InputFault::HeaderMismatch)?;
        }
        Ok(input)
    }

    /// Makes the call. When the client takes the request back the call is cancelled; the answer is what the line made of it
    /// and has recorded.
    async fn call(&self, asking: Asking, operation: Operation, given_up: impl Future<Output = ()>) -> Answer {
        let call = Call {
            principal: Principal::Caller(asking.caller),
            permit: asking.permit,
            surface: asking.surface,
            correlation_id: asking.correlation_id,
            operation,
        };
        stages::ends(Stage::Read);
        let gone = CancellationToken::new();
        let mut answer = pin!(self.hub.call_until(call, gone.clone()));
        tokio::select! {
            answer = &mut answer => {
                stages::ends(Stage::Record);
                return answer;
            }
            () = given_up => {}
        }
        gone.cancel();
        answer.await
    }

    /// Answers a call about which there is nothing for rmcp to decide.
    pub(super) async fn answer(
        &self,
        asking: Asking,
        headers: &HeaderMap,
        era: Era,
        call: Direct,
        TakenBack(taken_back): TakenBack,
    ) -> Response {
        let Direct { id, name, input } = call;
        let (owner, tool) = self.hub.registry().snapshot().resolve(&name);
        let asked = self.asked(&asking, &name, &owner);
        let input = self.input(Some(headers), &owner, &tool, input);
        let operation =
            Operation::OfProvider { owner, asked: ProviderOperation::CallTool { tool, input, replays: None } };
        let answer = self.call(asking, operation, taken_back.cancelled()).await;
        direct::answered(id, era, &asked, answer).await
    }
}

/// Ends when the client takes its request back, or goes away.
async fn given_up(context: &RequestContext<RoleServer>) {
    let parts = context.extensions.get::<::http::request::Parts>();
    let taken_back = parts.and_then(|parts| parts.extensions.get::<TakenBack>());
    match taken_back {
        None => context.ct.cancelled().await,
        Some(TakenBack(taken_back)) => tokio::select! {
            () = context.ct.cancelled() => {}
            () = taken_back.cancelled() => {}
        },
    }
}

impl ServerHandler for Endpoint {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("bulkhead", env!("CARGO_PKG_VERSION")).with_title("Bulkhead"))
            .with_instructions(instructions::of_the_hub())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let told = self.instructions(&context).await?;
        Ok(self.negotiate_initialize(&request)?.with_instructions(told))
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let info = self.get_info().with_instructions(self.instructions(&context).await?);
        let mut discovered = DiscoverResult::from_server_info(versions, info);
        // What is told depends on the caller.
        discovered.cache_scope = CacheScope::Private;
        Ok(discovered)
    }

    /// Not among the capabilities; rmcp would answer it all the same, with nothing.
    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let offers = self.listing(request.as_ref(), &context).await?;
        Ok(lists::tools(&offers, self.form))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let offers = self.listing(request.as_ref(), &context).await?;
        Ok(lists::resources(&offers, self.form))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let offers = self.listing(request.as_ref(), &context).await?;
        Ok(lists::templates(&offers, self.form))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let offers = self.listing(request.as_ref(), &context).await?;
        Ok(lists::prompts(&offers, self.form))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let asking = self.asking(&context).await?;
        let (owner, tool) = self.hub.registry().snapshot().resolve(&request.name);
        let asked = self.asked(&asking, &request.name, &owner);
        let headers = context.extensions.get::<::http::request::Parts>().map(|parts| &parts.headers);
        let input = match RefusedInput::of(&context) {
            Some(refused) => Err(refused),
            None => self.input(headers, &owner, &tool, Document::of(request.arguments.unwrap_or_default())),
        };
        let operation =
            Operation::OfProvider { owner, asked: ProviderOperation::CallTool { tool, input, replays: None } };
        let answer = self.call(asking, operation, given_up(&context)).await;
        answers::tool(&asked, answer).map(Into::into)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let asking = self.asking(&context).await?;
        let (owner, uri) = self.hub.registry().snapshot().resolve_resource(&request.uri);
        let asked = self.asked(&asking, &request.uri, &owner);
        let own = [uri.clone(), format!("{}+{uri}", owner.provider().unwrap_or_default())];
        let operation = Operation::OfProvider { owner, asked: ProviderOperation::ReadResource { uri } };
        let answer = self.call(asking, operation, given_up(&context)).await;
        answers::resource(&asked, &own, answer).map(Into::into)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let asking = self.asking(&context).await?;
        let (owner, prompt) = self.hub.registry().snapshot().resolve_prompt(&request.name);
        let mut asked = self.asked(&asking, &request.name, &owner);
        let arguments = request.arguments.unwrap_or_default().into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        let arguments: Vec<_> = arguments.collect();
        asked.given = arguments.iter().map(|(_, value)| value.clone()).collect();
        let operation = Operation::OfProvider { owner, asked: ProviderOperation::GetPrompt { prompt, arguments } };
        let answer = self.call(asking, operation, given_up(&context)).await;
        answers::prompt(&asked, answer).map(Into::into)
    }
}
