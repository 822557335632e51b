//! What the hub counts and measures, for Prometheus. Nothing is counted unless a listener for it was asked for.
//!
//! Labels are words of the hub's own and names of the config, never what a caller or an upstream sends: so the number of series is
//! bounded by the config.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use prometheus::{
    Encoder as _, Error, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// The media type of Prometheus's text format.
pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;

/// From a tenth of a millisecond to half a minute, in seconds.
const TIMES: [f64; 14] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0, 30.0];
/// From a row to a whole batch.
const ROWS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// From a page of WebAssembly to the most that a provider may have, in bytes.
const BYTES: [f64; 8] =
    [65_536.0, 1_048_576.0, 2_097_152.0, 4_194_304.0, 16_777_216.0, 67_108_864.0, 134_217_728.0, 268_435_456.0];

static OF_THIS_PROCESS: OnceLock<Metrics> = OnceLock::new();

/// What is counted as it happens.
#[derive(Debug)]
struct Metrics {
    registry: Registry,
    calls: IntCounterVec,
    call_seconds: HistogramVec,
    denials: IntCounterVec,
    outbound: IntCounterVec,
    outbound_seconds: HistogramVec,
    sandbox_seconds: HistogramVec,
    sandbox_bytes: HistogramVec,
    audit_waiting: IntGauge,
    audit_rows: Histogram,
    audit_seconds: Histogram,
    reloads: IntCounterVec,
}

/// An operation that ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The provider by its name in the config; empty where there is none of that name.
    pub provider: &'a str,
    /// The tool by its name in the config; empty for everything else.
    pub tool: &'a str,
    /// What was asked.
    pub operation: &'static str,
    /// How it ended.
    pub outcome: &'static str,
    /// The code of its error, if there is one.
    pub code: Option<&'static str>,
    /// The rule by which it was denied, if it was.
    pub denied_by: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

impl Metrics {
    fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(made.clone())).map(|()| made)
        };
        let histogram = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let made = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?;
            registry.register(Box::new(made.clone())).map(|()| made)
        };
        let plain = |name: &str, help: &str, buckets: &[f64]| {
            let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
            registry.register(Box::new(made.clone())).map(|()| made)
        };
        let audit_waiting =
            IntGauge::new("bulkhead_audit_waiting_rows", "Rows that wait for the writer of the audit trail.")?;
        registry.register(Box::new(audit_waiting.clone()))?;
        Ok(Self {
            calls: counter(
                "bulkhead_operations_total",
                "Operations that ended, by provider, tool, operation, outcome and code of the error.",
                &["provider", "tool", "operation", "outcome", "code"],
            )?,
            call_seconds: histogram(
                "bulkhead_operation_duration_seconds",
                "From an operation's arrival until it is to be recorded.",
                &["provider", "operation"],
                &TIMES,
            )?,
            denials: counter("bulkhead_denials_total", "Operations that were denied, by rule.", &["rule"])?,
            outbound: counter(
                "bulkhead_outbound_requests_total",
                "Requests of providers to upstreams, by entry of allowed_hosts and by how they ended.",
                &["provider", "host", "status"],
            )?,
            outbound_seconds: histogram(
                "bulkhead_outbound_request_duration_seconds",
                "From sending a request to an upstream until its whole answer is there, or it failed.",
                &["provider", "host"],
                &TIMES,
            )?,
            sandbox_seconds: histogram(
                "bulkhead_sandbox_duration_seconds",
                "How long runs of a provider took in the sandbox, waiting for upstreams included.",
                &["provider"],
                &TIMES,
            )?,
            sandbox_bytes: histogram(
                "bulkhead_sandbox_memory_bytes",
                "The linear memory that runs of a provider had at their end.",
                &["provider"],
                &BYTES,
            )?,
            audit_waiting,
            audit_rows: plain("bulkhead_audit_batch_rows", "Rows that were committed in one transaction.", &ROWS)?,
            audit_seconds: plain(
                "bulkhead_audit_commit_duration_seconds",
                "How long a transaction of the audit trail took, flushing included.",
                &TIMES,
            )?,
            reloads: counter("bulkhead_reloads_total", "Reloads of the config, by what they came to.", &["result"])?,
            registry,
        })
    }
}

/// Begins to count.
///
/// # Errors
/// When two metrics have the same name.
pub fn begin() -> Result<(), Error> {
    let metrics = Metrics::new()?;
    // Who began already counts on.
    let _ = OF_THIS_PROCESS.set(metrics);
    Ok(())
}

/// The clock for what is to be measured; `None` while nothing is counted.
#[must_use]
pub fn clock() -> Option<Instant> {
    OF_THIS_PROCESS.get().map(|_| Instant::now())
}

/// Whether anything is counted.
#[must_use]
pub fn is_counted() -> bool {
    OF_THIS_PROCESS.get().is_some()
}

/// An operation has ended.
pub fn ended(operation: &Ended<'_>) {
    let Some(metrics) = OF_THIS_PROCESS.get() else { return };
    let Ended { provider, tool, operation, outcome, code, denied_by, took } = *operation;
    metrics.calls.with_label_values(&[provider, tool, operation, outcome, code.unwrap_or_default()]).inc();
    metrics.call_seconds.with_label_values(&[provider, operation]).observe(took.as_secs_f64());
    if let Some(rule) = denied_by {
        metrics.denials.with_label_values(&[rule]).inc();
    }
}

/// A request to an upstream has ended, or was not sent. `host` is the entry of the config that allows it.
pub fn sent(provider: &str, host: &str, status: &'static str, since: Option<Instant>) {
    let Some(metrics) = OF_THIS_PROCESS.get() else { return };
    metrics.outbound.with_label_values(&[provider, host, status]).inc();
    if let Some(since) = since {
        metrics.outbound_seconds.with_label_values(&[provider, host]).observe(since.elapsed().as_secs_f64());
    }
}

/// A run in the sandbox has ended, with so many bytes of linear memory.
pub fn ran(provider: &str, bytes: u64, since: Option<Instant>) {
    let (Some(metrics), Some(since)) = (OF_THIS_PROCESS.get(), since) else { return };
    metrics.sandbox_seconds.with_label_values(&[provider]).observe(since.elapsed().as_secs_f64());
    // Exact up to 2^53 bytes.
    #[expect(clippy::cast_precision_loss, reason = "no memory is that large")]
    metrics.sandbox_bytes.with_label_values(&[provider]).observe(bytes as f64);
}

/// So many rows wait for the writer of the audit trail.
pub fn waiting(rows: usize) {
    if let Some(metrics) = OF_THIS_PROCESS.get() {
        metrics.audit_waiting.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }
}

/// So many rows were committed.
pub fn committed(rows: usize, since: Option<Instant>) {
    let (Some(metrics), Some(since)) = (OF_THIS_PROCESS.get(), since) else { return };
    metrics.audit_rows.observe(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
    metrics.audit_seconds.observe(since.elapsed().as_secs_f64());
}

/// A reload of the config has ended.
pub fn reloaded(result: &'static str) {
    if let Some(metrics) = OF_THIS_PROCESS.get() {
        metrics.reloads.with_label_values(&[result]).inc();
    }
}

/// What is not counted but looked at: a value for each of some labels.
#[derive(Debug)]
pub struct Look {
    registry: Registry,
}

impl Look {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { registry: Registry::new() }
    }

    /// Adds a gauge with these values, each with its labels.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn gauge<const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        labels: [&str; N],
        values: impl IntoIterator<Item = ([String; N], i64)>,
    ) -> Result<(), Error> {
        let gauge = IntGaugeVec::new(Opts::new(name, help), &labels)?;
        for (of, value) in values {
            gauge.with_label_values(&of.each_ref().map(String::as_str)).set(value);
        }
        self.registry.register(Box::new(gauge))
    }

    /// All of it, and all that was counted, in Prometheus's text format.
    ///
    /// # Errors
    /// Not while names are as Prometheus wants them.
    pub fn text(&self) -> Result<Vec<u8>, Error> {
        let mut families = OF_THIS_PROCESS.get().map(|metrics| metrics.registry.gather()).unwrap_or_default();
        families.extend(self.registry.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

impl Default for Look {
    fn default() -> Self {
        Self::new()
    }
}
