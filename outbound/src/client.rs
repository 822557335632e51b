//! The HTTP client of one gate.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connector::Connector;
use super::limits::Limits;

/// Sent unless the provider sets its own `user-agent`.
pub(super) const USER_AGENT: &str = concat!("bulkhead/", env!("CARGO_PKG_VERSION"));

/// What a response's head over HTTP/1.1 has beside the names and values of its headers: the status line, and four bytes for
/// each header.
const HEAD_EXTRA: usize = 8 * 1024;

/// An HTTP client with a pool of its own. It speaks HTTP and nothing else: it follows no redirect, knows no proxy, keeps no
/// cookie and decompresses nothing.
pub(super) type Client = legacy::Client<Connector, Full<Bytes>>;

/// Builds a client that can only connect where `connector` leads.
pub(super) fn build(limits: &Limits, connector: Connector) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.idle_timeout)
        .pool_max_idle_per_host(limits.max_idle_per_host)
        .http1_max_headers(limits.max_headers)
        .http1_max_buf_size(limits.max_header_bytes + HEAD_EXTRA)
        .http2_max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .build(connector)
}
