//! What bounds one call of a provider. Every limit is always on; a call that reaches one ends there, with its name.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bounded::bounded;

/// Bounds of one provider's sandbox. Its time limit is each tool's `timeout_ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxLimits {
    /// Linear memory of one call, in MiB: 1 to 256; 64 when left out.
    #[schemars(range(min = 1, max = 256))]
    pub memory_mib: MemoryMib,
    /// Elements in all tables of one call: 0 to 50000; 20000 when left out.
    #[schemars(range(min = 0, max = 50_000))]
    pub table_elements: TableElements,
    /// WebAssembly stack of one call, in KiB: 128, 256, 512 or 1024; 512 when left out.
    #[schemars(with = "u32", extend("enum" = [128, 256, 512, 1024]))]
    pub stack_kib: StackKib,
    /// Core instances that a component is made of: 1 to 64; 16 when left out. Rust needs 1 to 3, Python about 40.
    #[schemars(range(min = 1, max = 64))]
    pub core_instances: CoreInstances,
    /// Calls that may run at once: 1 to 128; 32 when left out. One caller has half of them at most, rounded up.
    #[schemars(range(min = 1, max = 128))]
    pub concurrent_calls: ConcurrentCalls,
    /// Calls that may wait, half a second at most, for others to end: 0 to 1024; 64 when left out. Further ones are told at
    /// once that the provider is busy.
    #[schemars(range(min = 0, max = 1024))]
    pub queued_calls: QueuedCalls,
    /// HTTP requests of one call: 0 to 1000; 64 when left out.
    #[schemars(range(min = 0, max = 1000))]
    pub http_requests: HttpRequests,
    /// What all HTTP requests of one call may weigh together (URLs, headers, bodies), in MiB: 1 to 256; 32 when left out. A
    /// single one is at most 10 MiB.
    #[schemars(range(min = 1, max = 256))]
    pub request_mib: HttpMib,
    /// What all HTTP responses of one call may weigh together (headers and bodies), in MiB: 1 to 256; 32 when left out. A
    /// single one is at most 10 MiB.
    #[schemars(range(min = 1, max = 256))]
    pub response_mib: HttpMib,
    /// What a call may answer, in MiB: 1 to 10; 10 when left out.
    #[schemars(range(min = 1, max = 10))]
    pub output_mib: OutputMib,
    /// Lines that a call may write to the log: 0 to 10000; 200 when left out. A line has at most 2048 characters.
    #[schemars(range(min = 0, max = 10_000))]
    pub log_lines: LogLines,
    /// Events that a call may emit, at most 64 KiB each: 0 to 1000; 32 when left out.
    #[schemars(range(min = 0, max = 1000))]
    pub events: Events,
}

/// WebAssembly stack of one call. A few sizes only, because each takes an engine of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "u32")]
pub enum StackKib {
    /// 128 KiB.
    Kib128,
    /// 256 KiB.
    Kib256,
    /// 512 KiB.
    #[default]
    Kib512,
    /// 1024 KiB.
    Kib1024,
}

impl StackKib {
    /// The size in KiB.
    #[must_use]
    pub const fn get(self) -> u32 {
        match self {
            Self::Kib128 => 128,
            Self::Kib256 => 256,
            Self::Kib512 => 512,
            Self::Kib1024 => 1024,
        }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.get() as usize * 1024
    }
}

impl TryFrom<u32> for StackKib {
    type Error = String;
    fn try_from(kib: u32) -> Result<Self, String> {
        let sizes = [Self::Kib128, Self::Kib256, Self::Kib512, Self::Kib1024];
        let size = sizes.into_iter().find(|size| size.get() == kib);
        size.ok_or_else(|| format!("{kib} is not a stack size: use 128, 256, 512 or 1024 KiB"))
    }
}

bounded!(/// Linear memory of one call, in MiB.
    MemoryMib, 1..=256, 64, MiB);
bounded!(/// Elements in all tables of one call.
    TableElements, 0..=50_000, 20_000, "elements");
bounded!(/// Core instances of one call.
    CoreInstances, 1..=64, 16, "core instances");
bounded!(/// Calls of one provider that may run at once.
    ConcurrentCalls, 1..=128, 32, "calls");
bounded!(/// Calls of one provider that may wait.
    QueuedCalls, 0..=1024, 64, "calls");
bounded!(/// HTTP requests of one call.
    HttpRequests, 0..=1000, 64, "requests");
bounded!(/// What one direction of a call's HTTP may weigh, in MiB.
    HttpMib, 1..=256, 32, MiB);
bounded!(/// What a call may answer, in MiB.
    OutputMib, 1..=10, 10, MiB);
bounded!(/// Log lines of one call.
    LogLines, 0..=10_000, 200, "lines");
bounded!(/// Events of one call.
    Events, 0..=1000, 32, "events");
