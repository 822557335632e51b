//! The log: to stderr, so that stdout belongs to answers and to MCP over stdio. And what is counted.

mod line;
pub mod metrics;

use std::{
    io::{IsTerminal, stderr},
    panic,
};

pub use line::LogFormat;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// What is logged unless `BULKHEAD_LOG` says otherwise. rmcp warns of every request that is refused, which the hub's own
/// line tells already.
const DEFAULT_FILTER: &str = "info,rmcp=error";

/// Starts logging. Only the first call in a process has an effect.
pub fn start(filter: Option<&str>, format: LogFormat) {
    let filter =
        EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER)).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colours = format == LogFormat::Text && stderr().is_terminal();
    let lines = fmt::layer().event_format(line::Lines(format)).with_ansi(colours).with_writer(stderr);
    // An error means that a subscriber is set already, which is what was wanted.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    // A panic's text may hold what a caller sent: it goes the way of every line.
    panic::set_hook(Box::new(|panicked| {
        let at = panicked.location().map(ToString::to_string);
        tracing::error!(at, "{}", panicked.payload_as_str().unwrap_or("a panic that says nothing"));
    }));
}
