//! Another program takes the hub's place while it serves: `bulkhead upgrade PROGRAM`.
//!
//! The running hub starts the program with the same arguments and its listening socket as standard input. When the new hub
//! has loaded what the old one serves it says so over the old one's socket in the data folder, is told to begin, and accepts
//! on the same socket; the old one accepts no more and serves the connections that it has until their next answer.
//! If the new one does not get that far, the old one goes on.

mod control;
mod predecessor;
mod program;
mod successor;

pub use control::{Asked, Control, ControlError, Reply, Request, ask};
pub use predecessor::{Listening, TakeoverError, listening, take_over};
pub use program::{Program, ProgramError, Version, version};
pub use successor::{Successor, UpgradeError};
