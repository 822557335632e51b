//! Which providers there are: a snapshot that calls read without waiting and a reload replaces whole.

mod asking;
mod awaited;
mod current;
mod described;
mod entry;
mod error;
mod index;
mod load;
mod mirrored;
mod offer;
mod outcome;
mod problem;
mod reload;
mod resource;
mod revision;
mod schema;
mod snapshot;
mod standing;
mod watch;

pub use asking::{Asked, Reloads, Report};
pub use awaited::Awaited;
pub use current::{Registry, Sources};
pub use entry::{Entry, State};
pub use error::LoadError;
pub use index::{Index, Listed, Lost};
pub use mirrored::Mirrored;
pub use offer::{Offer, Prompt, Tool};
pub use outcome::{Changed, Reloaded, Wrong};
pub use problem::Problem;
pub use reload::Reload;
pub use resource::Resource;
pub use revision::Revision;
pub use schema::{MASK, Masked, STEPS_MAX, Schema, TooManySteps, word};
pub use snapshot::Snapshot;
pub use standing::Standing;
pub use watch::{Reloader, Seen, look};
