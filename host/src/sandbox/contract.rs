//! Holds a component against the contract before anything of it runs (G10).

use wasmtime::{
    Engine,
    component::{Component, types::ComponentItem},
};

use super::wasi;

/// What every component begins with, as its binary format has it: the magic, the version, the layer.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The contract's own interfaces, without their version: every 1.x is served. WASI's are granted beside them.
const GRANTED: [&str; 3] =
    ["bulkhead:provider/outbound-http@1.", "bulkhead:provider/secrets@1.", "bulkhead:provider/events@1."];
/// The interface that a provider exports.
const REQUIRED: &str = "bulkhead:provider/provider@1.";
/// Its functions.
const FUNCTIONS: [&str; 5] = ["describe", "call-tool", "read-resource", "get-prompt", "check-health"];

/// Why a component is not a provider. Every offence is named, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// Not a component at all.
    #[error("not a WebAssembly component: {0} (a core module must be turned into one, see docs/provider-contract.md)")]
    NotAComponent(String),
    /// A component that cannot be compiled or instantiated.
    #[error("it is broken, or made of what the hub does not support: {0}")]
    Unusable(String),
    /// It imports what is not granted, lacks the export, or both.
    #[error("it breaks the provider contract: {}", .0.join("; "))]
    Offences(Vec<String>),
    /// It has the right names with other types.
    #[error("its interfaces do not match bulkhead:provider@1: {0} (rebuild it with the current SDK)")]
    Types(String),
}

impl ContractError {
    /// Why bytes were not compiled.
    pub(super) fn not_compiled(bytes: &[u8], reason: String) -> Self {
        if bytes.starts_with(COMPONENT) { Self::Unusable(reason) } else { Self::NotAComponent(reason) }
    }
}

/// Checks imports and exports by name.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<(), ContractError> {
    let ty = component.component_type();
    let mut offences: Vec<String> = ty
        .imports(engine)
        .filter(|(name, _)| !GRANTED.iter().chain(&wasi::SERVED).any(|granted| name.starts_with(granted)))
        .map(|(name, _)| format!("it imports `{name}`, which the hub does not grant"))
        .collect();
    let provider = ty.exports(engine).find(|(name, _)| name.starts_with(REQUIRED));
    match provider.map(|(_, item)| item.ty) {
        Some(ComponentItem::ComponentInstance(instance)) => {
            let exported: Vec<_> = instance.exports(engine).map(|(name, _)| name.to_owned()).collect();
            let missing = FUNCTIONS.iter().filter(|function| !exported.iter().any(|name| name == *function));
            offences.extend(missing.map(|function| format!("its provider interface lacks `{function}`")));
        }
        _ => offences.push("it does not export `bulkhead:provider/provider@1`".to_owned()),
    }
    if offences.is_empty() { Ok(()) } else { Err(ContractError::Offences(offences)) }
}
