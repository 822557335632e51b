//! The audit trail: every operation is one row of `ops.run_events`, durable before its answer leaves.
//!
//! This room owns the only writes to that table. One writer thread gathers the events that wait and commits them
//! together; each call is released when its own event is on disk. When that fails nothing new begins until it is possible
//! again ([`Audit::turn_away`]).

mod body;
mod certificate;
mod checkpoint;
mod csv;
mod cursor;
mod denials;
mod encoding;
mod entry;
mod error;
mod event;
mod export;
mod filter;
mod follow;
mod frequent;
mod heads;
mod intake;
mod journal;
mod key;
mod ledger;
mod liveness;
mod message;
mod presence;
mod recorder;
mod seal;
mod shown;
mod sinks;
mod standing;
mod statement;
mod sweep;
mod trail;
mod verify;
mod writer;

pub use body::{Body, excerpt};
pub use certificate::renew as renew_key;
pub use checkpoint::CheckpointError;
pub use cursor::{Cursor, NoCursor};
pub use error::AuditError;
pub use event::{Event, Intent, Outcome, Sharing, UpstreamQuota};
pub use export::{Export, ExportFormat};
pub use filter::{Filter, FilterError, Parameter, Query, Scope};
pub use follow::{Follow, News};
pub use heads::checkpoint;
pub use key::{AuditKey, NoPublicKey, PublicKey};
pub use ledger::ReadFault;
pub use standing::Refusal;
pub use trail::{Exporting, PAGE, PAGE_MAX, Page, PageRequest, Shown, TOTAL_MAX, Trail, TrailError, TrailFile};
pub use verify::{Report, VerifyError, verify};
pub use writer::Audit;
