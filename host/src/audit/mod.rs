//! The audit trail: every operation is one row of `ops.run_events`, durable before its answer leaves.
//!
//! This room owns the only writes to that table. One writer thread gathers the events that wait and commits them
//! together; each call is released when its own event is on disk. When that fails nothing new begins until it is possible
//! again ([`Audit::turn_away`]).

mod chain;
mod denials;
mod error;
mod event;
mod ledger;
mod liveness;
mod message;
mod recorder;
mod rows;
mod standing;
mod sweep;
mod verify;
mod writer;

pub use chain::AuditKey;
pub use error::AuditError;
pub use event::{Event, Intent, Outcome, UpstreamQuota, excerpt};
pub use standing::Refusal;
pub use verify::{Report, VerifyError, verify};
pub use writer::Audit;
