//! The provider inside the hub: the component's imports as a [`Gate`], and what [`export!`](crate::export) calls.

use std::rc::Rc;

use crate::Provider;
use crate::bindings::bulkhead::provider::{events, outbound_http, secrets};
use crate::context::Context;
use crate::contract::{
    CallContext, Description, EventError, HttpError, HttpRequest, HttpResponse, Level, PromptMessage, ResourceContent,
    SecretError, ToolOutput, WireCallError, WireHealth,
};
use crate::gate::Gate;

struct HubGate;

impl Gate for HubGate {
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        outbound_http::send(request)
    }

    fn send_all(&self, requests: &[HttpRequest]) -> Vec<Result<HttpResponse, HttpError>> {
        outbound_http::send_all(requests)
    }

    fn secret_reference(&self, name: &str) -> Result<String, SecretError> {
        secrets::reference(name)
    }

    fn secret_reveal(&self, name: &str) -> Result<String, SecretError> {
        secrets::reveal(name)
    }

    fn emit(&self, event_type: &str, data: &str) -> Result<(), EventError> {
        events::emit(event_type, data)
    }

    fn log(&self, level: Level, message: &str) {
        events::log(level, message);
    }
}

/// The call's context, and a last word in the hub's log should the provider panic: a trap alone says nothing.
fn enter(context: CallContext) -> Context {
    std::panic::set_hook(Box::new(|panic| events::log(Level::Error, &panic.to_string())));
    Context::new(context, Rc::new(HubGate))
}

/// Exported as `describe`.
#[must_use]
pub fn describe(provider: fn() -> Provider) -> Description {
    provider().describe()
}

/// Exported as `call-tool`.
///
/// # Errors
/// What the tool answers.
pub fn call_tool(
    provider: fn() -> Provider,
    context: CallContext,
    name: &str,
    input: &str,
) -> Result<ToolOutput, WireCallError> {
    provider().call_tool(&enter(context), name, input).map_err(Into::into)
}

/// Exported as `read-resource`.
///
/// # Errors
/// What the resource answers.
pub fn read_resource(
    provider: fn() -> Provider,
    context: CallContext,
    uri: &str,
) -> Result<Vec<ResourceContent>, WireCallError> {
    provider().read_resource(&enter(context), uri).map_err(Into::into)
}

/// Exported as `get-prompt`.
///
/// # Errors
/// What the prompt answers.
pub fn get_prompt(
    provider: fn() -> Provider,
    context: CallContext,
    name: &str,
    arguments: Vec<(String, String)>,
) -> Result<Vec<PromptMessage>, WireCallError> {
    provider().get_prompt(&enter(context), name, &arguments.into()).map_err(Into::into)
}

/// Exported as `check-health`.
#[must_use]
pub fn check_health(provider: fn() -> Provider, context: CallContext) -> WireHealth {
    provider().check_health(&enter(context)).into()
}
