//! MCP: the surface for agents, over Streamable HTTP and stdio, in both protocol eras and without sessions.

mod answers;
mod direct;
mod endpoint;
mod exchange;
mod http;
mod instructions;
mod lines;
mod lists;
mod message;
mod param_headers;
mod parts;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod request_id;
mod stdio;
mod told;
mod under_way;
mod wording;

pub use http::routes;
pub use stdio::serve as serve_stdio;
