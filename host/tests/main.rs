//! The hub as a program, against real things: one module per room.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::pedantic, missing_docs)] // a test fails by panicking

mod support;

mod admin;
mod api;
mod architecture;
mod audit;
mod backup;
mod config;
mod docs;
mod events;
mod health;
mod identity;
mod limits;
mod mcp;
mod module_graph;
mod outbound;
mod providers;
mod registry;
mod sandbox;
mod serving;
mod telemetry;
mod threat_model;
mod vault;
