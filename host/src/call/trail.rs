//! What is asked of the audit trail, and what it tells.

use uuid::Uuid;

use super::RequestFault;
use crate::{
    audit::{Cursor, Dimension, ExportFormat, Exporting, Filter, Page, ResumeToken, Shown, Streaming, Summary},
    names::OperationKind,
};

/// What is asked of the audit trail, or what is wrong with how it is asked.
#[derive(Debug)]
pub enum TrailOperation {
    /// A page of events.
    List(Result<Box<ListRequest>, RequestFault>),
    /// One call, with everything that belongs to it.
    Show(Result<Uuid, RequestFault>),
    /// All that is found, in a file.
    Export(Result<Box<ExportRequest>, RequestFault>),
    /// Events as they are recorded.
    Stream(Result<Box<StreamRequest>, RequestFault>),
    /// What was used.
    Usage(Result<Box<UsageRequest>, RequestFault>),
}

/// A page that is asked for.
#[derive(Debug)]
pub struct ListRequest {
    /// Which events.
    pub filter: Filter,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// How many, at most [`crate::audit::PAGE_MAX`].
    pub limit: u16,
    /// Whether all that there are are counted.
    pub wants_total: bool,
}

/// An export that is asked for.
#[derive(Debug)]
pub struct ExportRequest {
    /// Which events.
    pub filter: Filter,
    /// How they are written.
    pub format: ExportFormat,
}

/// A stream that is asked for.
#[derive(Debug)]
pub struct StreamRequest {
    /// Which events.
    pub filter: Filter,
    /// Where the client stood; from now on if it stood nowhere.
    pub from: Option<ResumeToken>,
}

/// Sums that are asked for.
#[derive(Debug)]
pub struct UsageRequest {
    /// Of which events.
    pub filter: Filter,
    /// By what they are told apart.
    pub by: Vec<Dimension>,
}

/// What the audit trail tells.
#[derive(Debug)]
pub enum TrailOutput {
    /// A page of events.
    Page(Page),
    /// One call.
    Shown(Shown),
    /// An export, of which nothing is read yet.
    Export(Box<Exporting>),
    /// A stream that has begun.
    Stream(Box<Streaming>),
    /// What was used.
    Usage(Summary),
}

impl TrailOperation {
    /// What the audit trail names it.
    pub(super) fn kind(&self) -> OperationKind {
        match self {
            Self::List(_) => OperationKind::AuditList,
            Self::Show(_) => OperationKind::AuditShow,
            Self::Export(_) => OperationKind::AuditExport,
            Self::Stream(_) => OperationKind::AuditStream,
            Self::Usage(_) => OperationKind::AuditUsage,
        }
    }
}
