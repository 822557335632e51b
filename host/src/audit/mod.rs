//! The audit trail: every operation is one row of `ops.run_events`, durable before its answer leaves.
//!
//! This room owns the only writes to that table. One writer thread gathers the events that wait and commits them
//! together; each call is released when its own event is on disk. When that fails nothing new begins until it is possible
//! again ([`Audit::turn_away`]).

mod archive;
mod body;
mod certificate;
mod checkpoint;
mod cloud_event;
mod copy;
mod cursor;
mod denials;
mod encoding;
mod entry;
mod error;
mod event;
mod filter;
mod frequent;
mod heads;
mod intake;
mod journal;
mod key;
mod ledger;
mod liveness;
mod message;
mod outbox;
mod packed;
mod presence;
mod purge;
mod recorder;
mod restored;
mod rollup;
mod seal;
mod sinks;
mod standing;
mod statement;
mod summary;
mod sweep;
mod trail;
mod usage;
mod verify;
mod vouched;
mod waiting;
mod writer;

pub use archive::{ArchiveError, Moving, archive, archives};
pub use body::{Body, excerpt};
pub use certificate::{FILE as CERTIFICATES_FILE, renew as renew_key};
pub use checkpoint::CheckpointError;
pub use cloud_event::{CloudEvent, ForOutbox, Outgoing, Said, Sayer};
pub use copy::{Copied, CopyError, copy};
pub use cursor::{Cursor, NoCursor};
pub use error::AuditError;
pub use event::{Event, Intent, Outcome, Sharing, UpstreamQuota};
pub use filter::{Filter, FilterError, Parameter, Query, Scope, time};
pub use heads::checkpoint;
pub use key::{AuditKey, KEY_FILE, NoPublicKey, PublicKey};
pub use ledger::ReadFault;
pub use outbox::Outbox;
pub use packed::{FOLDER as ARCHIVES, path as archive_path};
pub use purge::{Chosen, PurgeError, Removed, purge};
pub use restored::state_restored;
pub use sinks::Post;
pub use standing::Refusal;
pub use summary::{Dimension, SUMMED, Summary, UsageQuery};
pub use trail::{
    Export, ExportFormat, Exporting, Follow, News, NewsEvent, NoResumeToken, PAGE, PAGE_MAX, Page, PageRequest, Reader,
    ResumeToken, Shown, Streaming, TOTAL_MAX, Trail, TrailError, TrailFile,
};
pub use usage::{Costs, ReportedCost, Usage};
pub use verify::{Report, VerifyError, must_exist, verify};
pub use waiting::{Backlog, Bounds, OutboxKey, Waiting};
pub use writer::Audit;
