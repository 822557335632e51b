//! The commands that do one thing and end.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, stdin},
    os::fd::AsFd,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    options::{ConfigCommand, Options, SecretsCommand, TokenOptions, VaultKind},
    recorded::recorded,
};
use crate::{
    config,
    identity::{LocalKeys, MintRequest},
    names::OperationKind,
    outbound::OwnAddress,
    registry::{Entry, Registry, Snapshot, Sources},
    sandbox::{self, Compiler, Sandbox},
    store::private_file,
    vault::{LocalVault, SECRET_MAX, SecretValue},
};

pub(super) fn token(options: &Options, token: &TokenOptions) -> anyhow::Result<ExitCode> {
    private_file::own_folder(&options.data)?;
    let keys = LocalKeys::open(&options.data)?;
    let user = token.user.unwrap_or_else(Uuid::new_v4);
    let request = MintRequest { user, role: token.role, team: token.team.clone(), ttl: token.ttl };
    let asked = json!({ "role": token.role, "seconds": token.ttl.as_secs(), "team": token.team, "user": user });
    let token = recorded(options, OperationKind::MintToken, object(asked), || Ok(keys.mint(&request)?))?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

pub(super) fn secrets(options: &Options, command: SecretsCommand) -> anyhow::Result<ExitCode> {
    if options.vault == VaultKind::Supabase {
        bail!(
            "secrets are in Supabase's vault: set one there with `select vault.create_secret('VALUE', 'NAME')`, change it with \
             `vault.update_secret`"
        );
    }
    private_file::own_folder(&options.data)?;
    let vault = LocalVault::open(&options.data)?;
    match command {
        SecretsCommand::Set { name } => {
            if stdin().is_terminal() {
                eprintln!("Type or paste the value of `{name}`, then Enter and Ctrl-D:");
            }
            let value = SecretValue::new(read_value().context("the value cannot be read")?)?;
            let asked = object(json!({ "name": name }));
            recorded(options, OperationKind::SetSecret, asked, || Ok(vault.set(name.clone(), &value)?))?;
            eprintln!("`{name}` is set.");
        }
        SecretsCommand::List => vault.names()?.iter().for_each(|name| println!("{name}")),
        SecretsCommand::Remove { name } => {
            let asked = object(json!({ "name": name }));
            let removed = recorded(options, OperationKind::RemoveSecret, asked, || Ok(vault.remove(&name)?))?;
            eprintln!("`{name}` {}.", if removed { "is removed" } else { "was not set" });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn object(asked: Value) -> Map<String, Value> {
    let Value::Object(asked) = asked else { return Map::new() };
    asked
}

/// Reads a value and its line break. No copy of it stays behind: standard input has a buffer that is not wiped, and so has
/// a string that grows.
fn read_value() -> io::Result<Zeroizing<String>> {
    let unbuffered = File::from(stdin().as_fd().try_clone_to_owned()?);
    let longest = SECRET_MAX + "\r\n".len();
    let mut value = Zeroizing::new(String::with_capacity(longest + 1));
    unbuffered.take(longest as u64 + 1).read_to_string(&mut value)?;
    let end = value.trim_end_matches(['\r', '\n']).len();
    value.truncate(end);
    Ok(value)
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
                let registry = Arc::new(Registry::new(
                    Sources { config, own_address: OwnAddress::default(), kept: None },
                    Arc::new(Sandbox::new(&cache, Compiler::this_program()?)?),
                ));
                registry.reload().await?;
                anyhow::Ok(registry.snapshot())
            });
            // Compiled code of a check is of no further use.
            let _ = std::fs::remove_dir_all(&cache);
            let checked = checked?;
            Ok(report(&checked))
        }
    }
}

/// What the hub starts for each component: see [`sandbox::Compiler`].
pub(super) fn compile() -> ExitCode {
    match sandbox::compile_from_stdin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("{fault}");
            ExitCode::from(fault.status())
        }
    }
}

fn report(snapshot: &Snapshot) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (name, entry) in snapshot.entries() {
        match entry {
            Entry::Disabled(_) => println!("{name}: disabled"),
            // A check is over when everything is loaded.
            Entry::Loading { .. } => println!("{name}: loading"),
            Entry::Ready { revision, .. } => {
                println!("{name}: ok, {} tools, component {:.12}", revision.offer.tools.len(), revision.component);
            }
            Entry::Failed(reason) => {
                println!("{name}: {reason}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
