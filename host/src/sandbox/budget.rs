//! What one call may use, counted across both doors.
//!
//! Whoever takes more than there is ends the call: the first breach is kept and named in the answer and the audit row,
//! whatever the guest makes of it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio_util::sync::CancellationToken;

use crate::{config::SandboxLimits, names::Code, outbound::ByteMeter};

/// The limit that a call has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Linear memory, in MiB.
    #[error("memory limit {0} MiB reached")]
    Memory(u32),
    /// Elements of tables.
    #[error("table limit {0} elements reached")]
    Tables(u32),
    /// Core instances.
    #[error("core instance limit {0} reached")]
    CoreInstances(u32),
    /// Stack, in KiB.
    #[error("stack limit {0} KiB reached")]
    Stack(u32),
    /// What the guest passes to the hub in one go, in MiB.
    #[error("hand-over limit {0} MiB reached")]
    HandOver(u32),
    /// Resources that the hub keeps for the guest, such as open requests.
    #[error("handle limit {0} reached")]
    Handles(usize),
    /// HTTP requests.
    #[error("request limit {0} reached")]
    Requests(u32),
    /// What all requests weigh, in MiB.
    #[error("request size limit {0} MiB reached")]
    RequestBytes(u32),
    /// What all responses weigh, in MiB.
    #[error("response size limit {0} MiB reached")]
    ResponseBytes(u32),
    /// The answer, in MiB.
    #[error("output limit {0} MiB reached")]
    Output(u32),
    /// Log lines.
    #[error("log limit {0} lines reached")]
    LogLines(u32),
    /// Events.
    #[error("event limit {0} reached")]
    Events(u32),
}

impl Breach {
    /// The stable code of this limit in answers and audit rows.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Memory(_) => Code::MemoryLimit,
            Self::Tables(_) => Code::TableLimit,
            Self::CoreInstances(_) => Code::CoreInstanceLimit,
            Self::Stack(_) => Code::StackLimit,
            Self::HandOver(_) => Code::HandOverLimit,
            Self::Handles(_) => Code::HandleLimit,
            Self::Requests(_) => Code::RequestLimit,
            Self::RequestBytes(_) => Code::RequestSizeLimit,
            Self::ResponseBytes(_) => Code::ResponseSizeLimit,
            Self::Output(_) => Code::OutputLimit,
            Self::LogLines(_) => Code::LogLimit,
            Self::Events(_) => Code::EventLimit,
        }
    }
}

/// What is left of one call's budget.
#[derive(Debug)]
pub(super) struct Budget {
    limits: SandboxLimits,
    requests: AtomicU64,
    events: AtomicU64,
    log_lines: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: Arc<ByteMeter>,
    memory: AtomicU64,
    breach: OnceLock<Breach>,
    breached: CancellationToken,
}

impl Budget {
    pub(super) fn new(limits: SandboxLimits) -> Self {
        Self {
            limits,
            requests: AtomicU64::new(limits.http_requests.get().into()),
            events: AtomicU64::new(limits.events.get().into()),
            log_lines: AtomicU64::new(limits.log_lines.get().into()),
            request_bytes: AtomicU64::new(limits.request_mib.bytes()),
            response_bytes: Arc::new(ByteMeter::new(limits.response_mib.bytes())),
            memory: AtomicU64::new(0),
            breach: OnceLock::new(),
            breached: CancellationToken::new(),
        }
    }

    /// Takes so many requests, all or none.
    pub(super) fn requests(&self, count: usize) -> Result<(), Breach> {
        self.take(&self.requests, count as u64, Breach::Requests(self.limits.http_requests.get()))
    }

    /// Takes so many bytes of requests.
    pub(super) fn request_bytes(&self, bytes: u64) -> Result<(), Breach> {
        self.take(&self.request_bytes, bytes, Breach::RequestBytes(self.limits.request_mib.get()))
    }

    /// What counts the bytes of responses while they arrive.
    pub(super) fn response_bytes(&self) -> Arc<ByteMeter> {
        Arc::clone(&self.response_bytes)
    }

    /// The responses weighed too much.
    pub(super) fn response_bytes_reached(&self) -> Breach {
        self.reached(Breach::ResponseBytes(self.limits.response_mib.get()))
    }

    /// Takes one event.
    pub(super) fn event(&self) -> Result<(), Breach> {
        self.take(&self.events, 1, Breach::Events(self.limits.events.get()))
    }

    /// Takes one line of the log.
    pub(super) fn log_line(&self) -> Result<(), Breach> {
        self.take(&self.log_lines, 1, Breach::LogLines(self.limits.log_lines.get()))
    }

    /// Notes how many bytes all linear memories have.
    pub(super) fn has_memory(&self, bytes: u64) {
        self.memory.store(bytes, Relaxed);
    }

    /// The same as it was noted last.
    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// Notes a breach, the first of which counts, and ends the call.
    pub(super) fn reached(&self, breach: Breach) -> Breach {
        let first = *self.breach.get_or_init(|| breach);
        self.breached.cancel();
        first
    }

    /// The breach, if there was one.
    pub(super) fn breach(&self) -> Option<Breach> {
        self.breach.get().copied()
    }

    /// Waits for a breach, for as long as there is none.
    pub(super) async fn breached(&self) {
        self.breached.cancelled().await;
    }

    fn take(&self, left: &AtomicU64, amount: u64, breach: Breach) -> Result<(), Breach> {
        let taken = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(amount));
        if taken.is_ok() { Ok(()) } else { Err(self.reached(breach)) }
    }
}
