//! REST: the HTTP surface for programs.

mod health;
mod openapi;
mod routes;
mod tools;

pub use routes::{open, routes};
