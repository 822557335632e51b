//! What everything is called: ids, names, roles, classes, surfaces. Each is parsed once, where it comes in.
//!
//! The ground floor: this room imports no other.

mod class;
mod code;
mod correlation;
mod kept;
mod name;
mod operation;
mod owner;
mod role;
mod severity;
mod statement;
mod surface;
mod uri;
mod word;

pub use class::ToolClass;
pub use code::Code;
pub use correlation::CorrelationId;
pub use kept::Kept;
pub use name::{NameError, ProviderName, ToolName, WireForm};
pub use operation::{ItemKind, OperationKind};
pub use owner::Owner;
pub use role::{Role, ToolRole};
pub use severity::Severity;
pub use statement::StatementKind;
pub use surface::Surface;
pub use uri::{ResourceUri, UriError, UriPattern};
pub use word::UnknownWord;
pub(crate) use word::words;
