//! The log: to stderr, so that stdout belongs to answers and to MCP over stdio.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// What is logged unless `BULKHEAD_LOG` says otherwise. rmcp tells two or three lines per request.
const DEFAULT_FILTER: &str = "info,rmcp=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

/// Starts logging. Only the first call in a process has an effect.
pub fn start(filter: Option<&str>, format: LogFormat) {
    let filter =
        EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER)).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let registry = tracing_subscriber::registry().with(filter);
    // An error means that a subscriber is set already, which is what was wanted.
    let _ = match format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(stderr)).try_init(),
    };
}
