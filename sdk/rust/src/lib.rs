#![doc = include_str!("../README.md")]
#![deny(unsafe_code)] // not `forbid`: the generated `bindings` need it
#![warn(missing_docs, clippy::pedantic)]

#[doc(hidden)]
pub mod bindings;
mod context;
mod contract;
mod cost;
mod dispatch;
mod error;
mod gate;
mod health;
pub mod http;
#[doc(hidden)]
pub mod hub;
mod json;
#[cfg(target_family = "wasm")]
mod memory;
pub mod paging;
mod prompt;
mod provider;
mod quota;
mod resource;
mod schema;
mod severity;
mod template;
#[cfg(not(target_family = "wasm"))] // its schema checks have no place in a component
pub mod testing;
pub mod time;
mod tool;

pub use context::Context;
pub use contract::{
    Annotations, Blob, Content, Description, ErrorCode, EventError, HealthStatus, HttpError, HttpRequest, HttpResponse,
    Level, Method, PromptArgument, PromptDescription, PromptMessage, PromptRole, ResourceBody, ResourceContent,
    ResourceDescription, SecretError, ToolClass, ToolDescription, ToolOutput,
};
pub use cost::COST_EVENT;
pub use error::CallError;
pub use gate::Gate;
pub use health::Health;
pub use prompt::{Arguments, Messages, Prompt};
pub use provider::Provider;
pub use quota::{QUOTA_EVENT, Quota};
pub use resource::Resource;
pub use severity::{Severity, SeverityCounts};
pub use template::Variables;
pub use tool::{Answer, IntoAnswer, NoInput, Tool};

/// The serde that the derive macros of [`prelude`] expand to, so that an author need not depend on it separately.
pub use {schemars, serde, serde_json};

/// What nearly every provider needs: `use bulkhead_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::http::{Failure, Response};
    pub use crate::{
        Answer, Arguments, CallError, Content, Context, ErrorCode, Health, HttpError, Method, NoInput, Prompt,
        Provider, Quota, Resource, Severity, SeverityCounts, Tool, Variables,
    };
    pub use schemars::{self, JsonSchema};
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}

/// Exports a provider from its crate: `bulkhead_sdk::export!(provider);`, where `provider` is a `fn() -> Provider`.
///
/// The hub runs every call in a fresh instance, so the function runs once per call: build the [`Provider`] there and do
/// nothing else. Outside of WebAssembly the line only checks the type.
#[macro_export]
macro_rules! export {
    ($provider:path) => {
        const _: fn() -> $crate::Provider = $provider;

        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::exports::bulkhead::provider::provider as contract;

            struct Component;

            impl contract::Guest for Component {
                fn describe() -> contract::Description {
                    $crate::hub::describe($provider)
                }
                fn call_tool(
                    context: contract::CallContext,
                    name: String,
                    input: String,
                ) -> Result<contract::ToolOutput, contract::CallError> {
                    $crate::hub::call_tool($provider, context, &name, &input)
                }
                fn read_resource(
                    context: contract::CallContext,
                    uri: String,
                ) -> Result<Vec<contract::ResourceContent>, contract::CallError> {
                    $crate::hub::read_resource($provider, context, &uri)
                }
                fn get_prompt(
                    context: contract::CallContext,
                    name: String,
                    arguments: Vec<(String, String)>,
                ) -> Result<Vec<contract::PromptMessage>, contract::CallError> {
                    $crate::hub::get_prompt($provider, context, &name, arguments)
                }
                fn check_health(context: contract::CallContext) -> contract::Health {
                    $crate::hub::check_health($provider, context)
                }
            }

    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}
