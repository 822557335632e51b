//! `bulkhead audit`: what can be done with the trail from outside.

use std::process::ExitCode;

use anyhow::bail;
use chrono::{DateTime, Utc};
use serde_json::Map;

use super::{
    copy,
    options::{AuditCommand, Options},
    purge, reading,
    recorded::recorded,
    replay, usage,
};
use crate::{
    audit::{self, AuditKey, Moving},
    names::OperationKind,
    store::private_file,
};

/// What is missing is missing by a signed statement. Whether that is well only a person knows, so that it is no success.
const DECLARED: u8 = 3;

pub(super) fn run(options: &Options, command: &AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify { hub: Some(_), .. } => bail!(
            "a trail is verified where its database is, not by asking the hub that writes it: give --data or --database-url; what \
             `bulkhead audit export --hub` writes can be verified anywhere (docs/audit-format.md)"
        ),
        AuditCommand::Verify { keys, checkpoints, hub: None } => {
            let report = audit::verify(&options.data, &options.database()?, keys, checkpoints)?;
            for told in report.problems.iter().chain(&report.declared) {
                println!("{told}");
            }
            Ok(match (report.problems.len(), report.declared_missing) {
                (0, 0) => {
                    println!("{}: nothing was changed or removed", scope(&report));
                    ExitCode::SUCCESS
                }
                (0, missing) => {
                    println!(
                        "{}: nothing was changed; what {} saw is missing, as a restore declares: was that you?",
                        scope(&report),
                        counted(missing, "checkpoint")
                    );
                    ExitCode::from(DECLARED)
                }
                (problems, _) => {
                    println!("{}: {}", scope(&report), counted(problems as u64, "problem"));
                    ExitCode::FAILURE
                }
            })
        }
        AuditCommand::List(list) => reading::list(options, list),
        AuditCommand::Show(show) => reading::show(options, show),
        AuditCommand::Export(export) => reading::export(options, export),
        AuditCommand::Tail(tail) => reading::tail(options, tail),
        AuditCommand::Replay(asked) => replay::replay(asked),
        AuditCommand::Archive { before } => archive(options, *before),
        AuditCommand::Usage(asked) => usage::run(options, asked),
        AuditCommand::Copy(asked) => copy::run(options, asked),
        AuditCommand::Purge(asked) => purge::run(options, asked),
        AuditCommand::Checkpoint => {
            println!("{}", audit::checkpoint(&options.data, &options.database()?)?);
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Key { new } => {
            private_file::own_folder(&options.data)?;
            if !*new && AuditKey::read(&options.data)?.is_none() {
                eprintln!("there was no key in the data folder, so this one is new: is it the hub's --data?");
            }
            let key = if *new { audit::renew_key(&options.data)? } else { AuditKey::open(&options.data)? };
            println!("{}", key.public());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn archive(options: &Options, before: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    let data = options.data.canonicalize()?;
    // It states what it does before it does it, and has its row afterwards.
    let moved = audit::archive(&data, &options.database()?, before);
    let asked = Map::from_iter([("before".to_owned(), before.to_rfc3339().into())]);
    let Moving { archives, is_shrunk } = recorded(options, OperationKind::AuditArchive, asked, || Ok(moved?))?;
    for (file, entries) in &archives {
        println!("{file}: {}", counted(entries.unsigned_abs(), "entry"));
    }
    match (archives.is_empty(), is_shrunk) {
        (true, _) => println!("nothing to archive: the trail has nothing from before {}", before.to_rfc3339()),
        (false, true) => println!("the database is smaller now; keep the folder `archive` with it"),
        (false, false) => println!(
            "the room is used again by what comes, and not given back while a hub runs; keep the folder `archive` with it"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// What was verified. A run is one start of the hub, which writes one chain.
fn scope(report: &audit::Report) -> String {
    format!("{} from {}", counted(report.rows, "row"), counted(report.writers, "hub run"))
}

fn counted(number: u64, what: &str) -> String {
    let (one, many) = what.strip_suffix('y').map_or((what, format!("{what}s")), |stem| (what, format!("{stem}ies")));
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
