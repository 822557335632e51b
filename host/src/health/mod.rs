//! How the providers are: what the last check of each found, and when the next is due; and how their upstreams are, by how
//! requests to them end.

mod board;
mod breaker;
mod breakers;

pub use board::{CHECK_TIME, Health, HealthBoard, RECHECK, RECHECK_DOWN, Status};
pub use breaker::Sender;
pub use breakers::{Attempt, Breakers, CircuitOpen, Turned};
