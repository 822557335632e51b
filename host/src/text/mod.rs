//! Text from outside, made harmless where it is told; and what is told in the same words everywhere.
//!
//! Imports no other room.

mod line;
pub mod plain;
mod seconds;

pub use line::{Improper, check, is_unseen, one_line, shown};
pub use seconds::whole_seconds;
