//! The project's own commands: each sets up what the machine lacks, then does its job.

mod bench;
mod campaign;
mod components;
mod debian;
mod host;
mod process;
mod run;
mod test;
mod tokens;
mod tools;
mod versions;
mod wasm_toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
Usage: cargo xtask <command>

  run [--role ROLE] [--ttl TIME] [-- SERVE_ARGS]
                        build everything, start the hub in the foreground, print a first call, and how a client is added
                        (its token is for ops_viewer and 30d unless asked for otherwise)
  test [-- TEST_ARGS]   build everything, install the test tools, run every test
  campaign NAME         a long test at its full length; without a name it lists them
  bench [--keep] [--old PROGRAM [--turns]] | bench audit [--rows NUMBER]
                        build the hub optimised, and measure what its line costs, against a bare echo server, the figures in
                        docs/performance.md (which --keep writes anew), and another hub in turns
  build [NAME...]       the named providers to components; without a name all of them and the hub
  tokens [PATH...]      find credentials in files: all of the repository's, or those named
  tools                 install only what the tests need: a Node, Python environments, client generators, a Netdata Agent, nginx
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    dispatch(&args).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn dispatch(args: &[String]) -> Result<ExitCode> {
    let (command, rest) = args.split_first().map_or(("help", args), |(first, rest)| (first.as_str(), rest));
    let workspace = Workspace::find()?;
    match command {
        "run" => match run::run(&workspace, rest)? {},
        "test" => test::test(&workspace, passed_on("test", rest)?),
        "campaign" => campaign::campaign(&workspace, rest),
        "bench" => bench::bench(&workspace, rest).map(|()| ExitCode::SUCCESS),
        "build" => build(&workspace, rest).map(|()| ExitCode::SUCCESS),
        "tokens" => tokens::check(&workspace, rest).map(|()| ExitCode::SUCCESS),
        "tools" => tools::ensure_all(&workspace)?.into_result().map(|()| ExitCode::SUCCESS),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => bail!("there is no command `{unknown}`\n\n{USAGE}"),
    }
}

fn build(workspace: &Workspace, names: &[String]) -> Result<()> {
    if !names.is_empty() {
        return components::build(workspace, components::Which::Named(names));
    }
    components::build(workspace, components::Which::All)?;
    host::build(workspace)
}

/// What follows `--`. Anything before it would be dropped silently, so it is refused.
fn passed_on<'a>(command: &str, args: &'a [String]) -> Result<&'a [String]> {
    match args.split_first() {
        None => Ok(&[]),
        Some((dashes, rest)) if dashes == "--" => Ok(rest),
        Some((first, _)) => Err(anyhow::anyhow!("`{command}` does not know `{first}`"))
            .with_context(|| format!("put arguments to pass on behind two dashes: cargo xtask {command} -- {first}")),
    }
}
