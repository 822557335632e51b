//! What everything is called: ids, names, roles, classes, surfaces. Each is parsed once, where it comes in.
//!
//! The ground floor: this room imports no other.

mod class;
mod correlation;
mod name;
mod role;
mod surface;
mod uri;

pub use class::ToolClass;
pub use correlation::CorrelationId;
pub use name::{NameError, ProviderName, ToolName, WireForm};
pub use role::Role;
pub use surface::Surface;
pub use uri::{ResourceUri, UriError, UriPattern};
