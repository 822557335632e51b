//! The host's side of `wit/provider.wit`.

/// What `bindgen!` makes of the contract.
#[expect(missing_docs, reason = "generated from wit/provider.wit, where each item is documented")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit/provider.wit",
        world: "provider-world",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub use generated::exports::bulkhead::provider::provider::{
    Annotations, CallContext, CallError as CallFault, Content, Description, ErrorCode, Health as ProviderHealth,
    HealthStatus, Prompt as PromptDescription, PromptMessage, PromptRole, Resource as ResourceDescription,
    ResourceBody, ResourceContent, Tool as ToolDescription, ToolClass as WasmToolClass, ToolOutput,
};
pub(super) use generated::{
    ProviderWorld, ProviderWorldPre,
    bulkhead::provider::{events, outbound_http, secrets},
};
