//! Requests through the hub's gate, and answers that are judged before the provider sees them.

mod failure;
mod link;
mod ndjson;
mod request;
mod response;
mod send;
mod start;
mod url;

pub use failure::Failure;
pub use link::Link;
pub use ndjson::Ndjson;
pub use request::RequestBuilder;
pub use response::Response;
pub use url::{percent_decode, percent_encode};
