//! The commands that do one thing and end.

use std::{
    io::{IsTerminal, Read, stdin},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::options::{AuditCommand, ConfigCommand, Options, SecretsCommand, TokenOptions};
use crate::{
    audit, config,
    identity::{LocalKeys, MintRequest},
    registry::{Entry, Registry, Sources},
    sandbox::Sandbox,
    store::private_file,
    vault::{LocalVault, SECRET_MAX, SecretValue},
};

pub(super) fn token(options: &Options, token: &TokenOptions) -> anyhow::Result<ExitCode> {
    private_file::create_folder(&options.data)?;
    let keys = LocalKeys::open(&options.data)?;
    let user = token.user.unwrap_or_else(Uuid::new_v4);
    let request = MintRequest { user, role: token.role, team: token.team.clone(), ttl: token.ttl };
    println!("{}", keys.mint(&request)?);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn secrets(options: &Options, command: SecretsCommand) -> anyhow::Result<ExitCode> {
    private_file::create_folder(&options.data)?;
    let vault = LocalVault::open(&options.data)?;
    match command {
        SecretsCommand::Set { name } => {
            if stdin().is_terminal() {
                eprintln!("Type or paste the value of `{name}`, then Enter and Ctrl-D:");
            }
            let mut value = Zeroizing::new(String::new());
            stdin().take(SECRET_MAX as u64 + 2).read_to_string(&mut value).context("the value cannot be read")?;
            let value = Zeroizing::new(value.trim_end_matches(['\r', '\n']).to_owned());
            vault.set(name.clone(), &SecretValue::new(value)?)?;
            eprintln!("`{name}` is set.");
        }
        SecretsCommand::List => vault.names()?.iter().for_each(|name| println!("{name}")),
        SecretsCommand::Remove { name } => {
            let removed = vault.remove(&name)?;
            eprintln!("`{name}` {}.", if removed { "is removed" } else { "was not set" });
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn config(options: &Options, command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Schema => {
            println!("{}", serde_json::to_string_pretty(&config::schema())?);
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Check { file } => {
            let config = file.unwrap_or_else(|| options.config.clone());
            let cache = std::env::temp_dir().join(format!("bulkhead-check-{}", Uuid::new_v4()));
            let checked = tokio::runtime::Runtime::new()?.block_on(async {
                let registry = Registry::new(Sources { config }, Arc::new(Sandbox::new(&cache)?));
                registry.reload().await?;
                anyhow::Ok(registry)
            });
            // Compiled code of a check is of no further use.
            let _ = std::fs::remove_dir_all(&cache);
            Ok(report(&checked?))
        }
    }
}

fn report(registry: &Registry) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (name, entry) in registry.snapshot().entries() {
        match entry {
            Entry::Disabled => println!("{name}: disabled"),
            Entry::Ready { revision, .. } => {
                println!("{name}: ok, {} tools, component {:.12}", revision.offer.tools.len(), revision.id);
            }
            Entry::Failed(reason) => {
                println!("{name}: {reason}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

pub(super) fn audit(options: &Options, command: &AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify => {
            let report = audit::verify(&options.data, &options.database()?)?;
            for problem in &report.problems {
                println!("{problem}");
            }
            if report.problems.is_empty() {
                println!("{} rows of {} hub runs: nothing was changed or removed", report.rows, report.writers);
                Ok(ExitCode::SUCCESS)
            } else {
                println!("{} rows of {} hub runs: {} problems", report.rows, report.writers, report.problems.len());
                Ok(ExitCode::FAILURE)
            }
        }
    }
}
