//! Why a request got no answer.

use thiserror::Error;

/// Why a request got no answer: `outbound-http.error` of the contract. Texts say what to do next and never contain a
/// header value, a query or anything about the hub's machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// The request itself is wrong: URL or header.
    #[error("{0}")]
    InvalidRequest(String),
    /// Scheme, host and port are not in `allowed_hosts`.
    #[error("{0}")]
    DeniedHost(String),
    /// The host is, or resolves to, an address that is neither public nor named in `allowed_hosts`.
    #[error("{0}")]
    DeniedAddress(String),
    /// The call only reads, and this might change something. The text says what to write in the config.
    #[error("{0}")]
    DeniedMethod(String),
    /// The name does not resolve.
    #[error("{0}")]
    Dns(String),
    /// No connection: nothing was sent.
    #[error("{0}")]
    NoConnection(String),
    /// The connection broke, or the answer was not HTTP.
    #[error("{0}")]
    Connection(String),
    /// The certificate was refused or the handshake failed.
    #[error("{0}")]
    Tls(String),
    /// The answer came in a form in which nobody could see whether it holds a secret.
    #[error("{0}")]
    Unsearchable(String),
    /// The hub has as many connections to upstreams as it may, all of them in use.
    #[error("the hub has {most} connections to upstreams and all are in use: try again in a moment")]
    Crowded {
        /// How many it may have.
        most: usize,
    },
    /// No complete answer in time.
    #[error("no complete answer in time: ask for less, or raise the request's timeout or the tool's timeout_ms")]
    Timeout,
    /// The request or the response is larger than the limit.
    #[error("more than {limit} bytes: ask for less at once (a page, a filter, a shorter range)")]
    TooLarge {
        /// The limit that was reached, in bytes.
        limit: u64,
    },
    /// The call's responses weigh more than it may receive.
    #[error("the call has received as much as it may: ask for less")]
    BudgetExhausted,
}
