//! Requests through the hub's gate, and answers that are judged before the provider sees them.

mod failure;
mod request;
mod response;
mod url;

pub use failure::Failure;
pub use request::RequestBuilder;
pub use response::Response;
pub use url::{percent_decode, percent_encode};

pub(crate) use request::send_all;
