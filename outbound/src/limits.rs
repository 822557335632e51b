//! Bounds of a single request.

use std::time::Duration;

/// Bounds of one request and its answer, and of the connections that a gate keeps.
///
/// The defaults are safe. How many requests a call may make, and how many bytes in all, is counted by whoever runs the
/// call: [`Permitted::request_bytes`](super::Permitted::request_bytes) gives the one figure, a
/// [`ByteMeter`](super::ByteMeter) counts the other while responses arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest URL in bytes. Default 8 KiB (RFC 9110, 4.1 asks for at least 8000).
    pub max_url_bytes: usize,
    /// Most headers of a request, and of a response over HTTP/1.1. Default 100.
    pub max_headers: usize,
    /// Most bytes of headers, names and values together, in a request and in a response. Default 64 KiB.
    ///
    /// A response's head is bounded before it is parsed, too: over HTTP/1.1 by the client's buffer, 8 KiB more than this,
    /// which it checks before it reads on and so may overrun once (measured with the default: heads of 114,000 bytes are
    /// read and then refused here, those of 119,000 are not read to their end); over HTTP/2 by the size of the header list,
    /// uncompressed.
    pub max_header_bytes: usize,
    /// Most bytes of a request: URL, headers and body. Default 10 MiB.
    pub max_request_bytes: u64,
    /// Most bytes of a response: headers and body, as they come over the wire (nothing is decompressed). Default
    /// 10 MiB.
    pub max_response_bytes: u64,
    /// Longest time for name resolution, TCP and TLS together. Default 5 s; the deadline may end it sooner.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept for the next request. Default 60 s.
    pub idle_timeout: Duration,
    /// Most idle connections to one scheme, host and port. Default 16.
    pub max_idle_per_host: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_url_bytes: 8 * 1024,
            max_headers: 100,
            max_header_bytes: 64 * 1024,
            max_request_bytes: 10 * 1024 * 1024,
            max_response_bytes: 10 * 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(1),
            max_idle_per_host: 16,
        }
    }
}
