//! Why a provider was not loaded.

use std::{io, path::PathBuf};

use crate::{
    call::{NameError, ToolName},
    outbound::{AllowlistError, DnsError, GateError},
    sandbox::{CompileError, DescribeError},
};

/// Why a provider was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The component's file cannot be read.
    #[error("its component `{}` cannot be read: {source} (build it: `cargo xtask build`)", path.display())]
    File {
        /// The component as the config names it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The component cannot be compiled, or breaks the contract.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It could not describe itself.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// Its description is not acceptable.
    #[error("its component is refused: {0}")]
    Description(String),
    /// A name is not acceptable.
    #[error("its component is refused: {0}")]
    Name(#[from] NameError),
    /// A schema is not acceptable.
    #[error("the {which} schema of `{tool}` is not usable: {reason}")]
    Schema {
        /// The tool.
        tool: ToolName,
        /// `input` or `output`.
        which: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The config lists what the component lacks.
    #[error("the config lists the tool `{tool}`, which the component does not have; it has: {has}")]
    MissingTool {
        /// The tool.
        tool: ToolName,
        /// What there is.
        has: String,
    },
    /// Config and component disagree.
    #[error(
        "`{tool}`: the config says schema_version {config}, the component {component}: callers may rely on the former"
    )]
    SchemaVersion {
        /// The tool.
        tool: ToolName,
        /// The config's.
        config: String,
        /// The component's.
        component: String,
    },
    /// An allowlist entry is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Allowlist(Vec<AllowlistError>),
    /// The outbound gate cannot be made.
    #[error("its outbound gate cannot be made: {0}")]
    Gate(#[from] GateError),
    /// The DNS servers of the config cannot be asked.
    #[error("{0}")]
    Dns(#[from] DnsError),
    /// A task of the hub's own broke.
    #[error("loading it was cut off: {0}")]
    Interrupted(String),
}
