//! The `bulkhead` program.

mod admin;
mod allocator;
mod backup;
mod copy;
mod filters;
mod migrate;
mod operating;
mod options;
mod purge;
mod reading;
mod recorded;
mod remote;
mod remote_reading;
mod replay;
mod serve;
mod table;
mod trail;
mod upgrade;
mod usage;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, parser::ValueSource};

pub use options::{Cli, Command};

use crate::{
    invocation::{self, Invocation},
    store::postgres::Settings,
};

/// Runs the program and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let ran = shown_password(&matches, &cli).and_then(|()| run(cli));
    match ran {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bulkhead: {}", invocation::with_paths(&told(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each once: some messages have their cause in them already.
fn told(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .fold(error.to_string(), |told, cause| if told.contains(&cause) { told } else { format!("{told}: {cause}") })
}

/// What stands in the arguments every user of the machine can read; the environment only who runs the program.
fn shown_password(matches: &ArgMatches, cli: &Cli) -> anyhow::Result<()> {
    let is_shown = matches.value_source("database_url") == Some(ValueSource::CommandLine);
    match &cli.options.database_url {
        Some(url) if is_shown && Settings::is_meant(url) => Ok(Settings::without_password(url)?),
        _ => Ok(()),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { options, log, command } = cli;
    Invocation::new(&options.data, &options.config, options.database_url.as_deref()).remember();
    crate::telemetry::start(log.log.as_deref(), log.log_format);
    if matches!(command, Command::Serve(_) | Command::Mcp(_)) {
        allocator::give_back_large_blocks();
    }
    match command {
        Command::Serve(serve) => serve::serve_http(&options, *serve),
        Command::Mcp(mcp) => serve::stdio(&options, &mcp),
        Command::Upgrade(asked) => upgrade::upgrade(&options, &asked),
        Command::Token(token) => admin::token(&options, &token),
        Command::Secrets { command } => admin::secrets(&options, command),
        Command::Config { command } => admin::config(&options, command),
        Command::Compile => Ok(admin::compile()),
        Command::Migrate => migrate::run(&options),
        Command::Backup(asked) => backup::make(&options, &asked),
        Command::Restore(asked) => backup::restore(&options, &asked),
        Command::Reload(reload) => operating::reload(&reload),
        Command::Providers(providers) => operating::providers(&providers),
        Command::Status(status) => operating::status(&status),
        Command::Audit { command } => trail::run(&options, &command),
    }
}
