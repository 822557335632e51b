//! Why a provider was not loaded.

use std::{io, path::PathBuf};

use crate::{
    names::{NameError, ToolClass, ToolName},
    outbound::{AllowlistError, DnsError, GateError},
    sandbox::{CompileError, DescribeError, RunError},
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
    /// An admin has rolled back to a component that this hub does not have.
    #[error(
        "an admin has rolled it back to the component {0:.12}…, which this hub has not kept: roll it back here too, or change its \
         section of the config, which ends that"
    )]
    NotKept(String),
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
    /// The config lists what the component lacks.
    #[error("the config lists the resource `{uri}`, which the component does not have; it has: {has}")]
    MissingResource {
        /// The URI or template.
        uri: String,
        /// What there is.
        has: String,
    },
    /// The config lists what the component lacks.
    #[error("the config lists the prompt `{prompt}`, which the component does not have; it has: {has}")]
    MissingPrompt {
        /// The prompt.
        prompt: ToolName,
        /// What there is.
        has: String,
    },
    /// Config and component disagree on what a tool does.
    #[error(
        "`{tool}`: the config says class {}, the component {}: find out what the tool does, and have both say it",
        config.as_str(),
        component.as_str()
    )]
    Class {
        /// The tool.
        tool: ToolName,
        /// The config's.
        config: ToolClass,
        /// The component's.
        component: ToolClass,
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

impl LoadError {
    /// Whether the same component with the same config may well load at another time: what failed is the machine's, not
    /// theirs.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Compile(error) => error.is_passing(),
            Self::Describe(DescribeError::Run(error)) => {
                matches!(error, RunError::Timeout(_) | RunError::Busy(_) | RunError::Cancelled)
            }
            Self::File { .. } | Self::Gate(GateError::Client(_)) | Self::Dns(_) | Self::Interrupted(_) => true,
            Self::Describe(DescribeError::Contract(_))
            | Self::NotKept(_)
            | Self::Gate(GateError::OwnAddress(_))
            | Self::Description(_)
            | Self::Name(_)
            | Self::Schema { .. }
            | Self::MissingTool { .. }
            | Self::MissingResource { .. }
            | Self::MissingPrompt { .. }
            | Self::Class { .. }
            | Self::SchemaVersion { .. }
            | Self::Allowlist(_) => false,
        }
    }
}
