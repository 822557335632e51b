//! Bulkhead: one gateway for the ops tools that AI agents call.
//!
//! Every operation, whatever surface it came in by, is one [`call::Call`] that walks one line: authenticate, look up,
//! authorize, limit, validate, run in a fresh sandbox, validate, record, answer. Start reading at [`call`].
#![deny(unsafe_code)]

pub mod api;
pub mod audit;
pub mod backup;
pub mod call;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod events;
pub mod health;
pub mod http;
pub mod identity;
pub mod invocation;
pub mod json;
pub mod limits;
pub mod mcp;
pub mod names;
pub mod registry;
pub mod sandbox;
mod stages;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod tls;
pub mod upgrade;
pub mod vault;

pub use bulkhead_outbound as outbound;
