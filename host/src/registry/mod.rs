//! Which providers there are: a snapshot that calls read without waiting and a reload replaces whole.

mod current;
mod described;
mod error;
mod index;
mod load;
mod mirrored;
mod offer;
mod problem;
mod reload;
mod resource;
mod revision;
mod schema;
mod snapshot;
mod watch;

pub use current::{Registry, Sources};
pub use error::LoadError;
pub use index::{Index, Listed, Lost};
pub use mirrored::Mirrored;
pub use offer::{Offer, Prompt, Tool};
pub use problem::Problem;
pub use reload::{Reload, Reloaded};
pub use resource::Resource;
pub use revision::Revision;
pub use schema::{MASK, Masked, STEPS_MAX, Schema, TooManySteps, word};
pub use snapshot::{Entry, Snapshot};
pub use watch::{Seen, look, watch};
