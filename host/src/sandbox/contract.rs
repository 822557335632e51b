//! Holds a component against the contract before anything of it runs (G10): the names of its imports already before it
//! is compiled, which may take a while, everything after that.

use wasmparser::{Chunk, ComponentTypeRef, Parser, Payload};
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
/// So many offences are named; a component may have millions.
const OFFENCES_MAX: usize = 64;
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

/// Checks the names of imports in a component's bytes, without compiling it. Blocking; nothing nested is looked into, so it
/// takes milliseconds. What is broken is left to the compiler, which says what is wrong with it.
///
/// # Errors
/// When it is a component that imports what is not granted. That it does not export the provider interface is told then, too.
pub(super) fn check_imports(bytes: &[u8]) -> Result<(), ContractError> {
    if !bytes.starts_with(COMPONENT) {
        return Ok(());
    }
    let mut offences = Offences::default();
    let mut exports_a_provider = false;
    let (mut parser, mut rest) = (Parser::new(0), bytes);
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(rest, true) {
        let mut nested = 0;
        match payload {
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                nested = unchecked_range.len();
            }
            Payload::ComponentImportSection(imports) => {
                // Whole components cannot be imported at all, which the compiler says.
                let imports = imports.into_iter().flatten();
                let names = imports.filter(|import| !matches!(import.ty, ComponentTypeRef::Component(_)));
                names
                    .map(|import| import.name.name)
                    .filter(|name| !is_granted(name))
                    .for_each(|name| offences.note(|| import_of(name)));
            }
            Payload::ComponentExportSection(exports) => {
                exports_a_provider |=
                    exports.into_iter().flatten().any(|export| export.name.name.starts_with(REQUIRED));
            }
            Payload::End(_) => {
                if !exports_a_provider && !offences.named.is_empty() {
                    offences.note(lacking_provider);
                }
                break;
            }
            _ => {}
        }
        let Some(further) = rest.get(consumed + nested..) else { break };
        rest = further;
    }
    offences.none()
}

fn is_granted(import: &str) -> bool {
    GRANTED.iter().chain(&wasi::SERVED).any(|granted| import.starts_with(granted))
}

fn import_of(name: &str) -> String {
    format!("it imports `{name}`, which the hub does not grant")
}

fn lacking_provider() -> String {
    "it does not export `bulkhead:provider/provider@1`".to_owned()
}

/// What is wrong, by name as far as anybody would read it.
#[derive(Default)]
struct Offences {
    named: Vec<String>,
    further: usize,
}

impl Offences {
    fn note(&mut self, name: impl FnOnce() -> String) {
        if self.named.len() < OFFENCES_MAX { self.named.push(name()) } else { self.further += 1 }
    }

    fn none(mut self) -> Result<(), ContractError> {
        if self.further > 0 {
            self.named.push(format!("and {} more", self.further));
        }
        if self.named.is_empty() { Ok(()) } else { Err(ContractError::Offences(self.named)) }
    }
}

/// Checks imports and exports of a compiled component.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<(), ContractError> {
    let ty = component.component_type();
    let mut offences = Offences::default();
    let refused = ty.imports(engine).filter(|(name, _)| !is_granted(name));
    refused.for_each(|(name, _)| offences.note(|| import_of(name)));
    let provider = ty.exports(engine).find(|(name, _)| name.starts_with(REQUIRED));
    match provider.map(|(_, item)| item.ty) {
        Some(ComponentItem::ComponentInstance(instance)) => {
            let exported: Vec<_> = instance.exports(engine).map(|(name, _)| name.to_owned()).collect();
            let missing = FUNCTIONS.iter().filter(|function| !exported.iter().any(|name| name == *function));
            missing.for_each(|function| offences.note(|| format!("its provider interface lacks `{function}`")));
        }
        _ => offences.note(lacking_provider),
    }
    offences.none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        check_imports(&wat::parse_str(text).expect("WAT")).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_is_imported_is_known_without_compiling() {
        let provider = r#"(instance $i) (export "bulkhead:provider/provider@1.2.0" (instance $i))"#;
        let nested = r#"(component (import "evil:nested/door" (func))) (core module (import "evil" "inner" (func)))"#;
        let granted =
            r#"(import "bulkhead:provider/events@1.0.0" (instance)) (import "wasi:io/poll@0.2.9" (instance))"#;
        assert_eq!(told(&format!("(component {granted} {nested} {provider})")), "");
        let strange = r#"(import "wasi:keyvalue/store@0.2.0" (instance)) (import "evil:door/open" (func))"#;
        let error = told(&format!("(component {nested} {granted} {strange} {provider})"));
        assert!(error.contains("`wasi:keyvalue/store@0.2.0`") && error.contains("`evil:door/open`"), "{error}");
        assert!(!error.contains("nested") && !error.contains("events") && !error.contains("export"), "{error}");
        let error = told(&format!("(component {strange})"));
        assert!(error.contains("does not export"), "every offence is told at once: {error}");
        // What is no component, or a broken one, is for the compiler to tell.
        let whole = wat::parse_str(format!("(component {nested} {provider})")).expect("WAT");
        for broken in [&whole[..whole.len() - 3], b"text", b""] {
            assert_eq!(check_imports(broken), Ok(()));
        }
        let many: String =
            (0..1000).map(|n| [r#"(import "evil:door/open-"#, &n.to_string(), r#"" (func))"#].concat()).collect();
        let error = told(&format!("(component {many} {provider})"));
        assert!(error.contains("`evil:door/open-63`") && error.ends_with("and 936 more"), "{error}");
    }
}
