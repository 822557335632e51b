//! What REST and MCP share over HTTP: connections within limits, who may come in, bodies, and where requests lead that lead
//! nowhere.

mod access;
mod body;
mod connections;
mod correlation;
mod discovery;
mod nowhere;
mod problem;
mod proper;
mod router;

pub(crate) use access::{Admission, caller};
pub use body::BODY_MAX;
pub(crate) use body::{discard, read_body};
pub(crate) use connections::Endless;
pub use connections::{CONNECTIONS, Ending, Entry};
pub(crate) use correlation::Correlation;
pub use discovery::resources;
pub(crate) use nowhere::{Refused, path_malformed, refused};
pub use problem::{Problem, challenge, of as problem, with as problem_with};
pub use router::{PublicAddress, Routes, router, serve};
