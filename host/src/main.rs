//! The `bulkhead` program; see [`bulkhead::cli`].
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    bulkhead::cli::main()
}
