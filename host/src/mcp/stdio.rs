//! stdio: one client, one token, the same hub.

use std::{borrow::Cow, sync::Arc};

use axum::http::StatusCode;
use rmcp::{
    ErrorData, RoleServer, Service, ServiceExt as _,
    model::{ClientNotification, ClientRequest, ErrorCode, ProtocolVersion, ServerConfig, ServerResult},
    service::{NotificationContext, RequestContext},
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    answers,
    endpoint::{Access, Endpoint},
    exchange,
    lines::{Client, Ids, Lines},
    told::Told,
};
use crate::{
    call::{CallError, Hub},
    names::WireForm,
};

/// Serves standard input and output until the client closes them or `end` is cancelled.
///
/// # Errors
/// When the client does not speak MCP, with its reason.
pub async fn serve(
    hub: &Arc<Hub>,
    token: Zeroizing<String>,
    form: WireForm,
    end: CancellationToken,
) -> Result<(), String> {
    let token = Arc::new(token);
    let client = Arc::new(Client { hub: Arc::clone(hub), token: Arc::clone(&token), under_way: Ids::default() });
    let endpoint = Endpoint { hub: Arc::clone(hub), form, access: Access::Token(token) };
    let lines = Lines::new(tokio::io::stdin(), tokio::io::stdout(), Arc::clone(&client));
    let serving = Recorded { endpoint, client }.serve_with_ct(lines, end);
    let running = serving.await.map_err(|error| error.to_string())?;
    running.waiting().await.map_err(|error| error.to_string())?;
    hub.drain().await;
    Ok(())
}

/// The endpoint, and a row for what rmcp refuses before it gets there.
struct Recorded {
    endpoint: Endpoint,
    client: Arc<Client>,
}

impl Service<RoleServer> for Recorded {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let (id, taken_back) = (context.id.clone(), context.ct.clone());
        let answered = self.answered(request, context).await;
        if taken_back.is_cancelled() {
            // rmcp keeps the answer to itself.
            self.client.under_way.leave(&id);
        }
        answered
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Service::handle_notification(&self.endpoint, notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.endpoint)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.endpoint)
    }
}

impl Recorded {
    async fn answered(
        &self,
        request: ClientRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let told = Told::new(Some(context.id.clone()));
        context.extensions.insert(told.clone());
        let answered = Service::handle_request(&self.endpoint, request, context).await;
        let error = match answered {
            Err(error) if !told.is_answered() => error,
            answered => return answered,
        };
        let fault = exchange::own_refusal(&error, StatusCode::BAD_REQUEST);
        match self.client.refuse(fault.into()).await {
            refused @ CallError::Request(_) => Err(exchange::bounded(error, &refused)),
            refused => {
                let code = ErrorCode(refused.status().into());
                Err(ErrorData::new(code, refused.told(), Some(answers::data(&refused, None))))
            }
        }
    }
}
