//! Runs providers: a fresh WebAssembly instance per call, bounded in time and memory, with three gates and nothing else.

mod bindings;
mod budget;
mod compiler;
mod component;
mod contract;
mod engine;
mod error;
mod fair_semaphore;
mod gate_set;
mod gates;
mod guest;
mod log;
mod memory;
mod pace;
mod precompiled;
mod run;
mod runtime;
mod traces;
mod wasi;
mod way_out;
mod weight;

pub use bindings::{
    Annotations, CallContext, CallFault, Content, Description, ErrorCode, HealthStatus, PromptDescription,
    PromptMessage, PromptRole, ProviderHealth, ResourceBody, ResourceContent, ResourceDescription, ToolDescription,
    ToolOutput, WasmToolClass,
};
pub use budget::Breach;
pub use compiler::{COMMAND, CompileError, Compiler, CompilerFault, compile_from_stdin};
pub use component::Compiled;
pub use contract::ContractError;
pub use engine::SandboxError;
pub use error::{DescribeError, RunError};
pub use fair_semaphore::Load;
pub use gate_set::GateSet;
pub use run::{Run, Taker};
pub use runtime::Sandbox;
pub use traces::{Emitted, Traces};
