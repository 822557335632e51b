//! The outbound gate: the only HTTP client in the hub, and the only way from a provider to the network.
//!
//! Each provider revision owns one [`Gate`]. A request passes it in two steps, so that secrets can be put into header
//! values in between, when the destination is already decided:
//!
//! 1. [`Gate::permit`] parses the URL once, holds it against the [`Allowlist`], checks headers and sizes, and refuses
//!    what the call, if it only reads, must not send ([`Acting`]).
//! 2. [`Gate::send`] resolves the name, refuses unless *every* address is public or named in the config, connects to
//!    exactly those addresses and reads the answer, all within a deadline and a size cap.
//!
//! Invariants: no redirect is followed, no proxy is used, no cookie is kept, nothing is decompressed, and connections
//! and TLS sessions are never shared between gates, but all of them count against one cap ([`Connections`]). The hub's own address is refused, whatever the allowlist says.
#![forbid(unsafe_code)]

mod acting;
mod address;
mod allowlist;
mod cap;
mod client;
mod connection;
mod connector;
mod dns;
mod error;
mod exchange;
mod failure;
mod gate;
mod headers;
mod host;
mod hosts_file;
mod limits;
mod message;
mod meter;
mod own_address;
mod permitted;
mod policy;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod query;
mod resolver;
mod rule;
mod steering;
mod suffix;
mod target;
mod tls;

#[cfg(test)]
mod tests;

pub use acting::Acting;
pub use address::{is_public, why_not_public};
pub use allowlist::{Allowlist, AllowlistError};
pub use cap::Connections;
pub use dns::{DnsError, DnsResolver, DnsServer, DnsServerError};
pub use error::OutboundError;
pub use exchange::OpenAnswer;
pub use gate::{Gate, GateError, GateOptions};
pub use headers::belongs_to_hub;
pub use host::{Host, HostName, HostNameError};
pub use limits::Limits;
pub use message::{Method, OutboundRequest, OutboundResponse};
pub use meter::ByteMeter;
pub use own_address::OwnAddress;
pub use permitted::Permitted;
pub use policy::Reach;
pub use query::{QueryError, QueryUrl};
pub use resolver::{Resolve, Resolving, SystemResolver};
pub use rule::{HostRule, RuleError};
pub use target::{Scheme, Target, TargetError};
pub use tls::{RootCertificate, RootCertificateError};
