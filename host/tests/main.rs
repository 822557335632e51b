//! The hub as a program, against real things: one module per room.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::pedantic, missing_docs)] // a test fails by panicking

mod support;
mod upstreams;

mod architecture;
mod audit;
mod callers;
mod compiling;
mod config;
mod denials;
mod hostile;
mod identity;
mod limits;
mod mcp;
mod mcp_clients;
mod netdata;
mod osv;
mod outbound;
mod reload;
mod rest;
mod sandbox;
mod schemas;
mod second_door;
mod sentry;
mod socket;
mod threat_model;
mod vault;
