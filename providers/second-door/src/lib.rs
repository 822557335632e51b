//! Goes to the network through `wasi:http` instead of the contract's own interface, and touches whatever else WASI offers;
//! for tests only, never in a shipped config.
//!
//! `fetch.get` has the input, the output and the error words of the testbed's, so that one table of cases goes through both
//! doors.

#![forbid(unsafe_code)]
// WASI is there in a component only: on the machine itself there is nothing to build.
#![cfg(target_family = "wasm")]

mod fetch;
mod misuse;
mod surroundings;

use bulkhead_sdk::prelude::*;

/// The provider: everything it offers, in one place.
#[must_use]
pub fn provider() -> Provider {
    Provider::new("Speaks wasi:http", env!("CARGO_PKG_VERSION"))
        .tool(Tool::read("fetch.get", "1.0", fetch::get).description("Sends a GET."))
        .tool(Tool::write("fetch.send", "1.0", fetch::send).description("Sends any method and body."))
        .tool(Tool::read("fetch.ask", "1.0", fetch::send).description("The same, although it only reads."))
        .tool(Tool::read("fetch.flood", "1.0", misuse::flood).description("Starts so many requests at once."))
        .tool(Tool::write("upload.flood", "1.0", misuse::upload).description("Writes so many MiB to a body."))
        .tool(Tool::read("handles.hoard", "1.0", misuse::hoard).description("Makes so many resources and keeps them."))
        .tool(Tool::read("sleep.long", "1.0", misuse::sleep).description("Waits for a timer."))
        .tool(Tool::read("clock.spin", "1.0", misuse::spin).description("Asks for the time, over and over."))
        .tool(Tool::read("exit.now", "1.0", misuse::exit).description("Asks to end the program."))
        .tool(Tool::read("random.take", "1.0", misuse::random).description("Asks for so many random bytes."))
        .tool(Tool::read("print.lines", "1.0", misuse::print).description("Prints so many lines."))
        .tool(
            Tool::read("surroundings.tell", "1.0", surroundings::tell)
                .description("Tells what it sees of the machine."),
        )
}

bulkhead_sdk::export!(provider);
