//! REST: the HTTP surface for programs.

mod admin;
mod health;
mod metrics;
mod openapi;
mod readiness;
mod routes;
mod stream;
mod tools;
mod trail;

pub use metrics::metrics;
pub use routes::{open, routes};
