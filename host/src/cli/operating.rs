//! `bulkhead reload`, `providers` and `status`: what admins ask of a running hub, by its REST routes.

use std::{io, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    filters::HubOptions,
    remote::{RemoteHub, Reply, refusal},
    table,
};
use crate::names::ProviderName;

/// `bulkhead reload` and `bulkhead status`.
#[derive(Debug, Args)]
pub struct OperateOptions {
    /// Which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// One JSON object, for programs
    #[arg(long)]
    pub json: bool,
}

/// `bulkhead providers`.
#[derive(Debug, Args)]
pub struct ProvidersOptions {
    /// Which hub.
    #[command(flatten)]
    pub hub: HubOptions,
    /// One JSON object, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; to list them unless given.
    #[command(subcommand)]
    pub command: Option<ProvidersCommand>,
}

/// What is done to a provider.
#[derive(Debug, Subcommand)]
pub enum ProvidersCommand {
    /// Take a provider out of service at once, until it is enabled or its section of the config is changed
    Disable {
        /// The provider
        provider: ProviderName,
    },
    /// Lift that
    Enable {
        /// The provider
        provider: ProviderName,
    },
    /// Have the component serve that served before, until the provider's section of the config is changed
    Rollback {
        /// The provider
        provider: ProviderName,
    },
}

/// The exit status where the hub has answered, and something is wrong.
const SOMETHING_WRONG: u8 = 3;

pub(super) fn reload(options: &OperateOptions) -> anyhow::Result<ExitCode> {
    let reloaded = done(hub(&options.hub)?.post("/admin/reload", &[], &Value::Null)?)?;
    let lists = ["changed", "problems", "overrides_ended", "loading"].map(|name| (name, list(&reloaded, name)));
    if options.json {
        table::json(&mut io::stdout().lock(), reloaded.clone())?;
    } else if lists.iter().all(|(_, list)| list.is_empty()) {
        println!("nothing has changed");
    } else {
        let rows = lists.iter().flat_map(|(name, list)| list.iter().map(move |item| row(name, item)));
        table::columns(&rows.collect::<Vec<_>>())?;
    }
    Ok(exit(list(&reloaded, "problems").is_empty()))
}

/// A line of what a reload came to.
fn row(of: &str, item: &Value) -> Vec<String> {
    let told = |name: &str| item.get(name).map(|value| table::told(value, WIDE));
    match of {
        "changed" => vec![told("state").unwrap_or_default(), told("provider").unwrap_or_default()],
        "problems" => {
            vec!["problem".to_owned(), told("provider").unwrap_or_default(), told("problem").unwrap_or_default()]
        }
        "overrides_ended" => {
            let kind = told("kind").unwrap_or_default();
            vec![
                "ended".to_owned(),
                told("provider").unwrap_or_default(),
                format!("it is no longer {kind} by an admin"),
            ]
        }
        _ => vec![of.to_owned(), table::told(item, WIDE)],
    }
}

/// The longest text of a line, in characters.
const WIDE: usize = 500;

pub(super) fn providers(options: &ProvidersOptions) -> anyhow::Result<ExitCode> {
    let hub = hub(&options.hub)?;
    let (provider, act) = match &options.command {
        None => {
            let listed = done(hub.ask("/admin/providers")?)?;
            return providers_told(&listed, list(&listed, "providers"), options.json);
        }
        Some(ProvidersCommand::Disable { provider }) => (provider, "disable"),
        Some(ProvidersCommand::Enable { provider }) => (provider, "enable"),
        Some(ProvidersCommand::Rollback { provider }) => (provider, "rollback"),
    };
    let now = done(hub.post(&format!("/admin/providers/{provider}/{act}"), &[], &Value::Null)?)?;
    providers_told(&now, std::slice::from_ref(&now), options.json)
}

fn providers_told(document: &Value, providers: &[Value], as_json: bool) -> anyhow::Result<ExitCode> {
    if as_json {
        table::json(&mut io::stdout().lock(), document.clone())?;
    } else {
        let head = ["provider", "state", "health", "since", "tools", "component", "config", "by an admin", "problem"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(providers.iter().map(|provider| {
            let of = |value: &Value| if value.is_null() { String::new() } else { table::told(value, WIDE) };
            let short = |value: &Value| of(value).chars().take(12).collect::<String>();
            let kinds: Vec<_> = list(provider, "overrides").iter().map(|one| of(&one["kind"])).collect();
            vec![
                of(&provider["provider"]),
                of(&provider["state"]),
                of(&provider["health"]),
                of(&provider["since"]),
                list(provider, "tools").len().to_string(),
                short(&provider["revision"]["component"]),
                short(&provider["revision"]["config"]),
                kinds.join(", "),
                of(&provider["problem"]),
            ]
        }));
        table::columns(&rows)?;
        if let Some(error) = document["config_error"].as_str() {
            eprintln!("the newest config is not in use: {}", table::told(&error.into(), WIDE));
        }
    }
    let is_well = |provider: &Value| {
        let serves = provider["state"] == "ready" && provider["health"] != "down";
        provider["problem"].is_null() && (serves || provider["state"] == "disabled")
    };
    Ok(exit(document["config_error"].is_null() && providers.iter().all(is_well)))
}

pub(super) fn status(options: &OperateOptions) -> anyhow::Result<ExitCode> {
    let reply = hub(&options.hub)?.ask("/health")?;
    let Some(status) = reply.document["status"].as_str() else {
        return Err(refusal(reply.status, &reply.document));
    };
    if options.json {
        table::json(&mut io::stdout().lock(), reply.document.clone())?;
    } else {
        println!("{}", table::told(&status.into(), WIDE));
        let members = reply.document.as_object().into_iter().flatten();
        for (name, value) in members.filter(|(name, value)| name.ends_with("_error") && value.is_string()) {
            println!("{name}: {}", table::told(value, WIDE));
        }
        let rows = list(&reply.document, "providers").iter().map(|provider| {
            let of =
                |name: &str| if provider[name].is_null() { String::new() } else { table::told(&provider[name], WIDE) };
            vec![of("provider"), of("status"), of("error")]
        });
        table::columns(&rows.collect::<Vec<_>>())?;
    }
    Ok(exit(reply.status == 200))
}

fn hub(options: &HubOptions) -> anyhow::Result<RemoteHub> {
    RemoteHub::of(options)?.context("this is asked of a running hub: give --hub URL")
}

/// What was answered, if it was done.
fn done(reply: Reply) -> anyhow::Result<Value> {
    if reply.status == 200 { Ok(reply.document) } else { Err(refusal(reply.status, &reply.document)) }
}

fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn exit(is_well: bool) -> ExitCode {
    if is_well { ExitCode::SUCCESS } else { ExitCode::from(SOMETHING_WRONG) }
}
