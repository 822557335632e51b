//! What the suites share.

pub mod clients;
pub mod hub;
pub mod netdata;
pub mod tools;
