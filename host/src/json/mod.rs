//! JSON from outside: held against limits while it is read, and numbers as they were written.
//!
//! Imports no other room.

mod canonical;
mod document;
mod error;
mod limits;
mod number;
mod object;
mod violation;

pub use canonical::{canonical, of_any as canonical_of_any};
pub use document::{check, parse, parse_output, parse_schema, parse_settled};
pub use error::JsonError;
pub use limits::{DEPTH_MAX, KEY_MAX, STRING_MAX, VALUES_MAX};
pub use number::settle;
pub use object::Object;
pub use violation::{Violation, listed};
