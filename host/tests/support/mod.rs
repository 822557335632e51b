//! What the suites share.

pub mod bugsink;
pub mod clients;
pub mod hub;
pub mod jwt;
pub mod netdata;
pub mod stdio;
pub mod testbed;
pub mod tools;
pub mod upstream;
