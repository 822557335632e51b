//! What a guest sees of the machine: nothing.

use bulkhead_sdk::prelude::*;
use wasip2::cli::{environment, stdin, terminal_stdout};
use wasip2::clocks::wall_clock;
use wasip2::filesystem::preopens;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Surroundings {
    /// Names of environment variables.
    environment: Vec<String>,
    /// Arguments of the program.
    arguments: Vec<String>,
    /// The working folder.
    folder: Option<String>,
    /// Folders that are open for it.
    preopens: Vec<String>,
    /// Bytes that standard input gives.
    input: usize,
    /// Whether there is a terminal.
    terminal: bool,
    /// Seconds since 1970.
    now: u64,
}

pub(crate) fn tell(_cx: &Context, _input: NoInput) -> Result<Surroundings, CallError> {
    Ok(Surroundings {
        environment: environment::get_environment().into_iter().map(|(name, _)| name).collect(),
        arguments: environment::get_arguments(),
        folder: environment::initial_cwd(),
        preopens: preopens::get_directories().into_iter().map(|(_, path)| path).collect(),
        input: stdin::get_stdin().blocking_read(1024).map_or(0, |bytes| bytes.len()),
        terminal: terminal_stdout::get_terminal_stdout().is_some(),
        now: wall_clock::now().seconds,
    })
}
