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
mod discovery;
mod floods;
mod health;
mod hostile;
mod identity;
mod limits;
mod logging;
mod mcp;
mod mcp_cancelling;
mod mcp_clients;
mod mcp_protocol;
mod mcp_refusals;
mod mcp_texts;
mod netdata;
mod numbers;
mod openapi;
mod osv;
mod outbound;
mod ownership;
mod reload;
mod rest;
mod sandbox;
mod schemas;
mod second_door;
mod sentry;
mod socket;
mod threat_model;
mod trail;
mod vault;
