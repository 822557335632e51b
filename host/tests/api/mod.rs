//! The REST surface, and the connections that every surface comes in by.

mod callers;
mod discovery;
mod numbers;
mod openapi;
mod rest;
