//! How the providers are: what the last check of each found, and when the next is due.

mod board;

pub use board::{CHECK_TIME, Health, HealthBoard, RECHECK, RECHECK_DOWN, Status};
