//! The second door, for toolchains whose own HTTP client speaks `wasi:http` (JavaScript, Python, Go).
//!
//! `wasi:http/outgoing-handler` leads to the same way out as the contract's `outbound-http`. The rest of WASI that such
//! toolchains expect is inert: clocks and randomness, standard output as lines of the log, no input, no arguments, no
//! environment, no files. There are no sockets: a component that imports them is refused at load.

mod http;
mod link;
mod served;
mod session;
mod stdio;

pub(super) use link::add_to_linker;
pub(super) use served::SERVED;
pub(super) use session::{HANDLES, Wasi};
